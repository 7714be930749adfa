//! What an object is, from how it is used.

use super::parser::Parsed;
use crate::{Call, Got, Key, Mop, Reply};
use std::collections::BTreeSet;

/// How the history uses its objects.
#[derive(Default)]
struct Uses {
    sets: BTreeSet<Key>,
    counters: BTreeSet<Key>,
    added: BTreeSet<Key>,
    read: BTreeSet<Key>,
    /// Written as registers in transactions, or said to be read as such.
    registers: BTreeSet<Key>,
    /// Appended to in transactions, or said to be read as such.
    lists: BTreeSet<Key>,
}

/// Says of what could be several things which one it is.
pub(super) fn resolve(ops: &mut [Parsed]) {
    let mut uses = Uses::default();
    ops.iter().for_each(|op| uses.note(op));
    for op in ops {
        uses.decide(op);
    }
}

impl Uses {
    fn note(&mut self, op: &Parsed) {
        match &op.call {
            Call::Elements { key } | Call::Remove { key, .. } | Call::Contains { key, .. } => {
                self.sets.extend([*key]);
            }
            Call::Increment { key, .. } | Call::Count { key } => self.counters.extend([*key]),
            Call::Add { key, .. } => self.added.extend([*key]),
            Call::Read { key } => self.read.extend([*key]),
            Call::Txn { mops } => self.note_txn(op, mops),
            _ => {}
        }
    }

    fn note_txn(&mut self, op: &Parsed, mops: &[Mop]) {
        let Reply::Txn(gots) = &op.reply else { return };
        for (place, (mop, got)) in mops.iter().zip(gots).enumerate() {
            match (mop, got) {
                (Mop::Write { key, .. }, _) | (Mop::Read { key }, Got::Value(_)) => {
                    self.registers.insert(*key)
                }
                (Mop::Append { key, .. }, _) => self.lists.insert(*key),
                (Mop::Read { key }, _) if !op.single.contains(&place) => self.lists.insert(*key),
                _ => continue,
            };
        }
    }

    fn counter(&self, key: Key) -> bool {
        let both = self.added.contains(&key) && self.read.contains(&key);
        self.counters.contains(&key) || (both && !self.sets.contains(&key))
    }

    fn register(&self, key: Key) -> bool {
        let neither = !self.registers.contains(&key) && !self.lists.contains(&key);
        self.registers.contains(&key) || (neither && !self.registers.is_empty())
    }

    fn decide(&self, op: &mut Parsed) {
        match (&op.call, &mut op.reply) {
            (Call::Add { key, value }, _) if self.counter(*key) => {
                op.call = Call::Increment { key: *key, by: value.0 };
            }
            (Call::Read { key }, Reply::Read(count)) if self.counter(*key) => {
                op.reply = Reply::Count(count.map_or(0, |count| count.0));
                op.call = Call::Count { key: *key };
            }
            (Call::Txn { mops }, Reply::Txn(gots)) => {
                for place in &op.single {
                    let (Mop::Read { key }, Got::List(values)) = (&mops[*place], &gots[*place]) else {
                        continue;
                    };
                    if self.register(*key) {
                        gots[*place] = Got::Value(values.first().copied());
                    }
                }
            }
            _ => {}
        }
    }
}
