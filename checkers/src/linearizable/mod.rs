//! Is every object linearizable?
//!
//! Linearizable: every operation seems to take effect at one instant between its invocation and its return
//! (Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects*, TOPLAS 12(3), 1990).
//! The property is local (§3.1 there): every object is judged by itself, and objects are judged in parallel.
//!
//! For each object, the first of these that can decide does:
//! 1. what is quick: an exact algorithm for objects of its kind in O(n log n) ([`unique`] for registers, those in
//!    [`objects`](crate::objects) for others);
//! 2. a first look for an order, at so few operations that this is as quick as anything else: [`greedy`], then a short
//!    [`search`];
//! 3. what is quick and only ever says no ([`sources`], [`once`]);
//! 4. the whole [`search`]: exact, and exponential in the number of calls open at once at worst, so it has a budget.

mod by_value;
mod explain;
mod frontier;
mod greedy;
mod meter;
pub(crate) mod once;
mod plan;
pub(crate) mod prepare;
mod recheck;
mod search;
mod seen;
mod shrink;
pub(crate) mod sources;
#[cfg(test)]
mod tests;
pub(crate) mod unique;
mod witness;
mod world;

pub(crate) use by_value::ByValue;
pub(crate) use explain::Teller;
pub(crate) use meter::{Meter, Stop};
pub(crate) use prepare::Prepared;
pub(crate) use seen::Seen;
#[cfg(test)]
pub(crate) use tests::shapes;
pub(crate) use unique::Violation;
pub(crate) use world::{NONE, World};

use crate::flaw::Flaw;
use crate::models::register::Register;
use crate::{Anomaly, Budget, Checker, Item, Object, Quick, Report, threads};
use history::{History, Key};
use prepare::Items;
use search::{Answer, Hunt};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many anomalies are told in full; further ones are counted.
const STORIES: usize = 20;

/// What an operation takes while it is judged: an item and its place, and what is known of the value it wrote.
const BYTES: usize = 80;

/// For fewer operations no second thread is worth while.
const FEW: usize = 64;

/// The longest time that goes into making one story shorter; a machine that runs many tests at once is slow.
const SHORTENING: Duration = Duration::from_secs(if cfg!(test) { 100 } else { 5 });

/// Judges whether every object behaves like one that serves one operation at a time: a [`Register`], or any
/// other [`Object`].
///
/// A history in which nothing happened is valid here; whether enough happened is a question for
/// [`Coverage`](crate::Coverage).
#[derive(Debug, Clone, Copy)]
pub struct Linearizable<O = Register> {
    /// What every key is.
    pub model: O,
}

impl Default for Linearizable<Register> {
    fn default() -> Self {
        Linearizable { model: Register::default() }
    }
}

/// How one object was judged.
struct Judged<A> {
    key: Key,
    by: &'static str,
    finding: Finding<A>,
}

enum Finding<A> {
    Fine,
    Wrong(Wrong<A>),
    Unknown { reached: u32, configurations: usize, stop: Stop },
}

/// What is wrong with an object, yet to be told.
enum Wrong<A> {
    Flaw(Flaw),
    NoOrder { items: Vec<Item<A>>, stuck: u32 },
}

impl<O: Object> Linearizable<O> {
    /// Judges objects of this kind.
    pub fn new(model: O) -> Linearizable<O> {
        Linearizable { model }
    }

    fn judge_one(&self, key: Key, items: Vec<Item<O::Action>>, meter: &Meter) -> Judged<O::Action> {
        let judged = |by, finding| Judged { key, by, finding };
        match self.model.quick(&items) {
            Quick::Fine(by) => return judged(by, Finding::Fine),
            Quick::Wrong(by, flaw) => return judged(by, Finding::Wrong(Wrong::Flaw(flaw))),
            Quick::Unsure => {}
        }
        let items = self.model.prune(items);
        let ordered = |by, order: Vec<u32>| {
            assert!(witness::explains(&self.model, &items, &order), "the order found for {key} is none");
            judged(by, Finding::Fine)
        };
        if let Some(order) = greedy::order(&self.model, &items) {
            return ordered("greedy order", order);
        }
        let hunt = Hunt::new(&self.model, &items, meter);
        if let Some(order) = hunt.glance() {
            return ordered("search", order);
        }
        if let Some((by, flaw)) = self.model.refute(&items) {
            return judged(by, Finding::Wrong(Wrong::Flaw(flaw)));
        }
        let finding = match hunt.search() {
            Answer::Order(order) => return ordered("search", order),
            Answer::None { stuck } => Finding::Wrong(Wrong::NoOrder { items, stuck }),
            Answer::Gone { reached, configurations, stop } => {
                Finding::Unknown { reached, configurations, stop }
            }
        };
        judged("search", finding)
    }

    /// Every object, the largest first, because it takes longest.
    fn judge_all(&self, prepared: &mut Prepared<O::Action>, meter: &Meter) -> Vec<Judged<O::Action>> {
        let keys = prepared.objects.iter().map(|(key, _)| *key);
        let mut objects: Vec<(Key, Items<O::Action>)> = keys.zip(prepared.items.drain(..)).collect();
        objects.sort_by_key(|(_, items)| std::cmp::Reverse(items.len()));
        let judge = |(key, items): (Key, Items<O::Action>)| self.judge_one(key, items.whole(), meter);
        let threads = if prepared.ops < FEW { 1 } else { threads::all().min(objects.len()) };
        let mut judged = threads::share(threads, objects, judge);
        let absurd = |(key, flaw): &(Key, Flaw)| Judged {
            key: *key,
            by: "answers",
            finding: Finding::Wrong(Wrong::Flaw(flaw.clone())),
        };
        judged.extend(prepared.absurd.iter().map(absurd));
        judged.sort_by_key(|judged| judged.key);
        judged
    }

