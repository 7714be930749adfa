//! Who leads, and in which term? Every node is asked what it believes.

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::finale::last_looks;
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use checkers::Election;
use history::{Call, CallKind, Chance};

pub(crate) const ENTRY: Entry = Entry {
    name: "election",
    about: "every node says who leads, and in which term",
    calls: &[CallKind::Leader],
    options: Options::None,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Election)],
};

const KEYS: KeyUse = KeyUse::USUAL;

const MIX: [Kind; 1] = [(1, |_, _| Call::Leader)];

/// How often the finale asks.
const LOOKS: usize = 10;

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, last_looks(|_| vec![Call::Leader; LOOKS]))
}
