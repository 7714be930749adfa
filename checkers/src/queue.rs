//! Does everything that went into the queue come out, once?
//!
//! Semantics of Jepsen's `total-queue` checker, over multisets, whatever the order: that is a matter for
//! linearizability. What was acknowledged and never came out is lost only if the queue was drained afterwards and no
//! call that may have taken something ended unknown; else it is *unaccounted for*, which accuses nobody.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, Reply, Value};
use std::collections::BTreeMap;

/// Judges queues by what went in and what came out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Queue {
    /// Whether the queue promises that nothing comes out twice.
    pub exactly_once: bool,
}

/// One value, in all its copies.
#[derive(Default)]
struct Copies {
    acked: usize,
    unknown: usize,
    failed: usize,
    /// The calls by which it came out.
    out: Vec<usize>,
    /// The first call that put it in.
    put: Option<usize>,
    /// The end of the last call that put it in for certain.
    last: usize,
}

#[derive(Default)]
struct Counts {
    acked: usize,
    out: usize,
    recovered: usize,
    duplicated: usize,
    unaccounted: usize,
}

impl Checker for Queue {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn stands(&self) -> bool {
        true
    }

    /// A value that is to be put in once comes out too often whatever follows. What nobody put in, somebody may put in
    /// later, and what seems lost may come out.
    fn stands_by(&self, anomaly: &str) -> bool {
        matches!(anomaly, "aborted read" | "duplicate value")
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut doubts, mut counts) = (Vec::new(), Vec::new(), Counts::default());
        for (key, ops) in history.by_key() {
            doubts.extend(self.judge(key, &ops, &mut anomalies, &mut counts));
        }
        if counts.out == 0 {
            doubts.push("nothing ever came out of a queue".to_owned());
        }
        let fine = format!("{} acknowledged values, {} came out", counts.acked, counts.out);
        Report::conclude(self.name(), anomalies, doubts.into_iter().next(), fine)
            .measure("acknowledged values", counts.acked)
            .measure("values that came out", counts.out)
            .measure("recovered values (unknown, but came out)", counts.recovered)
            .measure("copies too many", counts.duplicated)
            .measure("values unaccounted for", counts.unaccounted)
    }
}

