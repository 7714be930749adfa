//! A history of registers, as it is heard.

use crate::transactions::store::{Part, Store};
use history::{Call, Entry, Event, Got, Key, Mop, Outcome, Reply, Value};
use rustc_hash::FxHashMap;

/// What is kept of a history: every transaction, and every value that a register held or was to hold. A value of a
/// register is called a version; its number is the argument of the parts that write or read it.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub store: Store,
    /// The register and the value of each version; `None` if the register was never written.
    pub versions: Vec<(u32, Option<Value>)>,
    numbers: FxHashMap<(u32, Option<Value>), u32>,
    /// Why this cannot be judged at all, if so.
    pub misfit: Option<String>,
}

impl Heard {
    pub fn hear(&mut self, index: usize, entry: &Entry) {
        if self.misfit.is_none() {
            self.misfit = self.try_hear(index, entry).err();
        }
    }

    fn try_hear(&mut self, index: usize, entry: &Entry) -> Result<(), String> {
        match &entry.event {
            Event::Invoke { call, .. } => {
                let parts = if let Call::Txn { mops } = call { mops.len() } else { 1 };
                if !self.store.fits(index, parts) {
                    return Err(format!("event {index}: the history is too long for this checker"));
                }
                self.store.begin(index, entry.time, &entry.event);
                self.call(call).map_err(|what| {
                    let only = "rw-register knows reads and writes of registers only";
                    format!("event {index}: {what} is neither: {only}")
                })
            }
            Event::Complete { process, outcome } => {
                let Some(txn) = self.store.end(index, entry.time, *process, outcome) else { return Ok(()) };
                let wrong = |what: String| format!("event {index}: {what}");
                if let Outcome::Ok(reply) = outcome { self.reply(txn, reply).map_err(wrong) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &Call) -> Result<(), String> {
        match call {
            Call::Txn { mops } => {
                for mop in mops {
                    match mop {
                        Mop::Read { key } => self.read(*key),
                        Mop::Write { key, value } => self.write(*key, *value),
                        other => return Err(other.to_string()),
                    }
                }
            }
            Call::Write { key, value } => self.write(*key, *value),
            Call::Read { key } => self.read(*key),
            other => return Err(other.to_string()),
        }
        Ok(())
    }

    fn read(&mut self, key: Key) {
        let key = self.store.key_number(key);
        self.store.push(Part::read(key));
    }

    fn write(&mut self, key: Key, value: Value) {
        let key = self.store.key_number(key);
        let version = self.version(key, Some(value));
        self.store.push(Part::write(key, version));
    }

    /// The number of a version, a new one if it is new.
    pub fn version(&mut self, key: u32, value: Option<Value>) -> u32 {
        let versions = &mut self.versions;
        *self.numbers.entry((key, value)).or_insert_with(|| {
            versions.push((key, value));
            versions.len() as u32 - 1
        })
    }

    fn reply(&mut self, txn: u32, reply: &Reply) -> Result<(), String> {
        let span = self.store.span(txn);
        let one;
        let gots = match reply {
            Reply::Txn(gots) if gots.len() == span.len() => gots.as_slice(),
            Reply::Txn(gots) => {
                return Err(format!("the transaction has {} parts and {} answers", span.len(), gots.len()));
            }
            Reply::Read(value) if span.len() == 1 => {
                one = [Got::Value(*value)];
                &one
            }
            Reply::Done if self.store.parts(txn).iter().all(|part| part.is_write()) => return Ok(()),
            other => return Err(format!("{other} is no answer to a read of a register")),
        };
        for (at, got) in gots.iter().enumerate() {
            let part = self.store.parts(txn)[at];
            match got {
                _ if part.is_write() => {}
                Got::Value(value) => {
                    let version = self.version(part.key(), *value);
                    self.store.parts_mut(txn)[at].arg = version;
                }
                other => return Err(format!("a read of a register cannot get {other}")),
            }
        }
        Ok(())
    }
}
