//! What a client may expect of its own session: it reads what it has just written, or reads the same register again.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use checkers::Sessions;
use history::{Call, CallKind, Chance, Key, ProcessId};
use std::collections::BTreeMap;

pub(crate) const ENTRY: Entry = Entry {
    name: "sessions",
    about: "clients that read what they have just written or read",
    calls: &[CallKind::Read, CallKind::Write],
    options: Options::Keys,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Sessions { real_time: false })],
};

const KEYS: KeyUse = KeyUse { unknowns: u32::MAX, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Talk::default(), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}

#[derive(Default)]
struct Talk {
    /// What each client asked for last.
    last: BTreeMap<ProcessId, Key>,
}

impl Asker for Talk {
    /// Half of the calls are about what the client asked for last, and of them two thirds read; of the others half do.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let process = hand.somebody();
        let again = self.last.get(&process).copied().filter(|_| hand.chance.coin(0.5));
        let reads = if again.is_some() { 2.0 / 3.0 } else { 0.5 };
        let key = again.unwrap_or_else(|| hand.key());
        self.last.insert(process, key);
        let reads = hand.chance.coin(reads);
        Some((process, if reads { Call::Read { key } } else { Call::Write { key, value: hand.value() } }))
    }
}
