//! Reads and writes of a few registers, each on its own: what a client wrote may depend on all that it had seen.

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use crate::txns::{isolation, levels};
use checkers::RwRegister;
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "causal",
    about: "single reads and writes of a few registers, which may depend on one another",
    calls: &[CallKind::Read, CallKind::Write],
    options: Options::Keys,
    levels,
    make,
    judges: |level| vec![Box::new(RwRegister::new(isolation(level)))],
};

const KEYS: KeyUse = KeyUse { unknowns: u32::MAX, ..KeyUse::USUAL };

/// Two reads for each write.
const MIX: [Kind; 2] =
    [(2, |key, _| Call::Read { key }), (1, |key, hand| Call::Write { key, value: hand.value() })];

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}
