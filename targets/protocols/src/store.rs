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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compare_and_set_says_what_it_found_and_changes_nothing() {
        let mut store = Store::default();
        let key = Key(1);
        let cas = |expected, new| Call::Cas { key, expected, new: Value(new) };
        assert_eq!(store.apply(&cas(None, 5)), Outcome::Ok(Reply::Done));
        let before = store.clone();
        let found = Some(Value(5));
        assert_eq!(store.apply(&cas(None, 6)), Outcome::Fail(Refusal::Mismatch { found }));
        assert_eq!(store, before);
        assert_eq!(store.apply(&cas(found, 6)), Outcome::Ok(Reply::Done));
        assert_eq!(store.apply(&Call::Read { key }), Outcome::Ok(Reply::Read(Some(Value(6)))));
    }
}
