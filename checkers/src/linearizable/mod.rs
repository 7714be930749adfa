//! Is every register linearizable?
//!
//! Linearizable: every operation seems to take effect at one instant between its invocation and its return
//! (Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects*, TOPLAS 12(3), 1990).
//! The property is local (§3.1 there): every key is judged by itself, and keys are judged in parallel.
//!
//! For each key, the first of these that can decide does:
//! 1. [`unique`]: exact and O(n log n), if no value was written twice;
//! 2. [`sources`]: only ever says no, at once;
//! 3. [`search`]: exact, and exponential in the number of calls open at once at worst, so it has a budget.

mod explain;
mod meter;
mod prepare;
mod search;
mod seen;
mod shrink;
mod sources;
#[cfg(test)]
mod tests;
mod unique;
mod witness;

use crate::models::register::Register;
use crate::{Anomaly, Budget, Checker, Report};
use history::{History, Key};
use meter::{Meter, Stop};
use prepare::{Prepared, without_unseen};
use rayon::prelude::*;
use search::Answer;
use std::time::{Duration, Instant};
use unique::Violation;

/// How many anomalies are told in full; further ones are counted.
const STORIES: usize = 20;

/// What an operation takes while it is judged: an item and its place, and what is known of the value it wrote.
const BYTES: usize = 80;

/// The longest time that goes into making one story shorter.
const SHORTENING: Duration = Duration::from_secs(5);

/// Judges whether every key behaves like a register that serves one operation at a time.
///
/// A history in which nothing happened is valid here; whether enough happened is a question for
/// [`Coverage`](crate::Coverage).
#[derive(Debug, Clone, Copy, Default)]
pub struct Linearizable {
    /// What every key is.
    pub model: Register,
}

/// How one key was judged.
struct Judged {
    key: Key,
    by: &'static str,
    finding: Finding,
}

enum Finding {
    Fine,
    Wrong(Wrong),
    Unknown { reached: u32, configurations: usize, stop: Stop },
}

/// What is wrong with a key, yet to be told.
enum Wrong {
    Violation(Violation),
    NoOrder { place: usize, stuck: u32 },
    Refused { invoked: usize },
}

impl Linearizable {
    /// Judges registers that hold `initial` in the beginning.
    pub fn new(model: Register) -> Linearizable {
        Linearizable { model }
    }

    fn judge_key(&self, prepared: &Prepared, place: usize, meter: &Meter) -> Judged {
        let (key, items) = (prepared.keys[place], prepared.items(place));
        let judged = |by, finding| Judged { key, by, finding };
        let wrong = |violation| Finding::Wrong(Wrong::Violation(violation));
        if let Some(result) = unique::judge(self.model.initial, items) {
            return judged("unique values", result.map_or_else(wrong, |()| Finding::Fine));
        }
        if let Err(violation) = sources::check(self.model.initial, items) {
            return judged("unwritten values", wrong(violation));
        }
        let items = without_unseen(items);
        let finding = match search::search(&self.model, &items, meter) {
            Answer::Order(order) => {
                assert!(witness::explains(&self.model, &items, &order), "the order found for {key} is none");
                Finding::Fine
            }
            Answer::None { stuck } => Finding::Wrong(Wrong::NoOrder { place, stuck }),
            Answer::Gone { reached, configurations, stop } => {
                Finding::Unknown { reached, configurations, stop }
            }
        };
        judged("search", finding)
    }

    /// Every key, the largest first, because it takes longest.
    fn judge_all(&self, prepared: &Prepared, meter: &Meter) -> Vec<Judged> {
        let mut places: Vec<usize> = (0..prepared.keys.len()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(prepared.items(*place).len()));
        let judge = |place: &usize| self.judge_key(prepared, *place, meter);
        let mut judged: Vec<Judged> = match places.len() {
            0 | 1 => places.iter().map(judge).collect(),
            _ => places.iter().par_bridge().map(judge).collect(),
        };
        let refused = |(key, invoked): &(Key, usize)| Judged {
            key: *key,
            by: "refusals",
            finding: Finding::Wrong(Wrong::Refused { invoked: *invoked }),
        };
        judged.extend(prepared.refused.iter().map(refused));
        judged.sort_by_key(|judged| judged.key);
        judged
    }

    fn tell(
        &self,
        history: &History,
        prepared: &Prepared,
        judged: &Judged,
        budget: &Budget,
    ) -> Option<Anomaly> {
        let Finding::Wrong(wrong) = &judged.finding else { return None };
        let teller = explain::Teller { history, key: judged.key, initial: self.model.initial };
        Some(match wrong {
            Wrong::Violation(violation) => teller.violation(violation),
            Wrong::Refused { invoked } => teller.refused(*invoked),
            Wrong::NoOrder { place, stuck } => {
                let deadline = budget.deadline.min(Instant::now() + SHORTENING);
                let items = without_unseen(prepared.items(*place));
                let core = shrink::shrink(&self.model, &items, *stuck, &Budget { deadline, ..*budget });
                match unique::judge(self.model.initial, &core) {
                    Some(Err(violation)) => teller.violation(&violation),
                    _ => teller.no_order(&core, *stuck),
                }
            }
        })
    }
}

impl Checker for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        let (meter, count) = (Meter::new(budget), history.ops().len());
        if meter.take(count * BYTES).is_err() {
            let why = format!("{count} operations do not fit in {} MiB", budget.bytes >> 20);
            return Report::unknown(self.name(), why);
        }
        let prepared = match Prepared::of(history) {
            Ok(prepared) => prepared,
            Err(misfit) => return Report::unknown(self.name(), misfit.0),
        };
        let judged = self.judge_all(&prepared, &meter);
        let wrong: Vec<&Judged> =
            judged.iter().filter(|one| matches!(one.finding, Finding::Wrong(_))).collect();
        let tell = |one: &&Judged| self.tell(history, &prepared, one, budget);
        let anomalies: Vec<Anomaly> = wrong.iter().take(STORIES).filter_map(tell).collect();
        let (ops, keys) = (prepared.ops, prepared.keys.len());
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
            (None, None) => Report::valid(self.name(), format!("all {keys} keys, {ops} operations")),
        };
        measure(report, &prepared, &judged)
    }
}

fn summary_of_unknown(judged: &[Judged]) -> Option<String> {
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

fn measure(report: Report, prepared: &Prepared, judged: &[Judged]) -> Report {
    let (ops, keys) = (prepared.ops, prepared.keys.len());
    let share = 100.0 * prepared.unknown as f64 / ops.max(1) as f64;
    let largest = (0..keys).max_by_key(|place| (prepared.items(*place).len(), std::cmp::Reverse(*place)));
    let largest = largest.map_or_else(
        || "none".to_owned(),
        |place| format!("{}, {} operations", prepared.keys[place], prepared.items(place).len()),
    );
    let mut report = report
        .measure("operations", ops)
        .measure("unknown outcomes", format!("{} ({share:.1} %)", prepared.unknown))
        .measure("keys", keys)
        .measure("largest key", largest);
    for by in ["unique values", "unwritten values", "search"] {
        let count = judged.iter().filter(|one| one.by == by).count();
        report = report.measure(&format!("keys judged by {by}"), count);
    }
    let wrong = judged.iter().filter(|one| matches!(one.finding, Finding::Wrong(_))).count();
    report.measure("anomalies", wrong)
}
