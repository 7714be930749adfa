//! Is the whole history sequentially consistent?
//!
//! Sequentially consistent: some order of all operations that keeps the order of each process, though not real time,
//! explains everything (Lamport, *How to Make a Multiprocessor Computer That Correctly Executes Multiprocess
//! Programs*, IEEE ToC C-28(9), 1979). Unlike linearizability this is no matter of each object alone, so one search
//! weighs all of them. Only registers and lists in which no value was written twice are spared it, see
//! [`transactions`].
//!
//! What is linearizable is sequentially consistent as well, and is told so at once. Of the rest, an object that is
//! not sequentially consistent by itself proves that the whole is not; only if all are, everything is searched
//! together. The search is exact; the question is NP-complete (Gibbons and Korach, *Testing Shared Memories*, SIAM J.
//! Comput. 26(4), 1997), so it has a budget.

mod transactions;

use crate::linearizable::{Meter, Prepared, Seen, Stop, Teller, World};
use crate::models::{many::Many, register::Register};
use crate::{Anomaly, Budget, Checker, Item, Linearizable, Meaning, NEVER, Object, Report, Verdict};
use history::{History, Key, ProcessId};
use rustc_hash::FxHashMap;

/// Judges whether some order that keeps that of each process explains everything.
#[derive(Debug, Clone, Copy)]
pub struct Sequential<O = Register> {
    /// What every key is.
    pub model: O,
}

impl Default for Sequential<Register> {
    fn default() -> Self {
        Sequential { model: Register::default() }
    }
}

/// What is found.
const NAME: &str = "not sequentially consistent";

/// More operations are a long history, if there is another way than to try orders.
const LONG: usize = 200;

/// What each process did, in its order. An operation of unknown outcome is the last of its process.
type Threads<A> = Vec<Vec<Item<A>>>;

enum Answer {
    Order,
    None,
    Gone { configurations: usize, stop: Stop },
}

impl<O: Object + Clone> Sequential<O> {
    /// Judges objects of this kind.
    pub fn new(model: O) -> Sequential<O> {
        Sequential { model }
    }

    /// The operations of all processes, of one object or of all.
    fn threads(&self, history: &History, only: Option<Key>) -> Threads<(Key, O::Action)> {
        let (many, mut threads) = (Many(self.model.clone()), Vec::new());
        let mut known: FxHashMap<ProcessId, usize> = FxHashMap::default();
        for op in history.ops().filter(|op| only.is_none() || self.model.key(op.call) == only) {
            let Meaning::Action(action) = many.meaning(&op) else { continue };
            let returned = op.completed.filter(|_| !op.outcome.is_unknown()).map_or(NEVER, |at| at as u32);
            let place = *known.entry(op.process).or_insert(threads.len());
            if place == threads.len() {
                threads.push(Vec::new());
            }
            threads[place].push(Item { action, invoked: op.invoked as u32, returned });
        }
        threads
    }

    fn answer(&self, threads: &Threads<(Key, O::Action)>, meter: &Meter) -> Answer {
        search(&Many(self.model.clone()), threads, meter)
    }

    /// Leaves out observations while nothing explains the rest either.
    fn shrink(&self, mut threads: Threads<(Key, O::Action)>, meter: &Meter) -> Threads<(Key, O::Action)> {
        let refuted = |threads: &Threads<_>| matches!(self.answer(threads, meter), Answer::None);
        for thread in 0..threads.len() {
            let mut at = threads[thread].len();
            while at > 0 && meter.time().is_ok() {
                at -= 1;
                let item = &threads[thread][at];
                if self.model.observes(&item.action.1) {
                    let mut fewer = threads.clone();
                    fewer[thread].remove(at);
                    if refuted(&fewer) {
                        threads = fewer;
                    }
                }
            }
        }
        threads
    }

    /// What was found of a history as one of transactions.
    fn retold(&self, report: Report, prepared: &Prepared<O::Action>) -> Report {
        if report.verdict == Verdict::Valid {
            let (keys, ops) = (prepared.objects.len(), prepared.ops);
            return Report::valid(self.name(), format!("all {keys} keys, {ops} operations, as transactions"));
        }
        let retold = |mut anomaly: Anomaly| {
            anomaly.story = format!(
                "No order of all operations that keeps the order of each process explains what they saw, even if real \
                 time does not matter. As transactions of one operation each, {}: {}",
                anomaly.name, anomaly.story
            );
            anomaly.name = NAME.to_owned();
            anomaly
        };
        let anomalies = report.anomalies.into_iter().map(retold).collect();
        Report::invalid(self.name(), "no order keeps that of each process", anomalies)
    }

