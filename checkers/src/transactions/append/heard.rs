//! A history of lists, as it is heard.

use super::lists::Lists;
use crate::transactions::store::{Fate, Part, Store};
use history::{Call, Entry, Event, Got, Key, Mop, Outcome, Reply, Value};

/// What is kept of a history: every transaction, every appended value, the longest read of each list.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub store: Store,
    pub lists: Lists,
    /// What each append appends; appends are numbered in the order of their calls.
    pub values: Vec<Value>,
    /// The transaction of each append.
    pub by: Vec<u32>,
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
                    let only = "list-append knows reads and appends of lists only";
                    format!("event {index}: {what} is not about a list: {only}")
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
                        Mop::Append { key, value } => self.append(*key, *value),
                        other => return Err(other.to_string()),
                    }
                }
            }
            Call::Append { key, value } => self.append(*key, *value),
            Call::Elements { key } => self.read(*key),
            other => return Err(other.to_string()),
        }
        Ok(())
    }

    fn read(&mut self, key: Key) {
        let key = self.store.key_number(key);
        self.store.push(Part::read(key));
    }

    fn append(&mut self, key: Key, value: Value) {
        let key = self.store.key_number(key);
        self.store.push(Part::write(key, self.values.len() as u32));
        self.values.push(value);
        self.by.push(self.store.len() as u32 - 1);
    }

    fn reply(&mut self, txn: u32, reply: &Reply) -> Result<(), String> {
        let parts = self.store.parts_mut(txn);
        match reply {
            Reply::Txn(gots) if gots.len() == parts.len() => {
                for (part, got) in parts.iter_mut().zip(gots) {
                    match got {
                        Got::List(list) if !part.is_write() => {
                            part.arg = self.lists.note(part.key(), txn, list);
                        }
                        Got::Value(None) if !part.is_write() => {
                            part.arg = self.lists.note(part.key(), txn, &[]);
                        }
                        _ if part.is_write() => {}
                        other => return Err(format!("a read of a list cannot get {other}")),
                    }
                }
            }
            Reply::Txn(gots) => {
                return Err(format!("the transaction has {} parts and {} answers", parts.len(), gots.len()));
            }
            Reply::List(list) if parts.len() == 1 && !parts[0].is_write() => {
                parts[0].arg = self.lists.note(parts[0].key(), txn, list);
            }
            other => {
                if parts.iter().any(|part| !part.is_write()) {
                    return Err(format!("{other} is no answer to a read of a list"));
                }
            }
        }
        Ok(())
    }

    /// What became of the transaction of an append.
    pub fn fate_of(&self, append: u32) -> Fate {
        self.store.fate(self.by[append as usize])
    }
}
