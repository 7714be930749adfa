//! A history of lists, as it is heard.

use super::lists::Lists;
use crate::transactions::hearing::Hearing;
use crate::transactions::store::{Fate, Part, Store};
use history::{Call, Got, Key, Mop, Reply, Value};

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

impl Hearing for Heard {
    const STRANGE: &'static str = "is not about a list: list-append knows reads and appends of lists only";

    fn kept(&mut self) -> (&mut Store, &mut Option<String>) {
        (&mut self.store, &mut self.misfit)
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
}

impl Heard {
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

    /// What became of the transaction of an append.
    pub fn fate_of(&self, append: u32) -> Fate {
        self.store.fate(self.by[append as usize])
    }
}