    fn tell(
        &self,
        history: &History,
        judged: &Judged<O::Action>,
        budget: &Budget,
    ) -> Result<Anomaly, String> {
        let Finding::Wrong(wrong) = &judged.finding else { return Err("nothing is wrong".to_owned()) };
        let teller = Teller { history, key: judged.key, beginning: self.model.beginning() };
        Ok(match wrong {
            Wrong::Flaw(flaw) => teller.flaw(flaw),
            Wrong::NoOrder { items, stuck } => {
                let deadline = budget.deadline.min(Instant::now() + SHORTENING);
                let core = shrink::shrink(&self.model, items, *stuck, &Budget { deadline, ..*budget });
                let quick = match self.model.quick(&core) {
                    Quick::Wrong(_, flaw) => Some(flaw),
                    _ => self.model.refute(&core).map(|(_, flaw)| flaw),
                };
                let steps = if quick.is_some() { recheck::FEW } else { recheck::MANY };
                if recheck::rules_out(&self.model, &core, steps) == Some(false) {
                    let key = judged.key;
                    return Err(format!("the checker contradicts itself about {key}: please report this"));
                }
                match quick {
                    Some(flaw) => teller.flaw(&flaw),
                    None => teller.no_order(&core, *stuck),
                }
            }
        })
    }
}

impl<O: Object> Checker for Linearizable<O> {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    /// Linearizability is closed under prefixes (Herlihy and Wing 1990, §3.3).
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        let (meter, count) = (Meter::new(budget), history.ops().len());
        if meter.take(count * BYTES).is_err() {
            let why = format!("{count} operations do not fit in {} MiB", budget.bytes >> 20);
            return Report::unknown(self.name(), why);
        }
        let mut prepared = match Prepared::of(&self.model, history) {
            Ok(prepared) => prepared,
            Err(misfit) => return Report::unknown(self.name(), misfit.0),
        };
        let largest = prepared.largest();
        let judged = self.judge_all(&mut prepared, &meter);
        let wrong: Vec<&Judged<_>> =
            judged.iter().filter(|one| matches!(one.finding, Finding::Wrong(_))).collect();
        let tell = |one: &&Judged<_>| self.tell(history, one, budget);
        let anomalies = match wrong.iter().take(STORIES).map(tell).collect::<Result<Vec<Anomaly>, String>>() {
            Ok(anomalies) => anomalies,
            Err(contradiction) => return Report::unknown(self.name(), contradiction),
        };
        let (ops, keys) = (prepared.ops, prepared.keys);
        let unknown = summary_of_unknown(&judged);
        let report = match (anomalies.first(), unknown) {
            (Some(first), unknown) => {
                let mut bad: Vec<Key> = wrong.iter().map(|one| one.key).collect();
                bad.dedup();
                let more = unknown.map_or_else(String::new, |unknown| format!("; {unknown}"));
                let summary = format!("{}, on {} of {keys} keys{more}", first.name, bad.len());
                Report::invalid(self.name(), summary, anomalies)
            }
            (None, Some(unknown)) => Report::unknown(self.name(), unknown),
            (None, None) if prepared.certain == 0 => {
                Report::unknown(self.name(), "vacuous: no operation is known to have done or seen anything")
            }
            (None, None) => Report::valid(self.name(), format!("all {keys} keys, {ops} operations")),
        };
        measure(report, &prepared, &judged, largest)
    }
}

/// Whether a search finds an order, having been made to decide; its order is checked.
#[cfg(test)]
pub(crate) fn answers<O: Object>(object: &O, items: Vec<Item<O::Action>>) -> bool {
    let items = object.prune(items);
    match search::search(object, &items, &Meter::new(&Budget::default())) {
        Answer::Order(order) => {
            assert!(witness::explains(object, &items, &order), "the order is none: {items:?}");
            true
        }
        Answer::None { .. } => false,
        Answer::Gone { .. } => panic!("a budget of a minute was too little"),
    }
}

fn summary_of_unknown<A>(judged: &[Judged<A>]) -> Option<String> {
    let mut undecided = judged.iter().filter_map(|one| match one.finding {
        Finding::Unknown { reached, configurations, stop } => Some((one.key, reached, configurations, stop)),
        _ => None,
    });
    let (key, reached, configurations, stop) = undecided.next()?;
    let others = match undecided.count() {
        0 => String::new(),
        more => format!(", and {more} more keys were not decided"),
    };
    Some(format!(
        "{key} was explored up to event {reached}, through {configurations} configurations, when {stop}{others}"
    ))
}

fn measure<A>(
    report: Report,
    prepared: &Prepared<A>,
    judged: &[Judged<A>],
    largest: Option<(Key, usize)>,
) -> Report {
    let (ops, keys) = (prepared.ops, prepared.keys);
    let share = 100.0 * prepared.unknown as f64 / ops.max(1) as f64;
    let largest = largest.map_or_else(|| "none".to_owned(), |(key, len)| format!("{key}, {len} operations"));
    let mut report = report
        .measure("operations", ops)
        .measure("unknown outcomes", format!("{} ({share:.1} %)", prepared.unknown))
        .measure("keys", keys)
        .measure("largest key", largest);
    if prepared.objects.len() > keys {
        report = report.measure("parts judged by themselves", prepared.objects.len());
    }
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    judged.iter().for_each(|one| *by.entry(one.by).or_default() += 1);
    for (by, count) in by {
        report = report.measure(&format!("judged by {by}"), count);
    }
    let wrong = judged.iter().filter(|one| matches!(one.finding, Finding::Wrong(_))).count();
    report.measure("anomalies", wrong)
}
