//! Counters that are added to and subtracted from, by different amounts.

use crate::Settings;
use crate::asking::{Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_until_agreed;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::models::counter::Counter;
use checkers::{Checker, Converged, Linearizable};
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "counter",
    about: "additions to counters and subtractions, and looks at where they stand",
    calls: &[CallKind::Increment, CallKind::Count],
    options: Options::Keys,
    levels: || vec!["linearizable", "bounded", "eventual"],
    make,
    judges,
};

const KEYS: KeyUse = KeyUse { unknowns: 5, ..KeyUse::USUAL };

/// Three additions, two subtractions and five looks out of ten.
const MIX: [Kind; 3] = [
    (3, |key, hand| Call::Increment { key, by: amount(hand) }),
    (2, |key, hand| Call::Increment { key, by: -amount(hand) }),
    (5, |key, _| Call::Count { key }),
];

/// One to five.
fn amount(hand: &mut Hand<'_>) -> i64 {
    hand.chance.between(1, 5) as i64
}

/// Exactly, or by what is certainly and what may be counted, or only in the end.
fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    if level == "eventual" {
        return vec![Box::new(Converged::default())];
    }
    let mut judges: Vec<Box<dyn Checker>> = vec![Box::new(checkers::Counter)];
    if level == "linearizable" {
        judges.push(Box::new(Linearizable::new(Counter::default())));
    }
    judges
}

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_until_agreed(|key| Call::Count { key }))
}
