//! Sets that are added to and looked at all the time: when is an element there, and does it stay?

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_until_agreed;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::{Checker, Converged, SetFull};
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "set-full",
    about: "additions to sets, which are looked at all the time",
    calls: &[CallKind::Add, CallKind::Elements],
    options: Options::Keys,
    levels: || vec!["linearizable", "eventual"],
    make,
    judges,
};

/// Of sets that agree in the end, that is judged, too.
fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    let linearizable = level == "linearizable";
    let mut judges: Vec<Box<dyn Checker>> = vec![Box::new(SetFull { linearizable })];
    if !linearizable {
        judges.push(Box::new(Converged::default()));
    }
    judges
}

const KEYS: KeyUse = KeyUse { unknowns: u32::MAX, ..KeyUse::USUAL };

/// As many additions as looks.
const MIX: [Kind; 2] =
    [(1, |key, hand| Call::Add { key, value: hand.value() }), (1, |key, _| Call::Elements { key })];

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_until_agreed(|key| Call::Elements { key }))
}
