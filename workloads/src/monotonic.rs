//! Rows that the system stamps: do its stamps order what was written one after the other?
//!
//! Of each table one client at a time adds the next number, so the numbers are in the order of time, and the stamps must
//! be too. A table that may still get a row late is left alone. The finale looks at all rows with their stamps.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use checkers::Monotonic;
use history::{Call, CallKind, Chance, Key, Outcome, ProcessId};
use std::collections::BTreeSet;

pub(crate) const ENTRY: Entry = Entry {
    name: "monotonic",
    about: "rows that are added one after the other, and stamped by the system",
    calls: &[CallKind::Add, CallKind::Watch],
    options: Options::Keys,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Monotonic)],
};

const KEYS: KeyUse = KeyUse { unknowns: 1, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Rows::default(), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::Watch { key, after: 0 }))
}

#[derive(Default)]
struct Rows {
    /// The tables to which a row is being added.
    busy: BTreeSet<Key>,
}

impl Asker for Rows {
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let key = hand.key_but(&self.busy)?;
        self.busy.insert(key);
        Some((hand.somebody(), Call::Add { key, value: hand.value() }))
    }

    fn hear(&mut self, _: ProcessId, call: &Call, _: &Outcome) {
        if let Some(key) = call.key() {
            self.busy.remove(&key);
        }
    }
}
