//! When does an element become visible, and does it stay?
//!
//! Semantics of Jepsen's `set-full` checker. An element is *known* from its acknowledgement, or from the end of the
//! first look that finds it, whichever is first. Let *present* and *absent* be the latest looks, by their calls, with
//! and without it, among those that ended after it was added. It is *stable* if present is later than absent, *lost* if
//! it was known before a look began that misses it and no later look finds it, and *never read* otherwise. A stable
//! element is *stale* if a look that began after it was known missed it.
//!
//! Repairs: an element found twice by one look, or before its addition began, one that nobody added, and one whose addition certainly failed are
//! anomalies. The cost is the sum of the sizes of all looks.

use crate::additions::{Addition, Look, absurd, additions, is_absurd, looks};
use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Value};
use std::collections::BTreeMap;

/// Judges sets by all their looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SetFull {
    /// Whether an element that a later look misses for a while is an anomaly, too. It is, of a linearizable set.
    pub linearizable: bool,
}

/// What is known of one element that may have been added.
struct Element {
    /// The index of the first call that may have added it.
    added: usize,
    /// The index from which it is known.
    known: Option<usize>,
    /// The looks that found it, by rank, ascending.
    found: Vec<u32>,
}

impl Element {
    fn of(addition: &Addition) -> Option<Element> {
        let (added, known) = (addition.possible?, addition.acked.map(|(acked, _)| acked));
        Some(Element { added, known, found: Vec::new() })
    }
}

#[derive(Default)]
struct Tally {
    stable: usize,
    lost: usize,
    never_read: usize,
    stale: usize,
    /// From the moment it was known to the end of the last look that began later and missed it, in ms.
    latencies: Vec<u64>,
}

impl Checker for SetFull {
    fn name(&self) -> &'static str {
        "set-full"
    }

    /// An element that is missing may come back, which a linearizable set does not allow either.
    fn stands(&self) -> bool {
        true
    }

    fn stands_by(&self, anomaly: &str) -> bool {
        let missing = matches!(anomaly, "stale element" | "lost element");
        is_absurd(anomaly) || (self.linearizable && missing)
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut tally) = (Vec::new(), Tally::default());
        let keys = history.by_key();
        for (key, ops) in &keys {
            if ops.iter().any(|op| matches!(op.call, Call::Remove { .. })) {
                let doubt = format!("{key} has elements taken out: judge it as linearizable");
                return Report::unknown(self.name(), doubt);
            }
            self.judge(*key, ops, history, &mut anomalies, &mut tally);
        }
        let doubt = (tally.stable == 0).then(|| "no element was seen to stay".to_owned());
        let fine = format!("{} elements stayed, none was lost", tally.stable);
        tally.latencies.sort_unstable();
        let quantile = |part: f64| {
            let last = tally.latencies.len().checked_sub(1)?;
            Some(tally.latencies[((tally.latencies.len() as f64 * part) as usize).min(last)])
        };
        let quantiles: Vec<String> = [0.0, 0.5, 0.95, 0.99, 1.0]
            .iter()
            .filter_map(|part| quantile(*part))
            .map(|ms| ms.to_string())
            .collect();
        Report::conclude(self.name(), anomalies, doubt, fine)
            .measure("stable elements", tally.stable)
            .measure("lost elements", tally.lost)
            .measure("elements never read", tally.never_read)
            .measure("stale elements", tally.stale)
            .measure("time to stability, 0/50/95/99/100 %, in ms", quantiles.join(" "))
    }
}

