//! Does every watcher see every change, once and in order?
//!
//! Each change has a revision, which orders the changes of a key. What a watcher got must be a run of that order without
//! gap, repetition or step back, from where it asked to begin. Jepsen's etcd `watch` checker compares whole logs by edit
//! distance and cannot tell these apart.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, Reply, Value};
use std::collections::BTreeMap;

/// Judges watchers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch;

impl Checker for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }

    /// What a watcher saw stays seen, and what was not yet written then is no excuse.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut logs, mut changes) = (Vec::new(), 0, 0);
        for (key, ops) in history.by_key() {
            let mut known: BTreeMap<u64, (Value, usize)> = BTreeMap::new();
            for (op, log) in ops.iter().filter_map(log) {
                (logs, changes) = (logs + 1, changes + log.len());
                anomalies.extend(contradictions(key, op, log, &mut known));
            }
            let written = written(&ops);
            for (revision, (value, seen)) in &known {
                if written.get(value).is_none_or(|called| called > seen) {
                    let story =
                        format!("Revision {revision} of {key} is {value}, which nobody had written then.");
                    anomalies.push(Anomaly::new("unwritten value", key, story, [*seen]));
                }
            }
            for (op, log) in ops.iter().filter_map(log) {
                anomalies.extend(faults(key, op, log, &known));
            }
        }
        let doubt = (changes == 0).then(|| "no watcher saw a change".to_owned());
        Report::conclude(
            self.name(),
            anomalies,
            doubt,
            format!("{logs} watchers saw {changes} changes in order"),
        )
        .measure("watchers", logs)
        .measure("changes seen", changes)
    }
}

fn log<'a, 'h>(op: &'a Op<'h>) -> Option<(&'a Op<'h>, &'h [(u64, Value)])> {
    match (op.call, op.outcome) {
        (Call::Watch { .. }, Outcome::Ok(Reply::Changes(log))) => Some((op, log)),
        _ => None,
    }
}

/// What may have been written, and from when on.
fn written(ops: &[Op<'_>]) -> BTreeMap<Value, usize> {
    let mut written = BTreeMap::new();
    for op in ops.iter().filter(|op| !op.outcome.is_fail()) {
        if let Call::Write { value, .. } | Call::Cas { new: value, .. } | Call::Add { value, .. } = op.call {
            written.entry(*value).or_insert(op.invoked);
        }
    }
    written
}

/// Revisions that two watchers saw with different values.
fn contradictions(
    key: Key,
    op: &Op<'_>,
    log: &[(u64, Value)],
    known: &mut BTreeMap<u64, (Value, usize)>,
) -> Vec<Anomaly> {
    let mut found = Vec::new();
    for (revision, value) in log {
        let seen = op.completed.unwrap_or(op.invoked);
        let entry = known.entry(*revision).or_insert((*value, seen));
        entry.1 = entry.1.min(seen);
        let (first, at) = *entry;
        if first != *value {
            let story =
                format!("Revision {revision} of {key} is {first} for one watcher and {value} for another.");
            found.push(Anomaly::new("inconsistent revision", key, story, [at, seen]));
        }
    }
    found
}

fn faults(
    key: Key,
    op: &Op<'_>,
    log: &[(u64, Value)],
    known: &BTreeMap<u64, (Value, usize)>,
) -> Vec<Anomaly> {
    let Call::Watch { after, .. } = op.call else { return Vec::new() };
    let events = [Some(op.invoked), op.completed];
    let mut found = Vec::new();
    let mut accuse = |name: &str, story: String, event: Option<usize>| {
        found.push(Anomaly::new(name, key, story, events.into_iter().chain([event]).flatten()));
    };
    let mut last = *after;
    for (revision, _) in log {
        let revision = *revision;
        if revision == last {
            let what = if last == *after { "which it had already" } else { "twice" };
            accuse(
                "duplicate change",
                format!("A watcher of {key} after {after} saw revision {revision}, {what}."),
                None,
            );
        } else if revision < last {
            let story = format!("A watcher of {key} saw revision {revision} after revision {last}.");
            accuse("change out of order", story, None);
        } else if let Some((missing, (_, at))) = known.range(last + 1..revision).next() {
            let story = format!(
                "A watcher of {key} saw revision {revision} right after {last}, and never {missing}."
            );
            accuse("gap", story, Some(*at));
        }
        last = last.max(revision);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn watchers_see_every_change_once_in_order() {
        let writes = "W write 10 ok; W write 20 ok; W write 30 ok; W write 40 ok; ";
        for (text, verdict, name) in [
            ("A watch 0 [1:10 2:20 3:30 4:40]; B watch 2 [3:30 4:40]", Verdict::Valid, ""),
            // S8
            ("A watch 0 [1:10 2:20 4:40]; B watch 0 [1:10 2:20 3:30]", Verdict::Invalid, "gap"),
            ("A watch 0 [1:10 2:20 4:40]", Verdict::Valid, ""),
            ("A watch 0 [1:10 1:10]", Verdict::Invalid, "duplicate change"),
            ("A watch 1 [1:10 2:20]", Verdict::Invalid, "duplicate change"),
            ("A watch 0 [2:20 1:10]", Verdict::Invalid, "gap,change out of order"),
            ("A watch 0 [1:10]; B watch 0 [1:20]", Verdict::Invalid, "inconsistent revision"),
            ("A watch 0 [1:99]", Verdict::Invalid, "unwritten value"),
            ("A watch 0 []", Verdict::Unknown, ""),
        ] {
            let report = Watch.check(&script(&format!("{writes}{text}")), &Budget::default());
            let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            assert_eq!((report.verdict, names.join(",").as_str()), (verdict, name), "{text}");
        }
    }
}
