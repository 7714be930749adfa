//! Is everything in the set that was acknowledged, and nothing else?
//!
//! The last complete look at a set answers for every element: it must begin after the element's addition ended.
//! Semantics of Jepsen's `set` checker, with three repairs: an element whose addition certainly failed must not be
//! there (*aborted read*), one element is not there twice, and an addition that ended after the last look began is
//! not held against it. Elements that are taken out again are a matter for linearizability.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, Reply, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Judges sets by their last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Set;

/// What is known of an element before anyone looks.
#[derive(Default)]
struct Attempts {
    /// The index of the first acknowledgement, and of its call.
    acked: Option<(usize, usize)>,
    /// The first call of unknown outcome.
    unknown: Option<usize>,
    /// The first call that certainly failed.
    failed: Option<usize>,
}

#[derive(Default)]
struct Counts {
    added: usize,
    recovered: usize,
    late: usize,
}

impl Checker for Set {
    fn name(&self) -> &'static str {
        "set"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut doubts, mut counts) = (Vec::new(), Vec::new(), Counts::default());
        let keys = history.by_key();
        for (key, ops) in &keys {
            if ops.iter().any(|op| matches!(op.call, Call::Remove { .. })) {
                doubts.push(format!("{key} has elements taken out: judge it as linearizable"));
            } else if let Err(doubt) = judge(*key, ops, &mut anomalies, &mut counts) {
                doubts.push(doubt);
            }
        }
        if keys.is_empty() {
            doubts.push("nobody used a set".to_owned());
        }
        let fine = format!("{} acknowledged elements are all there", counts.added);
        Report::conclude(self.name(), anomalies, doubts.into_iter().next(), fine)
            .measure("sets", keys.len())
            .measure("acknowledged elements", counts.added)
            .measure("recovered elements (unknown, but there)", counts.recovered)
            .measure("additions too late to be judged", counts.late)
    }
}

fn attempts(ops: &[Op<'_>]) -> BTreeMap<Value, Attempts> {
    let mut all: BTreeMap<Value, Attempts> = BTreeMap::new();
    for op in ops {
        let Call::Add { value, .. } = op.call else { continue };
        let of = all.entry(*value).or_default();
        match op.outcome {
            Outcome::Ok(_) => of.acked = of.acked.or(op.completed.map(|at| (at, op.invoked))),
            Outcome::Unknown(_) => of.unknown = of.unknown.or(Some(op.invoked)),
            Outcome::Fail(_) => of.failed = of.failed.or(Some(op.invoked)),
        }
    }
    all
}

fn judge(key: Key, ops: &[Op<'_>], anomalies: &mut Vec<Anomaly>, counts: &mut Counts) -> Result<(), String> {
    let attempts = attempts(ops);
    let look = ops.iter().rev().find_map(|op| match (op.call, op.outcome) {
        (Call::Elements { .. }, Outcome::Ok(Reply::List(there))) => Some((op, there)),
        _ => None,
    });
    let Some((look, there)) = look else { return Err(format!("nobody looked into {key} successfully")) };
    let looked = [look.invoked, look.completed.unwrap_or(look.invoked)];
    let mut accuse = |name: &str, story: String, event: Option<usize>| {
        anomalies.push(Anomaly::new(name, key, story, looked.into_iter().chain(event)));
    };
    let mut seen = BTreeSet::new();
    for value in there {
        if !seen.insert(*value) {
            accuse("duplicate element", format!("The last look found {value} more than once."), None);
            continue;
        }
        match attempts.get(value) {
            None => accuse("unexpected element", format!("{value} is there, but nobody added it."), None),
            Some(Attempts { acked: None, unknown: None, failed: Some(failed) }) => accuse(
                "aborted read",
                format!("{value} is there, though its addition certainly failed."),
                Some(*failed),
            ),
            Some(of) => counts.recovered += usize::from(of.acked.is_none()),
        }
    }
    for (value, of) in &attempts {
        let Some((acked, invoked)) = of.acked else { continue };
        counts.added += 1;
        if acked > look.invoked {
            counts.late += 1;
        } else if !seen.contains(value) {
            let story =
                format!("The addition of {value} was acknowledged, but the last look does not find it.");
            accuse("lost element", story, Some(invoked));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    fn judged(text: &str) -> (Verdict, Vec<String>) {
        let report = Set.check(&script(text), &Budget::default());
        (report.verdict, report.anomalies.iter().map(|anomaly| anomaly.name.clone()).collect())
    }

    #[test]
    fn what_is_acknowledged_must_be_there_and_nothing_else() {
        for (text, verdict, names) in [
            ("A add 1 ok; A add 2 ok; B elements [1 2]", Verdict::Valid, vec![]),
            ("A add 1 ok; B elements []", Verdict::Invalid, vec!["lost element"]),
            ("A add 1 ?; B elements []", Verdict::Valid, vec![]),
            ("A add 1 ?; B elements [1]", Verdict::Valid, vec![]),
            // S2: Jepsen takes it for an attempt like any other.
            ("A add 3 fail; B elements [3]", Verdict::Invalid, vec!["aborted read"]),
            ("A add 1 ok; B elements [1 9]", Verdict::Invalid, vec!["unexpected element"]),
            ("A add 0 ok; B elements [0 0]", Verdict::Invalid, vec!["duplicate element"]),
            ("A add 1 ok; B elements [1]; A add 2 ok", Verdict::Valid, vec![]),
            ("A add 1 ok; B elements []; B elements [1]", Verdict::Valid, vec![]),
            // M9
            ("A add 1 ok", Verdict::Unknown, vec![]),
            ("A add 1 ok; B elements fail", Verdict::Unknown, vec![]),
            ("", Verdict::Unknown, vec![]),
            ("A add 1 ok; A remove 1 ok; B elements []", Verdict::Unknown, vec![]),
            ("A add 1 fail; A add 1 ok; B elements [1]", Verdict::Valid, vec![]),
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(judged(text), (verdict, names), "{text}");
        }
    }

    #[test]
    fn an_addition_under_way_during_the_last_look_is_not_held_against_it() {
        assert_eq!(judged("A add 1 ok (; B elements []; A )").0, Verdict::Valid);
    }
}