impl SetFull {
    fn judge(
        &self,
        key: Key,
        ops: &[Op<'_>],
        history: &History,
        anomalies: &mut Vec<Anomaly>,
        tally: &mut Tally,
    ) {
        let (additions, looks) = (additions(ops), looks(ops));
        anomalies.extend(absurd(key, &additions, &looks));
        let element = |(value, of): (&Value, &Addition)| Some((*value, Element::of(of)?));
        let mut elements: BTreeMap<Value, Element> = additions.iter().filter_map(element).collect();
        for (rank, look) in looks.iter().enumerate() {
            for value in look.there {
                let Some(element) = elements.get_mut(value) else { continue };
                if look.completed > element.added && element.found.last() != Some(&(rank as u32)) {
                    element.found.push(rank as u32);
                    element.known =
                        Some(element.known.map_or(look.completed, |known| known.min(look.completed)));
                }
            }
        }
        for (value, element) in &elements {
            self.classify(key, *value, element, &looks, history, anomalies, tally);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one element, and everything that is known around it")]
    fn classify(
        &self,
        key: Key,
        value: Value,
        element: &Element,
        looks: &[Look<'_>],
        history: &History,
        anomalies: &mut Vec<Anomaly>,
        tally: &mut Tally,
    ) {
        let added = element.added;
        // From the latest back, past all that found it and all that were over when it was added.
        let mut found = element.found.iter().rev().peekable();
        let absent = (0..looks.len() as u32).rev().find(|rank| {
            let finds = found.next_if_eq(&rank).is_some();
            !finds && looks[*rank as usize].completed > added
        });
        let absent = absent.map(|rank| &looks[rank as usize]);
        let present = element.found.last().map(|rank| &looks[*rank as usize]);
        let before = |a: Option<&Look<'_>>, b: Option<&Look<'_>>| match (a, b) {
            (None, Some(_)) => true,
            (Some(a), Some(b)) => a.invoked < b.invoked,
            (_, None) => false,
        };
        let missed = absent.zip(element.known).filter(|(absent, known)| *known < absent.invoked);
        if before(absent, present) {
            tally.stable += 1;
            let time = |index: usize| history.entries()[index].time.0 / 1_000_000;
            let latency =
                missed.map_or(0, |(absent, known)| 1 + time(absent.completed).saturating_sub(time(known)));
            tally.latencies.push(latency);
            let Some((absent, known)) = missed else { return };
            tally.stale += 1;
            if self.linearizable {
                let story = format!(
                    "{value} was known, but a look that began later missed it; still later it is there."
                );
                anomalies.push(Anomaly::new(
                    "stale element",
                    key,
                    story,
                    [known, absent.invoked, absent.completed],
                ));
            }
        } else if let Some((absent, known)) = missed.filter(|(absent, _)| before(present, Some(absent))) {
            tally.lost += 1;
            let story = format!(
                "{value} was known, but a look that began later misses it, and no later one finds it."
            );
            anomalies.push(Anomaly::new(
                "lost element",
                key,
                story,
                [added, known, absent.invoked, absent.completed],
            ));
        } else {
            tally.never_read += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    fn judged(text: &str, linearizable: bool) -> (Verdict, Vec<String>) {
        let report = SetFull { linearizable }.check(&script(text), &Budget::default());
        (report.verdict, report.anomalies.iter().map(|anomaly| anomaly.name.clone()).collect())
    }

    #[test]
    fn elements_stay_or_are_lost_or_never_read() {
        for (text, verdict, name) in [
            ("A add 1 ok; B elements [1]", Verdict::Valid, ""),
            ("A add 1 ok; B elements []", Verdict::Invalid, "lost element"),
            ("A add 1 ?; B elements []; B elements [1]; B elements []", Verdict::Invalid, "lost element"),
            // S1: Jepsen misses it.
            ("A add 0 ok; B elements [0 0]", Verdict::Invalid, "duplicate element"),
            // S3: a look under way during the addition proves nothing.
            ("B elements [] (; A add 1 ok; B ); A add 2 ok; B elements [1 2]", Verdict::Valid, ""),
            ("A add 2 ok; B elements [2]; B elements [2] (; A add 1 ok; B )", Verdict::Valid, ""),
            ("B elements [] (; A add 1 ok; B )", Verdict::Unknown, ""),
            ("A add 1 ?; B elements []", Verdict::Unknown, ""),
            ("A add 1 fail; A add 2 ok; B elements [1 2]", Verdict::Invalid, "aborted read"),
            ("A add 2 ok; B elements [1 2]", Verdict::Invalid, "unexpected element"),
            ("A add 2 ok; B elements [1 2]; A add 1 ok; B elements [1 2]", Verdict::Invalid, "future read"),
            // What fails and then succeeds cannot be there in between.
            ("A add 1 fail; B elements [1]; A add 1 ok; B elements [1]", Verdict::Invalid, "aborted read"),
            ("A add 1 fail; B elements []; A add 1 ok; B elements [1]", Verdict::Valid, ""),
            // Looks from before the addition are no absences.
            ("B elements []; A add 1 ok; B elements [1]", Verdict::Valid, ""),
        ] {
            let names: Vec<String> = (!name.is_empty()).then(|| name.to_owned()).into_iter().collect();
            assert_eq!(judged(text, true), (verdict, names), "{text}");
        }
    }

    #[test]
    fn staleness_is_an_anomaly_only_of_a_linearizable_set() {
        let text = "A add 1 ok; B elements []; B elements [1]";
        assert_eq!(judged(text, false), (Verdict::Valid, vec![]));
        assert_eq!(judged(text, true), (Verdict::Invalid, vec!["stale element".to_owned()]));
        let report = SetFull::default().check(&script(text), &Budget::default());
        let latency = report.measures.iter().find(|(name, _)| name.starts_with("time to stability")).unwrap();
        // Known at event 1, missed until event 3, an event each millisecond.
        assert_eq!(latency.1, "3 3 3 3 3");
    }

    #[test]
    fn what_is_missing_is_objected_to_only_of_a_linearizable_set() {
        let objects = |text: &str, linearizable: bool| {
            let (judge, history) = (SetFull { linearizable }, script(text));
            let mut case = crate::open(&judge);
            history.entries().iter().enumerate().for_each(|(index, entry)| case.hear(index, entry));
            case.objection(&Budget::default())
        };
        let lost = "A add 1 ok; B elements []; C add 2 ok (";
        assert_eq!(objects(lost, true).as_deref(), Some("set-full: lost element on k0"));
        assert_eq!(objects(lost, false), None, "it may come back");
        assert_eq!(objects("A add 1 ok (; B elements []; C add 2 ok (", true), None, "it may come later");
        let absurd = "A add 1 ok; B elements [1 2]; C add 2 ok (";
        assert_eq!(objects(absurd, false).as_deref(), Some("set-full: future read on k0"));
    }

    /// The definition, read out loud: every element against every look.
    fn defined(ops: &[Op<'_>], value: Value) -> &'static str {
        let adds: Vec<_> =
            ops.iter().filter(|op| matches!(op.call, Call::Add { value: v, .. } if *v == value)).collect();
        let looks = looks(ops);
        let acked = adds.iter().filter(|op| op.outcome.is_ok()).filter_map(|op| op.completed).min();
        let added = adds.iter().map(|op| op.invoked).min().unwrap();
        let shown = looks.iter().filter(|look| look.there.contains(&value) && look.completed > added);
        let shown = shown.map(|look| look.completed).min();
        let known = acked.into_iter().chain(shown).min();
        let latest = |with: bool| {
            let those =
                looks.iter().filter(|look| look.there.contains(&value) == with && look.completed > added);
            those.map(|look| look.invoked as i64).max().unwrap_or(-1)
        };
        let (present, absent) = (latest(true), latest(false));
        match known {
            _ if absent < present => "stable",
            Some(known) if present < absent && (known as i64) < absent => "lost",
            _ => "never read",
        }
    }

    #[test]
    fn it_agrees_with_the_definition() {
        let mut chance = history::Chance::new(7);
        for round in 0..crate::cases::cases(3_000) {
            let mut text = String::new();
            let mut open: Vec<char> = Vec::new();
            for _ in 0..chance.below(12) {
                let who = ['A', 'B', 'C'][chance.below(3) as usize];
                let busy = open.iter().position(|other| *other == who);
                if let Some(busy) = busy {
                    open.remove(busy);
                    text += &format!("{who} ); ");
                    continue;
                }
                let tail = if chance.below(2) == 0 { "" } else { " (" };
                if !tail.is_empty() {
                    open.push(who);
                }
                let what = match chance.below(3) {
                    0 => format!("add {} ok", chance.below(2)),
                    _ => format!("elements {}", ["[]", "[0]", "[1]", "[0 1]"][chance.below(4) as usize]),
                };
                text += &format!("{who} {what}{tail}; ");
            }
            let history = script(&text);
            let ops: Vec<_> = history.ops().collect();
            let mut added: Vec<Value> = ops
                .iter()
                .filter_map(|op| if let Call::Add { value, .. } = op.call { Some(*value) } else { None })
                .collect();
            added.sort_unstable();
            added.dedup();
            let count =
                |what: &str| added.iter().filter(|value| defined(&ops, **value) == what).count().to_string();
            let report = SetFull::default().check(&history, &Budget::default());
            let told = |name: &str| report.measures.iter().find(|(n, _)| n == name).unwrap().1.clone();
            let all = [told("stable elements"), told("lost elements"), told("elements never read")];
            assert_eq!(all, [count("stable"), count("lost"), count("never read")], "round {round}: {text}");
        }
    }
}
