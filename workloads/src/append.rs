//! Transactions that read lists and append to them. A list that was read shows the order of all that was appended to it,
//! which no other object does so well (Kingsbury and Alvaro, *Elle*, VLDB 2020).

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::last_looks;
use crate::keys::{KeyDistribution, KeyUse, Keys};
use crate::txns::{Transactions, isolation, levels, read_everything};
use checkers::ListAppend;
use history::{CallKind, Chance, Mop};

pub(crate) const ENTRY: Entry = Entry {
    name: "append",
    about: "transactions that read lists and append to them",
    calls: &[CallKind::Txn],
    options: Options::KeysAndLengths,
    levels,
    make,
    judges: |level| vec![Box::new(ListAppend::new(isolation(level)))],
};

/// As Elle's generator: ten keys, each half as popular as the one before.
pub(crate) const KEYS: KeyUse =
    KeyUse { count: Some(10), distribution: KeyDistribution::Exponential, calls: 64, unknowns: u32::MAX };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let asker = Transactions::new(|key, value| Mop::Append { key, value }, settings);
    let main = main_phase(asker, Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, last_looks(read_everything))
}
