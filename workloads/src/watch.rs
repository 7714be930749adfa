//! Watchers of registers: each asks what has changed since the last change that it knows.

use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::combinators::{UntilOk, until_ok};
use crate::keys::{KeyUse, Keys};
use crate::{Context, Generator, Settings, Step};
use checkers::Watch;
use history::{Call, CallKind, Chance, Event, Key, Outcome, ProcessId, Reply};
use std::collections::BTreeMap;

pub(crate) const ENTRY: Entry = Entry {
    name: "watch",
    about: "writes of registers, and watchers who ask what changed since they last looked",
    calls: &[CallKind::Write, CallKind::Watch],
    options: Options::Keys,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Watch)],
};

const KEYS: KeyUse = KeyUse { unknowns: u32::MAX, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Watchers::default(), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, Box::new(LastLooks::default()))
}

/// A last look at each register, at what came after all that anybody saw: a system may have forgotten older changes.
#[derive(Default)]
struct LastLooks {
    seen: BTreeMap<Key, u64>,
    open: BTreeMap<ProcessId, Key>,
    asking: Option<UntilOk>,
}

impl Generator for LastLooks {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let LastLooks { seen, asking, .. } = self;
        let look = |(key, after): (&Key, &u64)| Call::Watch { key: *key, after: *after };
        asking.get_or_insert_with(|| until_ok(seen.iter().map(look))).next(context)
    }

    fn observe(&mut self, event: &Event) {
        if let Some(asking) = &mut self.asking {
            return asking.observe(event);
        }
        match event {
            Event::Invoke { process, call, .. } => {
                let Some(key) = call.key() else { return };
                self.seen.entry(key).or_default();
                self.open.insert(*process, key);
            }
            Event::Complete { process, outcome } => {
                let Some(key) = self.open.remove(process) else { return };
                if let Outcome::Ok(Reply::Changes(changes)) = outcome
                    && let Some((revision, _)) = changes.last()
                {
                    let seen = self.seen.entry(key).or_default();
                    *seen = (*seen).max(*revision);
                }
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Watchers {
    /// The last revision of each register that each client saw.
    seen: BTreeMap<(ProcessId, Key), u64>,
    /// The last that anybody saw: whoever is new, or was away for too long, begins there.
    latest: BTreeMap<Key, u64>,
}

impl Asker for Watchers {
    /// As many writes as looks.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let (process, key) = (hand.somebody(), hand.key());
        if hand.chance.coin(0.5) {
            return Some((process, Call::Write { key, value: hand.value() }));
        }
        let own = self.seen.get(&(process, key)).or_else(|| self.latest.get(&key));
        Some((process, Call::Watch { key, after: own.copied().unwrap_or(0) }))
    }

    fn hear(&mut self, process: ProcessId, call: &Call, outcome: &Outcome) {
        let Call::Watch { key, .. } = call else { return };
        match outcome {
            Outcome::Ok(Reply::Changes(changes)) => {
                if let Some((revision, _)) = changes.last() {
                    self.seen.insert((process, *key), *revision);
                    let latest = self.latest.entry(*key).or_default();
                    *latest = (*latest).max(*revision);
                }
            }
            Outcome::Fail(_) => drop(self.seen.remove(&(process, *key))),
            _ => {}
        }
    }
}
