//! The replicated state: what committed calls are applied to.

use history::{Call, Key, Outcome, Refusal, Reply, Value};
use std::collections::BTreeMap;

/// Registers by key. A register never written holds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Store {
    registers: BTreeMap<Key, Value>,
}

impl Store {
    /// Carries out a call. Depends on nothing but what was applied before.
    pub fn apply(&mut self, call: &Call) -> Outcome {
        match *call {
            Call::Read { key } => Outcome::Ok(Reply::Read(self.read(key))),
            Call::Write { key, value } => {
                self.registers.insert(key, value);
                Outcome::Ok(Reply::Done)
            }
            Call::Cas { key, expected, new } => {
                let found = self.read(key);
                if found != expected {
                    return Outcome::Fail(Refusal::Mismatch { found });
                }
                self.registers.insert(key, new);
                Outcome::Ok(Reply::Done)
            }
        }
    }

    fn read(&self, key: Key) -> Option<Value> {
        self.registers.get(&key).copied()
    }
}
