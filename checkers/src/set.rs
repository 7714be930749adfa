//! Is everything in the set that was acknowledged, and nothing else?
//!
//! The last complete look at a set answers for every element: it must begin after the element's addition ended.
//! Semantics of Jepsen's `set` checker, with three repairs: an element whose addition certainly failed must not be
//! there (*aborted read*), one element is not there twice, and an addition that ended after the last look began is
//! not held against it. What no look may show is looked for in all of them. Elements that are taken out again are a
//! matter for linearizability.

use crate::additions::{absurd, additions, is_absurd, looks};
use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Value};
use std::collections::BTreeSet;

/// Judges sets by their last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Set;

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

    /// An element that is missing may come back.
    fn stands(&self) -> bool {
        true
    }

    fn stands_by(&self, anomaly: &str) -> bool {
        is_absurd(anomaly)
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

fn judge(key: Key, ops: &[Op<'_>], anomalies: &mut Vec<Anomaly>, counts: &mut Counts) -> Result<(), String> {
    let (additions, looks) = (additions(ops), looks(ops));
    anomalies.extend(absurd(key, &additions, &looks));
    let look = looks.last().ok_or_else(|| format!("nobody looked into {key} successfully"))?;
    let seen: BTreeSet<Value> = look.there.iter().copied().collect();
    let recovered = |value: &&Value| additions.get(value).is_some_and(|of| of.acked.is_none());
    counts.recovered += seen.iter().filter(recovered).count();
    for (value, of) in &additions {
        let Some((acked, called)) = of.acked else { continue };
        counts.added += 1;
        if acked > look.invoked {
            counts.late += 1;
        } else if !seen.contains(value) {
            let story =
                format!("The addition of {value} was acknowledged, but the last look does not find it.");
            let events = [called, look.invoked, look.completed];
            anomalies.push(Anomaly::new("lost element", key, story, events));
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
            // Whatever the last look finds, no other may show what cannot be.
            (
                "A add 1 fail; B elements [1]; A add 1 ok; B elements [1]",
                Verdict::Invalid,
                vec!["aborted read"],
            ),
            ("B elements [1]; A add 1 ok; B elements [1]", Verdict::Invalid, vec!["future read"]),
            (
                "A add 1 ok; B elements [1 9]; B elements [1 9]; B elements [1]",
                Verdict::Invalid,
                vec!["unexpected element"],
            ),
            ("A add 1 ok; B elements [1 1]; B elements [1]", Verdict::Invalid, vec!["duplicate element"]),
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
