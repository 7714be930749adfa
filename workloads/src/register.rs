//! Registers: reads, writes and compare-and-sets of independent keys.
//!
//! Every value is written at most once in a run. So a read names the very write that it saw, and a checker can
//! tell in linear time what it would otherwise have to search for.
//!
//! A key is in use for a while and then never again. The cost of judging a key grows with its operations, and
//! steeply with those whose outcome is unknown, since each of them may take effect at any later time; fresh
//! keys keep both small, however long the run.

use crate::combinators::{UntilOk, limit, stagger, time_limit, until_ok};
use crate::{Context, Generator, Settings, Step, Workload};
use checkers::Linearizable;
use history::{Call, CallKind, Chance, Event, Key, Outcome, ProcessId, Refusal, Reply, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How the register workload behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegisterOptions {
    /// How long and how fast.
    pub settings: Settings,
    /// After so many calls a key is used no more.
    pub ops_per_key: u32,
    /// After so many unknown outcomes a key is used no more.
    pub unknowns_per_key: u32,
    /// How many workers share a key at a time: more contention, fewer keys.
    pub workers_per_key: u32,
}

impl Default for RegisterOptions {
    fn default() -> RegisterOptions {
        RegisterOptions {
            settings: Settings::default(),
            ops_per_key: 128,
            unknowns_per_key: 15,
            workers_per_key: 3,
        }
    }
}

/// One line about the workload.
pub const ABOUT: &str =
    "reads, writes and compare-and-sets of independent registers; judged for linearizability";

/// The register workload. Its finale reads every key that was ever used until that read is ok. It has no bound
/// on the number of keys and needs none: it makes one call for each [`RegisterOptions::ops_per_key`] of the
/// main phase.
pub fn register(options: &RegisterOptions, chance: Chance) -> Workload {
    let settings = options.settings;
    let asking = Asking::new(*options, chance.split("calls"));
    let asking = limit(settings.ops.unwrap_or(u64::MAX), asking);
    let main = time_limit(settings.time_limit, stagger(settings.rate, chance.split("pauses"), asking));
    Workload {
        name: "register",
        calls: vec![CallKind::Read, CallKind::Write, CallKind::Cas],
        main: Box::new(main),
        finale: Box::new(FinalReads::default()),
        checkers: vec![Box::new(Linearizable::default())],
    }
}

/// The calls of the main phase.
struct Asking {
    options: RegisterOptions,
    chance: Chance,
    active: Vec<Active>,
    open: BTreeMap<ProcessId, Call>,
    next_key: u64,
    next_value: i64,
}

/// A key in use, and what we believe about it.
struct Active {
    key: Key,
    asked: u32,
    unknowns: u32,
    /// What it held when we last heard of it.
    held: Option<Value>,
    /// What it held before that.
    before: Option<Value>,
    /// What was last on its way to it.
    tried: Option<Value>,
}

impl Asking {
    fn new(options: RegisterOptions, chance: Chance) -> Asking {
        Asking { options, chance, active: Vec::new(), open: BTreeMap::new(), next_key: 0, next_value: 1 }
    }

    fn fresh_key(&mut self) -> Active {
        let key = Key(self.next_key);
        self.next_key += 1;
        Active { key, asked: 0, unknowns: 0, held: None, before: None, tried: None }
    }

    /// A random key of those in use, replaced first if it is worn out.
    fn choose_key(&mut self, workers: u32) -> usize {
        let wanted = workers.div_ceil(self.options.workers_per_key.max(1)).max(1) as usize;
        while self.active.len() < wanted {
            let fresh = self.fresh_key();
            self.active.push(fresh);
        }
        let index = self.chance.below(self.active.len() as u64) as usize;
        let chosen = &self.active[index];
        if chosen.asked >= self.options.ops_per_key || chosen.unknowns >= self.options.unknowns_per_key {
            self.active[index] = self.fresh_key();
        }
        index
    }

    /// Four reads, three writes, three compare-and-sets out of ten.
    fn draw_call(&mut self, index: usize) -> Call {
        let key = self.active[index].key;
        let kind = self.chance.below(10);
        if kind < 4 {
            return Call::Read { key };
        }
        let value = Value(self.next_value);
        self.next_value += 1;
        let call = match kind {
            4..=6 => Call::Write { key, value },
            _ => Call::Cas { key, expected: self.guess(index), new: value },
        };
        self.active[index].tried = Some(value);
        call
    }

    /// What the key probably holds; now and then something that it probably does not hold any more or not yet,
    /// because a compare-and-set must also be seen to refuse.
    fn guess(&mut self, index: usize) -> Option<Value> {
        let active = &self.active[index];
        match self.chance.below(10) {
            0 => active.before,
            1 => active.tried,
            _ => active.held,
        }
    }
}

impl Generator for Asking {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let index = self.choose_key(context.workers);
        self.active[index].asked += 1;
        let call = self.draw_call(index);
        let process = *self.chance.pick(context.free).expect("somebody is free");
        self.open.insert(process, call.clone());
        Step::Call { process, call, node: None }
    }

    fn observe(&mut self, event: &Event) {
        let Event::Complete { process, outcome } = event else { return };
        let Some(call) = self.open.remove(process) else { return };
        let Some(active) = self.active.iter_mut().find(|active| active.key == call.key()) else { return };
        active.unknowns += u32::from(outcome.is_unknown());
        let Some(held) = learnt(&call, outcome) else { return };
        if active.held != held {
            active.before = std::mem::replace(&mut active.held, held);
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

/// Reads every key that the main phase used.
#[derive(Default)]
struct FinalReads {
    keys: BTreeSet<Key>,
    reads: Option<UntilOk>,
}

impl Generator for FinalReads {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let keys = &self.keys;
        let reads =
            self.reads.get_or_insert_with(|| until_ok(keys.iter().map(|key| Call::Read { key: *key })));
        reads.next(context)
    }

    fn observe(&mut self, event: &Event) {
        match (&mut self.reads, event) {
            (Some(reads), _) => reads.observe(event),
            (None, Event::Invoke { call, .. }) => {
                self.keys.insert(call.key());
            }
            _ => {}
        }
    }
}