    fn tell(
        &self,
        history: &History,
        only: Option<Key>,
        threads: Threads<(Key, O::Action)>,
        budget: &Budget,
    ) -> Anomaly {
        let meter = Meter::new(&budget.at_most(std::time::Duration::from_secs(5), 16 << 20));
        let small = threads.iter().map(Vec::len).sum::<usize>() <= 200;
        let core = if small { self.shrink(threads, &meter) } else { threads };
        let mut events: Vec<u32> = core.iter().flatten().map(|item| item.invoked).collect();
        events.sort_unstable();
        let key = only.unwrap_or(Key(0));
        let teller = Teller { history, key, beginning: self.model.beginning() };
        let whose = only.map_or("all objects together".to_owned(), |key| key.to_string());
        let mut anomaly = teller.listing(NAME, &events, |count, list| {
            format!(
                "No order of the operations on {whose} that keeps the order of each process explains what they saw, \
                 even if real time does not matter. These {count} rule it out: {list}."
            )
        });
        anomaly.key = only;
        anomaly
    }
}

impl<O: Object + Clone> Checker for Sequential<O> {
    fn name(&self) -> &'static str {
        "sequential"
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        let many = Many(self.model.clone());
        let prepared = match Prepared::of(&self.model, history) {
            Ok(prepared) => prepared,
            Err(misfit) => return Report::unknown(self.name(), misfit.0),
        };
        if let Some((key, flaw)) = prepared.absurd.first() {
            let teller = Teller { history, key: *key, beginning: many.0.beginning() };
            let anomaly = teller.flaw(flaw);
            return Report::invalid(self.name(), anomaly.name.clone(), vec![anomaly]);
        }
        if prepared.certain == 0 {
            return Report::unknown(
                self.name(),
                "vacuous: no operation is known to have done or seen anything",
            );
        }
        if prepared.ops > LONG {
            let half = budget.at_most(budget.left() / 2, budget.bytes);
            let report = transactions::judge(history, &self.model.beginning(), &half);
            if let Some(report) = report.filter(|report| report.verdict != Verdict::Unknown) {
                return self.retold(report, &prepared);
            }
        }
        let half = budget.at_most(budget.left() / 2, budget.bytes);
        if Linearizable::new(self.model.clone()).check(history, &half).verdict == Verdict::Valid {
            let summary = "linearizable, and so sequentially consistent";
            return Report::valid(self.name(), summary);
        }
        let meter = Meter::new(budget);
        let mut keys: Vec<Key> = prepared.objects.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut doubt, mut anomalies) = (None, Vec::new());
        let alone = keys.iter().map(|key| Some(*key)).filter(|_| keys.len() > 1);
        for only in alone.chain([None]) {
            if only.is_none() && (!anomalies.is_empty() || doubt.is_some()) {
                break;
            }
            let threads = self.threads(history, only);
            match self.answer(&threads, &meter) {
                Answer::Order => {}
                Answer::None => {
                    let only = only.or_else(|| keys.first().copied().filter(|_| keys.len() == 1));
                    anomalies.push(self.tell(history, only, threads, budget));
                }
                Answer::Gone { configurations, stop } => {
                    let whose = only.map_or("everything".to_owned(), |key| key.to_string());
                    doubt = Some(format!(
                        "{whose} was explored through {configurations} configurations, when {stop}"
                    ));
                }
            }
        }
        match (anomalies.is_empty(), doubt) {
            (false, _) => Report::invalid(self.name(), "no order keeps that of each process", anomalies),
            (true, Some(doubt)) => Report::unknown(self.name(), doubt),
            (true, None) => {
                Report::valid(self.name(), format!("all {} keys, {} operations", keys.len(), prepared.ops))
            }
        }
    }
}

/// A choice made: which process went on, from which state, and whether there was another choice.
struct Step {
    thread: u32,
    state: u32,
    choice: Option<Vec<u32>>,
}

struct Search<'a, O: Object> {
    world: World<'a, O>,
    kinds: Vec<Vec<u32>>,
    threads: &'a Threads<O::Action>,
    at: Vec<u32>,
    state: u32,
    /// How many operations are left that must happen.
    left: usize,
    steps: Vec<Step>,
}

