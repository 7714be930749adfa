//! Generators made of generators. Each is a value: it can be nested, and run in virtual time.

use crate::{Context, Generator, Step};
use history::{Call, Chance, Event, ProcessId, Time};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// At most so many calls of another generator.
pub struct Limit<G> {
    inner: G,
    left: u64,
}

/// At most `calls` calls of `inner`.
pub fn limit<G: Generator>(calls: u64, inner: G) -> Limit<G> {
    Limit { inner, left: calls }
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, context: &Context<'_>) -> Step {
        if self.left == 0 {
            return Step::Done;
        }
        let step = self.inner.next(context);
        self.left -= u64::from(matches!(step, Step::Call { .. }));
        step
    }

    fn observe(&mut self, event: &Event) {
        self.inner.observe(event);
    }
}

/// Another generator, for so long.
pub struct TimeLimit<G> {
    inner: G,
    span: Duration,
    end: Option<Time>,
}

/// `inner` for `span`, counted from the moment it is first asked.
pub fn time_limit<G: Generator>(span: Duration, inner: G) -> TimeLimit<G> {
    TimeLimit { inner, span, end: None }
}

impl<G: Generator> Generator for TimeLimit<G> {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let end = *self.end.get_or_insert(context.now + self.span);
        if context.now >= end {
            return Step::Done;
        }
        match self.inner.next(context) {
            Step::Wait(until) => Step::Wait(until.min(end)),
            step => step,
        }
    }

    fn observe(&mut self, event: &Event) {
        self.inner.observe(event);
    }
}

/// Another generator, at so many calls a second.
pub struct Stagger<G> {
    inner: G,
    longest: Duration,
    due: Option<Time>,
    chance: Chance,
}

/// How much lost time is made up for. A late timer should not lower the rate, but a cluster that stood still
/// for a minute should not be hit by a minute's calls at once.
const CATCH_UP: Duration = Duration::from_millis(100);

/// `inner` at `rate` calls a second over all clients, the pauses between calls drawn evenly from zero to twice
/// their mean. As fast as `inner` goes if `rate` is none or not above zero.
pub fn stagger<G: Generator>(rate: Option<f64>, chance: Chance, inner: G) -> Stagger<G> {
    // Rates below one call a day are raised to it: a span of no bound cannot be added to a time.
    let longest = rate.filter(|rate| *rate > 0.0).map_or(0.0, |rate| (2.0 / rate).min(86_400.0));
    Stagger { inner, longest: Duration::from_secs_f64(longest), due: None, chance }
}

impl<G: Generator> Generator for Stagger<G> {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let due = *self.due.get_or_insert(context.now);
        if context.now < due {
            return Step::Wait(due);
        }
        let step = self.inner.next(context);
        if matches!(step, Step::Call { .. }) {
            let pause = self.chance.span(Duration::ZERO, self.longest);
            self.due = Some(due.max(context.now - CATCH_UP) + pause);
        }
        step
    }

    fn observe(&mut self, event: &Event) {
        self.inner.observe(event);
    }
}

/// Each of some calls, again and again until it is ok.
pub struct UntilOk {
    /// To be made, with the number of tries so far and the time before which it is too early.
    waiting: VecDeque<(Call, u32, Time)>,
    open: BTreeMap<ProcessId, (Call, u32)>,
    /// Ended without being ok; their pause begins when we next see a clock.
    failed: Vec<(Call, u32)>,
    last_worker: u32,
    succeeded: bool,
    give_up: Option<Time>,
}

/// How often one call is tried.
const TRIES: u32 = 20;
/// The pause after a first failure; it doubles with each further one, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// When nothing at all has succeeded for so long, the rest is given up: the cluster is dead.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each of `calls` until it is ok, by all workers in turn, so that a retry asks another node. A call is given
/// up after 20 tries, and all of them after 30 seconds in which none succeeded.
pub fn until_ok(calls: impl IntoIterator<Item = Call>) -> UntilOk {
    UntilOk {
        waiting: calls.into_iter().map(|call| (call, 0, Time::ZERO)).collect(),
        open: BTreeMap::new(),
        failed: Vec::new(),
        last_worker: u32::MAX,
        succeeded: true,
        give_up: None,
    }
}

impl UntilOk {
    /// The next free process in the order of workers, going round.
    fn take_turn(&mut self, context: &Context<'_>) -> ProcessId {
        let worker = |process: &ProcessId| process.0 % context.workers;
        let first = self.last_worker.wrapping_add(1);
        let distance = |process: &ProcessId| {
            (worker(process) + context.workers - first % context.workers) % context.workers
        };
        let process = *context.free.iter().min_by_key(|process| distance(process)).expect("somebody is free");
        self.last_worker = worker(&process);
        process
    }

    fn postpone_failed(&mut self, now: Time) {
        for (call, tries) in self.failed.drain(..).filter(|(_, tries)| *tries < TRIES) {
            let pause = (FIRST_PAUSE * 2u32.pow(tries.min(10) - 1)).min(LONGEST_PAUSE);
            self.waiting.push_back((call, tries, now + pause));
        }
    }
}

impl Generator for UntilOk {
    fn next(&mut self, context: &Context<'_>) -> Step {
        self.postpone_failed(context.now);
        if std::mem::take(&mut self.succeeded) {
            self.give_up = Some(context.now + PATIENCE);
        }
        let give_up = self.give_up.unwrap_or(Time::NEVER);
        if context.now >= give_up || (self.waiting.is_empty() && self.open.is_empty()) {
            return Step::Done;
        }
        let due = self.waiting.iter().position(|(_, _, not_before)| *not_before <= context.now);
        let Some((call, tries, _)) = due.and_then(|index| self.waiting.remove(index)) else {
            let soonest = self.waiting.iter().map(|(_, _, not_before)| *not_before).min();
            return Step::Wait(soonest.unwrap_or(Time::NEVER).min(give_up));
        };
        let process = self.take_turn(context);
        self.open.insert(process, (call.clone(), tries + 1));
        Step::Call { process, call, node: None }
    }

    fn observe(&mut self, event: &Event) {
        if let Event::Complete { process, outcome } = event
            && let Some(asked) = self.open.remove(process)
        {
            if outcome.is_ok() {
                self.succeeded = true;
            } else {
                self.failed.push(asked);
            }
        }
    }
}
