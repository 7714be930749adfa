//! Sources of numbers that nobody else gets.

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::{Ascent, Checker, UniqueIds};
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "unique-ids",
    about: "numbers that nobody else gets",
    calls: &[CallKind::NextId],
    options: Options::Keys,
    levels: || vec!["linearizable", "unique"],
    make,
    judges,
};

const KEYS: KeyUse = KeyUse { calls: 1000, unknowns: u32::MAX, ..KeyUse::USUAL };

const MIX: [Kind; 1] = [(1, |key, _| Call::NextId { key })];

/// Who asks one state machine gets a larger number than whoever was answered before.
fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    let ascent = if level == "linearizable" { Ascent::RealTime } else { Ascent::Any };
    vec![Box::new(UniqueIds { ascent })]
}

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::NextId { key }))
}
