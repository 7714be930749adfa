//! Registers that are read and written, and nothing else: what can be had without consensus (Herlihy 1991). Whoever serves a
//! compare-and-set as well is better asked by `register`. Every value is written at most once in a run.

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "atomic",
    about: "reads and writes of independent registers",
    calls: &[CallKind::Read, CallKind::Write],
    options: Options::Keys,
    levels: || vec!["linearizable", "sequential", "sessions"],
    make,
    judges: crate::register::judges,
};

/// As many reads as writes.
const MIX: [Kind; 2] =
    [(1, |key, _| Call::Read { key }), (1, |key, hand| Call::Write { key, value: hand.value() })];

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KeyUse::USUAL)), settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}
