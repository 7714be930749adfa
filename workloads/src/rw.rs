//! Transactions that read registers and write them. Every value is written once.

use crate::Settings;
use crate::append::KEYS;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::last_looks;
use crate::keys::Keys;
use crate::txns::{Transactions, isolation, levels, read_everything};
use checkers::RwRegister;
use history::{CallKind, Chance, Mop};

pub(crate) const ENTRY: Entry = Entry {
    name: "rw",
    about: "transactions that read registers and write them",
    calls: &[CallKind::Txn],
    options: Options::KeysAndLengths,
    levels,
    make,
    judges: |level| vec![Box::new(RwRegister::new(isolation(level)))],
};

fn make(settings: &Settings, chance: Chance) -> Generators {
    let asker = Transactions::new(|key, value| Mop::Write { key, value }, settings);
    let main = main_phase(asker, Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, last_looks(read_everything))
}