fn search<O: Object>(object: &O, threads: &Threads<O::Action>, meter: &Meter) -> Answer {
    let (mut actions, mut known) = (Vec::new(), FxHashMap::default());
    let mut kinds: Vec<Vec<u32>> = Vec::with_capacity(threads.len());
    for thread in threads {
        let kind = |item: &Item<O::Action>| {
            *known.entry(item.action.clone()).or_insert_with(|| {
                actions.push(item.action.clone());
                actions.len() as u32 - 1
            })
        };
        kinds.push(thread.iter().map(kind).collect());
    }
    let left = threads.iter().flatten().filter(|item| item.returned != NEVER).count();
    let world = World::new(object, &actions, meter);
    let at = vec![0; threads.len()];
    let mut search = Search { world, kinds, threads, at, state: 0, left, steps: Vec::new() };
    let mut seen = Seen::new(1 + threads.len().div_ceil(2), meter);
    match search.run(&mut seen, meter) {
        Ok(true) => {
            assert!(search.explains(object), "the order found is none");
            Answer::Order
        }
        Ok(false) => Answer::None,
        Err(stop) => Answer::Gone { configurations: seen.len(), stop },
    }
}

impl<O: Object> Search<'_, O> {
    fn run(&mut self, seen: &mut Seen<'_>, meter: &Meter) -> Result<bool, Stop> {
        let mut breath: u32 = 0;
        loop {
            if breath.is_multiple_of(1 << 10) {
                meter.time()?;
                self.world.paid()?;
            }
            breath = breath.wrapping_add(1);
            while let Some(thread) = self.observer() {
                self.go(thread, self.state, None);
            }
            if self.left == 0 {
                return Ok(true);
            }
            let mut choices = if seen.insert(&self.key())? { self.choices() } else { Vec::new() };
            // Back to the last choice that has an alternative.
            while choices.is_empty() {
                let Some(step) = self.back() else { return Ok(false) };
                choices = step.choice.unwrap_or_default();
            }
            let thread = choices.pop().unwrap_or(0);
            let kind = self.kinds[thread as usize][self.at[thread as usize] as usize];
            let after = self.world.step(self.state, kind);
            self.go(thread, after, Some(choices));
        }
    }

    /// The next operation of a process, if there is one.
    fn next(&self, thread: usize) -> Option<(u32, &Item<O::Action>)> {
        let at = self.at[thread] as usize;
        Some((*self.kinds[thread].get(at)?, &self.threads[thread][at]))
    }

    /// A process whose next operation changes nothing, and is possible.
    fn observer(&mut self) -> Option<u32> {
        (0..self.at.len() as u32).find(|thread| {
            let Some((kind, _)) = self.next(*thread as usize) else { return false };
            self.world.observes(kind) && self.world.step(self.state, kind) != crate::linearizable::NONE
        })
    }

    /// The processes that can go on; the one that called first comes last.
    fn choices(&mut self) -> Vec<u32> {
        let mut choices = Vec::new();
        for thread in 0..self.at.len() {
            let Some((kind, item)) = self.next(thread) else { continue };
            let (invoked, doubtful) = (item.invoked, item.returned == NEVER);
            let after = self.world.step(self.state, kind);
            if after != crate::linearizable::NONE && !(doubtful && after == self.state) {
                choices.push((doubtful, invoked, thread as u32));
            }
        }
        choices.sort_unstable_by(|one, other| other.cmp(one));
        choices.into_iter().map(|(_, _, thread)| thread).collect()
    }

    fn go(&mut self, thread: u32, after: u32, choice: Option<Vec<u32>>) {
        self.steps.push(Step { thread, state: self.state, choice });
        let at = &mut self.at[thread as usize];
        self.left -= usize::from(self.threads[thread as usize][*at as usize].returned != NEVER);
        *at += 1;
        self.state = after;
    }

    fn back(&mut self) -> Option<Step> {
        let step = self.steps.pop()?;
        let at = &mut self.at[step.thread as usize];
        *at -= 1;
        self.left += usize::from(self.threads[step.thread as usize][*at as usize].returned != NEVER);
        self.state = step.state;
        Some(step)
    }

    fn key(&self) -> Vec<u64> {
        let pair = |two: &[u32]| u64::from(two[0]) | (u64::from(*two.get(1).unwrap_or(&0)) << 32);
        std::iter::once(u64::from(self.state)).chain(self.at.chunks(2).map(pair)).collect()
    }

    /// Whether the order that was found really explains everything: the steps again, on the object itself.
    fn explains(&self, object: &O) -> bool {
        let (mut state, mut at) = (object.initial(), vec![0; self.threads.len()]);
        for step in &self.steps {
            let thread = step.thread as usize;
            let Some(item) = self.threads[thread].get(at[thread]) else { return false };
            let Some(after) = object.step(&state, &item.action) else { return false };
            (state, at[thread]) = (after, at[thread] + 1);
        }
        let rest = self.threads.iter().zip(at).flat_map(|(thread, at)| &thread[at..]);
        rest.into_iter().all(|item| item.returned == NEVER)
    }
}

#[cfg(test)]
mod tests;
