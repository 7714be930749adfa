//! Sets that are added to and taken from, the same few elements again and again: does an addition survive a removal that came
//! before it, and does a removal remove?

use crate::Settings;
use crate::asking::{Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_until_agreed;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::models::set::Set;
use checkers::{Checker, Converged, Linearizable};
use history::{Call, CallKind, Chance, Value};

pub(crate) const ENTRY: Entry = Entry {
    name: "set-remove",
    about: "additions to sets and removals of the same few elements",
    calls: &[CallKind::Add, CallKind::Remove, CallKind::Elements],
    options: Options::Keys,
    levels: || vec!["linearizable", "eventual"],
    make,
    judges,
};

/// Short-lived, for what is removed must be searched for, and with a few doubts at most.
const KEYS: KeyUse = KeyUse { calls: 64, unknowns: 5, ..KeyUse::USUAL };

/// So many elements are added and removed by turns.
const ELEMENTS: u64 = 6;

/// Two additions for each removal, and two looks.
const MIX: [Kind; 3] = [
    (2, |key, hand| Call::Add { key, value: element(hand) }),
    (1, |key, hand| Call::Remove { key, value: element(hand) }),
    (2, |key, _| Call::Elements { key }),
];

fn element(hand: &mut Hand<'_>) -> Value {
    Value(hand.chance.below(ELEMENTS) as i64)
}

fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    vec![match level {
        "eventual" => Box::new(Converged::default()),
        _ => Box::new(Linearizable::new(Set)),
    }]
}

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_until_agreed(|key| Call::Elements { key }))
}
