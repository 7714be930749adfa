//! What the system says of when its transactions took effect, held against what they saw.
//!
//! Transactions are executed in the order of their timestamps. If that explains everything, it is a proof, found without
//! a search. If it does not, the timestamps are not the order, and no more: another order may still explain everything, so
//! the judges look for one as if nobody had been told a time, and that the timestamps lie is a measure.

use super::phenomenon::Order;
use super::saturate::Promise;
use super::snapshots::{self, Misfit, Objects, Step};
use super::store::Store;
use super::testimony::{self, Testimony};
use crate::Report;
use history::Stamp;
use std::cmp::Ordering;

/// What came of executing transactions in the order of their timestamps.
#[derive(Debug)]
pub(crate) enum Stamps {
    /// There are none, or no order was promised that they could tell.
    Silent,
    /// They explain everything.
    Proof,
    /// They do not, or were not tried: why.
    NoProof(String),
}

impl Stamps {
    /// Executes the transactions that took effect on these objects, as they are in the beginning.
    pub fn tried(
        testimony: &dyn Testimony,
        committed: &[bool],
        promise: Option<Promise>,
        respects: Order,
        objects: impl Objects,
    ) -> Stamps {
        let store = testimony.store();
        let Some(promise) = promise.filter(|_| !store.stamps().is_empty()) else { return Stamps::Silent };
        let stamps = Stamped::of(store);
        let without = (0..store.len()).filter(|txn| committed[*txn] && stamps.0[*txn].is_none()).count();
        if without > 0 {
            let all = committed.iter().filter(|committed| **committed).count();
            return Stamps::NoProof(format!("{without} of {all} transactions that took effect have none"));
        }
        let begun = |txn: usize| stamps.0[txn].is_some_and(|stamp| stamp.start.is_some());
        let from = promise != Promise::Order && (0..store.len()).all(|txn| !committed[txn] || begun(txn));
        let steps = stamps.steps(store, committed, from);
        match snapshots::explains(store, &steps, (promise, respects), objects) {
            Ok(()) => Stamps::Proof,
            Err(_) if promise != Promise::Order && !from => {
                let why =
                    "they do not say when transactions began, and one after another they explain nothing";
                Stamps::NoProof(why.to_owned())
            }
            Err(misfit) => Stamps::NoProof(stamps.told(testimony, &steps, misfit)),
        }
    }

    /// Whether they prove what was promised.
    pub fn prove(&self) -> bool {
        matches!(self, Stamps::Proof)
    }

    /// Adds what they are worth to a report.
    pub fn measure(self, report: Report) -> Report {
        match self {
            Stamps::Silent => report,
            Stamps::Proof => report.measure("timestamps", "their order explains everything"),
            Stamps::NoProof(why) => report.measure("timestamps", why),
        }
    }
}

/// The timestamp of each transaction that has one.
struct Stamped(Vec<Option<Stamp>>);

impl Stamped {
    fn of(store: &Store) -> Stamped {
        let mut stamps = vec![None; store.len()];
        store.stamps().iter().for_each(|(txn, stamp)| stamps[*txn as usize] = Some(*stamp));
        Stamped(stamps)
    }

    /// When they begin and commit; both at once, unless it counts `from` when they read. What has one timestamp: first those
    /// commit that began before, then others come and go, writers first, then those begin that commit later.
    fn steps(&self, store: &Store, committed: &[bool], from: bool) -> Vec<Step> {
        let mut steps: Vec<(u64, u8, u32, Step)> = Vec::new();
        for txn in (0..store.len() as u32).filter(|txn| committed[*txn as usize]) {
            let Some(stamp) = self.0[txn as usize] else { continue };
            let start = stamp.start.filter(|_| from).unwrap_or(stamp.commit);
            let writes = store.parts(txn).iter().any(|part| part.is_write());
            let (first, last) = match start.cmp(&stamp.commit) {
                Ordering::Equal if writes => (1, 1),
                Ordering::Equal => (2, 2),
                _ => (3, 0),
            };
            let place = store.completed(txn);
            steps.push((start, first, place, Step::Begin(txn)));
            steps.push((stamp.commit, last, place, Step::Commit(txn)));
        }
        // What is equal stays as it was pushed, so that nobody commits before it begins.
        steps.sort_by_key(|(time, rank, place, step)| (*time, *rank, *place, step.txn()));
        steps.into_iter().map(|(.., step)| step).collect()
    }

    /// Tells why they are not the order.
    fn told(&self, testimony: &dyn Testimony, steps: &[Step], misfit: Misfit) -> String {
        let store = testimony.store();
        let name = |name: &str, txn: u32| {
            let stamp = self.0[txn as usize].map_or_else(String::new, |stamp| stamp.to_string());
            format!("{name} is {}, {stamp}", testimony::txn(testimony, txn))
        };
        let one = |txn: u32| name("T1", txn);
        let before = |until: Step| {
            let until = steps.iter().position(|step| *step == until).unwrap_or(0);
            steps[..until].iter().rev().copied()
        };
        let commits = |step: &Step| matches!(step, Step::Commit(_));
        let writes =
            |txn: u32, key: u32| store.parts(txn).iter().any(|part| part.is_write() && part.key() == key);
        match misfit {
            Misfit::Part { txn, at } => {
                let key = store.parts(txn)[at].key();
                let mut commits = before(Step::Begin(txn)).filter(commits).map(Step::txn);
                let last = commits.find(|other| writes(*other, key));
                let last = last.map_or_else(
                    || format!("nobody before had written {}", store.key(key)),
                    |other| format!("the last before to write {}: {}", store.key(key), name("T2", other)),
                );
                format!(
                    "they lie: {}; its part {} ({}) does not fit; {last}",
                    one(txn),
                    at + 1,
                    testimony.part(txn, at)
                )
            }
            Misfit::Conflict { txn, key } => {
                let mut commits = before(Step::Commit(txn)).filter(commits).map(Step::txn);
                let other = commits.find(|other| writes(*other, key)).map(|other| name("T2", other));
                let (key, other) = (store.key(key), other.unwrap_or_default());
                format!("they lie: {}; meanwhile {key} was written by another: {other}", one(txn))
            }
            Misfit::Late { txn } => {
                let later = |other: &u32| store.invoked(*other) > store.completed(txn);
                let others = || before(Step::Commit(txn)).map(Step::txn).filter(later);
                let own = others().find(|other| store.process(*other) == store.process(txn));
                let other = own.or_else(|| others().next()).map(|other| name("T2", other));
                let other = other.unwrap_or_default();
                format!("they lie: {}; it was over when another was invoked: {other}", one(txn))
            }
            Misfit::Astray { txn } => format!("they lie: {}, which cannot be", one(txn)),
        }
    }
}
