//! Write skew: two transactions that each see that nobody has done something, and both do it.
//!
//! For each pair of keys two clients, at about the same time, read both keys and write one of them, each another. One of
//! them must see what the other wrote (G2-item: Adya, *Weak Consistency*, 1999, §4.2). Snapshot isolation allows that
//! neither does.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::finale::last_looks;
use crate::keys::{KeyUse, Keys};
use crate::txns::{isolation, levels, read_everything};
use checkers::RwRegister;
use history::{Call, CallKind, Chance, Key, Mop, ProcessId};

pub(crate) const ENTRY: Entry = Entry {
    name: "write-skew",
    about: "pairs of transactions that read the same two registers, and then each writes another of them",
    calls: &[CallKind::Txn],
    options: Options::None,
    levels,
    make,
    judges: |level| vec![Box::new(RwRegister::new(isolation(level)))],
};

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Pairs::default(), Keys::new(KeyUse::USUAL), settings, &chance);
    (main, last_looks(read_everything))
}

#[derive(Default)]
struct Pairs {
    next: u64,
    /// The other half of a pair whose first was asked just now.
    second: Option<(Key, Key)>,
}

impl Asker for Pairs {
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let (written, other) = self.second.take().unwrap_or_else(|| {
            let pair = (Key(self.next), Key(self.next + 1));
            self.next += 2;
            self.second = Some((pair.1, pair.0));
            pair
        });
        let value = hand.value();
        let mops =
            vec![Mop::Read { key: written }, Mop::Read { key: other }, Mop::Write { key: written, value }];
        Some((hand.somebody(), Call::Txn { mops }))
    }
}
