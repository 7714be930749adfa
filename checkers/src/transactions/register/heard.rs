//! A history of registers, as it is heard.

use crate::transactions::hearing::Hearing;
use crate::transactions::store::{Part, Store};
use history::{Call, Got, Key, Mop, Reply, Value};
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

impl Hearing for Heard {
    const STRANGE: &'static str = "is neither: rw-register knows reads and writes of registers only";

    fn kept(&mut self) -> (&mut Store, &mut Option<String>) {
        (&mut self.store, &mut self.misfit)
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

impl Heard {
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
}
