//! Transactions of reads and changes of a few keys.

use crate::Settings;
use crate::asking::{Asker, Hand};
use checkers::Isolation;
use history::{Call, Key, Mop, ProcessId, Value};

/// Transactions, half of whose parts read. How the others change a key is the workload's own.
pub(crate) struct Transactions {
    change: fn(Key, Value) -> Mop,
    /// How many parts one has.
    length: (u32, u32),
}

impl Transactions {
    /// One to four parts, if the settings do not say otherwise.
    pub(crate) fn new(change: fn(Key, Value) -> Mop, settings: &Settings) -> Transactions {
        let (least, most) = settings.txn_length.unwrap_or((1, 4));
        Transactions { change, length: (least.max(1), most.max(least).max(1)) }
    }
}

impl Asker for Transactions {
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let (least, most) = self.length;
        let length = hand.chance.between(least.into(), most.into());
        let mops = (0..length).map(|_| {
            let key = hand.key();
            if hand.chance.coin(0.5) { Mop::Read { key } } else { (self.change)(key, hand.value()) }
        });
        let mops = mops.collect();
        Some((hand.somebody(), Call::Txn { mops }))
    }
}

/// Everything that can be promised of transactions, the strongest first.
pub(crate) fn levels() -> Vec<&'static str> {
    Isolation::ALL.iter().rev().map(|level| level.name()).collect()
}

/// The isolation of this name, one of [`levels`].
pub(crate) fn isolation(level: &str) -> Isolation {
    level.parse().unwrap_or(Isolation::StrictSerializable)
}

/// A transaction that reads these.
pub(crate) fn read_all(keys: &[Key]) -> Call {
    Call::Txn { mops: keys.iter().map(|key| Mop::Read { key: *key }).collect() }
}

/// Transactions that read everything, eight keys at a time.
pub(crate) fn read_everything(keys: &std::collections::BTreeSet<Key>) -> Vec<Call> {
    let keys: Vec<Key> = keys.iter().copied().collect();
    keys.chunks(8).map(read_all).collect()
}
