//! Long forks: two readers that see two independent writes in opposite orders.
//!
//! Each key is written once, and readers look at a whole group of keys. Parallel snapshot isolation allows the fork,
//! snapshot isolation does not (Sovran et al., SOSP 2011, §3).

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::finale::last_looks;
use crate::keys::{KeyUse, Keys};
use crate::txns::read_all;
use checkers::LongFork;
use history::{Call, CallKind, Chance, Key, Mop, ProcessId};
use std::collections::BTreeSet;

pub(crate) const ENTRY: Entry = Entry {
    name: "long-fork",
    about: "registers that are written once, and read in groups",
    calls: &[CallKind::Txn],
    options: Options::None,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(LongFork)],
};

/// How many keys are read together.
const GROUP: u64 = 3;
/// How many groups are in use at a time.
const GROUPS: usize = 3;
/// How many reads of a group there are for each write.
const READS: u64 = 3;

fn make(settings: &Settings, chance: Chance) -> Generators {
    let asker = Groups { active: Vec::new(), next: 0 };
    let main = main_phase(asker, Keys::new(KeyUse::USUAL), settings, &chance);
    (main, last_looks(read_groups))
}

struct Groups {
    active: Vec<Group>,
    next: u64,
}

/// A group of keys, by the number of the first, and how often it was asked.
struct Group {
    first: u64,
    asked: u64,
}

fn group(first: u64) -> Vec<Key> {
    (first..first + GROUP).map(Key).collect()
}

fn read_groups(keys: &BTreeSet<Key>) -> Vec<Call> {
    let firsts: BTreeSet<u64> = keys.iter().map(|key| key.0 / GROUP * GROUP).collect();
    firsts.into_iter().map(|first| read_all(&group(first))).collect()
}

impl Asker for Groups {
    /// Of a group every fourth call is a write, until all keys are written and were read after that.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let calls = GROUP * (READS + 1);
        while self.active.len() < GROUPS {
            self.active.push(Group { first: self.next, asked: 0 });
            self.next += GROUP;
        }
        let at = hand.chance.below(GROUPS as u64) as usize;
        let chosen = &mut self.active[at];
        let turn = chosen.asked;
        chosen.asked += 1;
        let call = if turn.is_multiple_of(READS + 1) {
            let (key, value) = (Key(chosen.first + turn / (READS + 1)), hand.value());
            Call::Txn { mops: vec![Mop::Write { key, value }] }
        } else {
            read_all(&group(chosen.first))
        };
        if chosen.asked == calls {
            self.active.remove(at);
        }
        Some((hand.somebody(), call))
    }
}
