//! Registers: reads, writes and compare-and-sets of independent keys. Every value is written at most once in a run.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use checkers::{Checker, Linearizable, Sequential, Sessions};
use history::{Call, CallKind, Chance, Key, Outcome, ProcessId, Refusal, Reply, Value};
use std::collections::BTreeMap;

/// The register workload.
pub(crate) const ENTRY: Entry = Entry {
    name: "register",
    about: "reads, writes and compare-and-sets of independent registers",
    calls: &[CallKind::Read, CallKind::Write, CallKind::Cas],
    options: Options::Keys,
    levels: || vec!["linearizable", "sequential", "sessions"],
    make,
    judges,
};

pub(crate) fn judges(level: &str) -> Vec<Box<dyn Checker>> {
    vec![match level {
        "sequential" => Box::new(Sequential::default()),
        "sessions" => Box::new(Sessions::default()),
        _ => Box::new(Linearizable::default()),
    }]
}

fn make(settings: &Settings, chance: Chance) -> Generators {
    let keys = Keys::new(settings.key_use(KeyUse::USUAL));
    let main = main_phase(Registers::default(), keys, settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}

/// What we believe about each register.
#[derive(Default)]
struct Registers {
    known: BTreeMap<Key, Known>,
}

#[derive(Default)]
struct Known {
    /// What it held when we last heard of it.
    held: Option<Value>,
    /// What it held before that.
    before: Option<Value>,
    /// What was last on its way to it.
    tried: Option<Value>,
}

impl Asker for Registers {
    /// Four reads, three writes, three compare-and-sets out of ten.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let key = hand.key();
        let known = self.known.entry(key).or_default();
        let call = match hand.chance.below(10) {
            0..4 => Call::Read { key },
            kind => {
                let value = hand.value();
                let call = match kind {
                    4..7 => Call::Write { key, value },
                    _ => Call::Cas { key, expected: known.guess(hand.chance), new: value },
                };
                known.tried = Some(value);
                call
            }
        };
        Some((hand.somebody(), call))
    }

    fn hear(&mut self, _: ProcessId, call: &Call, outcome: &Outcome) {
        let Some(known) = call.key().and_then(|key| self.known.get_mut(&key)) else { return };
        let Some(held) = learnt(call, outcome) else { return };
        if known.held != held {
            known.before = std::mem::replace(&mut known.held, held);
        }
    }
}

impl Known {
    /// What it probably holds; now and then something that it probably does not hold any more or not yet, because a
    /// compare-and-set must also be seen to refuse.
    fn guess(&self, chance: &mut Chance) -> Option<Value> {
        match chance.below(10) {
            0 => self.before,
            1 => self.tried,
            _ => self.held,
        }
    }
}

/// What the register held at some instant during the call, if the outcome tells.
fn learnt(call: &Call, outcome: &Outcome) -> Option<Option<Value>> {
    match (call, outcome) {
        (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => Some(*value),
        (Call::Write { value, .. }, Outcome::Ok(_)) => Some(Some(*value)),
        (Call::Cas { new, .. }, Outcome::Ok(_)) => Some(Some(*new)),
        (Call::Cas { .. }, Outcome::Fail(Refusal::Mismatch { found })) => Some(*found),
        _ => None,
    }
}
