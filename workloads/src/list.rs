//! Lists that are appended to and read as a whole, one call at a time.

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::models::list::List;
use checkers::{Checker, Linearizable, Sequential, Sessions};
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "list",
    about: "appends to lists, which are read as a whole",
    calls: &[CallKind::Append, CallKind::Elements],
    options: Options::Keys,
    levels: || vec!["linearizable", "sequential", "sessions"],
    make,
    judges,
};

const KEYS: KeyUse = KeyUse { unknowns: u32::MAX, ..KeyUse::USUAL };

/// As many appends as reads.
const MIX: [Kind; 2] =
    [(1, |key, hand| Call::Append { key, value: hand.value() }), (1, |key, _| Call::Elements { key })];

fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    vec![match level {
        "sequential" => Box::new(Sequential::new(List)),
        "sessions" => Box::new(Sessions::default()),
        _ => Box::new(Linearizable::new(List)),
    }]
}

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::Elements { key }))
}