impl Queue {
    fn judge(
        &self,
        key: Key,
        ops: &[Op<'_>],
        anomalies: &mut Vec<Anomaly>,
        counts: &mut Counts,
    ) -> Option<String> {
        let (values, drained, takers) = follow(ops);
        let mut missing = Vec::new();
        for (value, copies) in &values {
            let mut accuse = |name: &str, story: String| {
                anomalies.push(Anomaly::new(name, key, story, copies.out.iter().copied().chain(copies.put)));
            };
            let (possible, out) = (copies.acked + copies.unknown, copies.out.len());
            counts.acked += copies.acked;
            counts.out += out;
            counts.recovered += out.min(possible).saturating_sub(copies.acked);
            if out > 0 && possible == 0 {
                match copies.failed {
                    0 => accuse(
                        "unexpected value",
                        format!("{value} came out of {key}, but nobody put it in."),
                    ),
                    _ => accuse(
                        "aborted read",
                        format!("{value} came out of {key}, though putting it in failed."),
                    ),
                }
            } else if out > possible {
                counts.duplicated += out - possible;
                if self.exactly_once {
                    let story =
                        format!("{value} came out of {key} {out} times, but was put in {possible} times.");
                    accuse("duplicate value", story);
                }
            } else if out < copies.acked {
                missing.push((value, copies, copies.acked - out));
            }
        }
        let total: usize = missing.iter().map(|(_, _, count)| count).sum();
        match (drained, takers) {
            _ if total == 0 => None,
            (None, _) => {
                counts.unaccounted += total;
                Some(format!("{key} was not emptied at the end, so {total} values may still be in it"))
            }
            (Some(_), Takers { drains, .. }) if drains > 0 => {
                counts.unaccounted += total;
                Some(format!("a call that empties {key} ended unknown and may have taken {total} values"))
            }
            (Some(began), Takers { ones, .. }) => {
                missing.retain(|(_, copies, _)| copies.last < began);
                let lost: usize = missing.iter().map(|(_, _, count)| count).sum();
                counts.unaccounted += total.min(ones);
                if lost <= ones {
                    return None;
                }
                for (value, copies, count) in missing {
                    let maybe = if ones == 0 {
                        String::new()
                    } else {
                        format!(" (of these values at most {ones} were taken by calls that ended unknown)")
                    };
                    let story = format!(
                        "{value} was acknowledged by {key}, and {count} of it never came out{maybe}."
                    );
                    anomalies.push(Anomaly::new("lost value", key, story, copies.put));
                }
                None
            }
        }
    }
}

/// The calls of unknown outcome that may have taken something.
#[derive(Default)]
struct Takers {
    ones: usize,
    drains: usize,
}

/// What became of each value; when the last look began that found the queue empty; who may have taken what.
fn follow(ops: &[Op<'_>]) -> (BTreeMap<Value, Copies>, Option<usize>, Takers) {
    let mut values: BTreeMap<Value, Copies> = BTreeMap::new();
    let (mut drained, mut takers) = (None, Takers::default());
    for op in ops {
        match (op.call, op.outcome) {
            (Call::Enqueue { value, .. }, outcome) => {
                let copies = values.entry(*value).or_default();
                copies.put = copies.put.or(Some(op.invoked));
                match outcome {
                    Outcome::Ok(_) => {
                        copies.acked += 1;
                        copies.last = copies.last.max(op.completed.unwrap_or(op.invoked));
                    }
                    Outcome::Unknown(_) => copies.unknown += 1,
                    Outcome::Fail(_) => copies.failed += 1,
                }
            }
            (Call::Dequeue { .. }, Outcome::Ok(Reply::Read(None))) => drained = Some(op.invoked),
            (Call::Dequeue { .. }, Outcome::Ok(Reply::Read(Some(value)))) => {
                values.entry(*value).or_default().out.push(op.invoked);
            }
            (Call::Drain { .. }, Outcome::Ok(Reply::List(all))) => {
                drained = Some(op.invoked);
                all.iter().for_each(|value| values.entry(*value).or_default().out.push(op.invoked));
            }
            (Call::Dequeue { .. }, Outcome::Unknown(_)) => takers.ones += 1,
            (Call::Drain { .. }, Outcome::Unknown(_)) => takers.drains += 1,
            _ => {}
        }
    }
    (values, drained, takers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn what_goes_in_comes_out() {
        for (text, once, verdict, name) in [
            ("A enq 1 ok; B deq 1", true, Verdict::Valid, ""),
            ("A enq 1 ok; A enq 2 ok; B deq 2; B drain [1]", true, Verdict::Valid, ""),
            ("A enq 1 ok; A enq 2 ok; B deq 2; B drain []", true, Verdict::Invalid, "lost value"),
            ("A enq 1 ok; A enq 2 ok; B deq 2; B deq nil", true, Verdict::Invalid, "lost value"),
            ("A enq 1 ok; A enq 2 ok; B deq 2", true, Verdict::Unknown, ""),
            ("A enq 1 ok; A enq 2 ok; C deq ?; B deq 2; B drain []", true, Verdict::Valid, ""),
            ("A enq 1 ok; A enq 2 ok; C drain ?; B deq 2; B drain []", true, Verdict::Unknown, ""),
            ("A enq 1 ok; B deq 7; B drain [1]", true, Verdict::Invalid, "unexpected value"),
            ("A enq 1 fail; A enq 2 ok; B drain [1 2]", true, Verdict::Invalid, "aborted read"),
            ("A enq 1 ok; B deq 1; B deq 1; B drain []", true, Verdict::Invalid, "duplicate value"),
            ("A enq 1 ok; B deq 1; B deq 1; B drain []", false, Verdict::Valid, ""),
            // S6: recovered.
            ("A enq 1 ?; B deq 1; B drain []", true, Verdict::Valid, ""),
            ("B deq 1; B drain [2]; A enq 3 ok", true, Verdict::Invalid, "unexpected value,unexpected value"),
            // Put in after the queue was emptied: nobody has looked again.
            ("A enq 1 ok; B drain [1]; A enq 2 ok", true, Verdict::Valid, ""),
            ("A enq 1 ok", true, Verdict::Unknown, ""),
        ] {
            let report = Queue { exactly_once: once }.check(&script(text), &Budget::default());
            let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            assert_eq!(
                (report.verdict, names.join(",").as_str()),
                (verdict, name),
                "{text}: {}",
                report.summary
            );
        }
    }
}
