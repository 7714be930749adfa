//! Sets that are added to, and looked at in the end: is everything there that was acknowledged?

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::finale::look_until_agreed;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::Set;
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "set",
    about: "additions to sets, which are looked at in the end",
    calls: &[CallKind::Add, CallKind::Elements],
    options: Options::Keys,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Set)],
};

const KEYS: KeyUse = KeyUse { calls: 1000, unknowns: u32::MAX, ..KeyUse::USUAL };

const MIX: [Kind; 1] = [(1, |key, hand| Call::Add { key, value: hand.value() })];

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_until_agreed(|key| Call::Elements { key }))
}
