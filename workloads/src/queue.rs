//! Queues: what was put in comes out, once, and in order.
//!
//! The finale takes out what is left of each queue, one by one until there is nothing: a call that empties a queue and is
//! not answered would leave everybody in doubt, one that takes a single value leaves little.

use crate::Settings;
use crate::asking::main_phase;
use crate::catalog::{Entry, Generators, Options};
use crate::combinators::{UntilOk, until_ok};
use crate::keys::{KeyUse, Keys};
use crate::mix::{Kind, Mix};
use crate::{Context, Generator, Step};
use checkers::{Checker, Linearizable, Queue, models};
use history::{Call, CallKind, Chance, Event, Key, Outcome, ProcessId, Reply};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const ENTRY: Entry = Entry {
    name: "queue",
    about: "values that are put into queues and taken out",
    calls: &[CallKind::Enqueue, CallKind::Dequeue],
    options: Options::Keys,
    levels: || vec!["linearizable", "unordered"],
    make,
    judges,
};

/// What comes out, and, if that is promised, in which order.
fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    let mut judges: Vec<Box<dyn Checker>> = vec![Box::new(Queue { exactly_once: true })];
    if level == "linearizable" {
        judges.push(Box::new(Linearizable::new(models::queue::Queue::FIFO)));
    }
    judges
}

/// Calls of unknown outcome that may have taken something are dear to judge beside answers that there was nothing.
const KEYS: KeyUse = KeyUse { calls: 64, unknowns: 1, ..KeyUse::USUAL };

/// Five values go in for every four that are asked for, so that queues are rarely empty.
const MIX: [Kind; 2] =
    [(5, |key, hand| Call::Enqueue { key, value: hand.value() }), (4, |key, _| Call::Dequeue { key })];

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Mix(&MIX), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, Box::new(Emptying::default()))
}

/// Empties every queue, in rounds.
#[derive(Default)]
struct Emptying {
    keys: BTreeSet<Key>,
    /// The queues that were found empty.
    empty: BTreeSet<Key>,
    open: BTreeMap<ProcessId, Key>,
    round: Option<UntilOk>,
    /// Whether anything succeeded in this round.
    progress: bool,
}

impl Emptying {
    /// Takes one value of every queue that may have more.
    fn next_round(&mut self) -> UntilOk {
        self.progress = false;
        until_ok(self.keys.difference(&self.empty).map(|key| Call::Dequeue { key: *key }))
    }
}

impl Generator for Emptying {
    fn next(&mut self, context: &Context<'_>) -> Step {
        if self.round.is_none() {
            self.round = Some(self.next_round());
        }
        loop {
            let step = self.round.as_mut().map_or(Step::Done, |round| round.next(context));
            // A round in which nothing succeeds is enough: the cluster is dead, or every queue is empty.
            if step != Step::Done || !self.progress {
                return step;
            }
            self.round = Some(self.next_round());
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoke { process, call, .. } => {
                let key = call.key();
                if self.round.is_none() {
                    self.keys.extend(key);
                } else if let Some(key) = key {
                    self.open.insert(*process, key);
                }
            }
            Event::Complete { process, outcome } => {
                let key = self.open.remove(process);
                self.progress |= outcome.is_ok();
                if *outcome == Outcome::Ok(Reply::Read(None)) {
                    self.empty.extend(key);
                }
            }
            _ => {}
        }
        if let Some(round) = &mut self.round {
            round.observe(event);
        }
    }
}
