//! Did anything succeed at all?
//!
//! Calls by kind and outcome. A kind of which no call succeeded was not tested, whatever the other judges say: Jepsen's `stats`
//! calls that invalid although its description says unknown; here it is unknown.

use crate::{Budget, Checker, Report};
use history::{CallKind, History};
use std::collections::BTreeMap;

/// Counts calls. Never accuses anybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats;

#[derive(Default)]
struct Count {
    ok: usize,
    fail: usize,
    unknown: usize,
}

impl Checker for Stats {
    fn name(&self) -> &'static str {
        "stats"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let mut counts: BTreeMap<CallKind, Count> = BTreeMap::new();
        for op in history.ops() {
            let count = counts.entry(op.call.kind()).or_default();
            match op.outcome {
                outcome if outcome.is_ok() => count.ok += 1,
                outcome if outcome.is_fail() => count.fail += 1,
                _ => count.unknown += 1,
            }
        }
        let never = counts.iter().filter(|(_, count)| count.ok == 0).map(|(kind, _)| kind.name());
        let never: Vec<&str> = never.collect();
        let calls: usize = counts.values().map(|count| count.ok + count.fail + count.unknown).sum();
        let report = match (calls, never.is_empty()) {
            (0, _) => Report::unknown(self.name(), "nobody called"),
            (_, false) => Report::unknown(self.name(), format!("no call succeeded of: {}", never.join(", "))),
            (_, true) => {
                Report::valid(self.name(), format!("{calls} calls, of every kind one that succeeded"))
            }
        };
        counts.iter().fold(report, |report, (kind, Count { ok, fail, unknown })| {
            report.measure(kind.name(), format!("{ok} ok, {fail} fail, {unknown} unknown"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn what_never_succeeded_was_not_tested() {
        for (text, verdict, summary) in [
            ("", Verdict::Unknown, "nobody called"),
            ("A add 1 ok; A add 2 fail; A add 3 ?", Verdict::Valid, "3 calls"),
            ("A add 1 fail; A elements [1]; B deq ?", Verdict::Unknown, "no call succeeded of: add, dequeue"),
        ] {
            let report = Stats.check(&script(text), &Budget::default());
            assert_eq!(report.verdict, verdict, "{text}: {}", report.summary);
            assert!(report.summary.contains(summary), "{text}: {}", report.summary);
        }
        let report = Stats.check(&script("A add 1 ok; A add 2 fail; A add 3 ?"), &Budget::default());
        assert_eq!(report.measures, [("add".to_owned(), "1 ok, 1 fail, 1 unknown".to_owned())]);
    }
}
