//! Do the system's timestamps order what it wrote?
//!
//! Each transaction reads the largest number and writes the next, and the system stamps it. At the end the rows are read
//! with their stamps: ordered by stamp, the numbers must ascend; none is lost, none is there twice. CockroachDB's
//! `monotonic`. A stamp that lies is often a skewed clock: compare the story with the faults of that time.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Outcome, Reply, Value};
use std::collections::BTreeMap;

/// Judges a final look at stamped rows ([`Call::Watch`] from 0) against the acknowledged additions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Monotonic;

impl Checker for Monotonic {
    fn name(&self) -> &'static str {
        "monotonic"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut rows_seen, mut looks) = (Vec::new(), 0, 0);
        for (key, ops) in history.by_key() {
            let look = ops.iter().rev().find_map(|op| match (op.call, op.outcome) {
                (Call::Watch { after: 0, .. }, Outcome::Ok(Reply::Changes(rows))) => Some((op, rows)),
                _ => None,
            });
            let Some((look, rows)) = look else { continue };
            looks += 1;
            rows_seen += rows.len();
            let events = [Some(look.invoked), look.completed];
            let mut accuse = |name: &str, story: String, event: Option<usize>| {
                anomalies.push(Anomaly::new(name, key, story, events.into_iter().chain([event]).flatten()));
            };
            let mut sorted: Vec<(u64, Value)> = rows.clone();
            sorted.sort_by_key(|(stamp, _)| *stamp);
            for pair in sorted.windows(2) {
                let ((early, first), (late, second)) = (pair[0], pair[1]);
                if first > second {
                    let story = format!("{first} is stamped {early}, before {late}, the stamp of {second}.");
                    accuse("stamps out of order", story, None);
                }
            }
            let mut copies: BTreeMap<Value, usize> = BTreeMap::new();
            rows.iter().for_each(|(_, value)| *copies.entry(*value).or_default() += 1);
            for (value, count) in copies.iter().filter(|(_, count)| **count > 1) {
                accuse("duplicate row", format!("{value} is there {count} times."), None);
            }
            for op in ops.iter().filter(|op| op.completed < Some(look.invoked)) {
                let Call::Add { value, .. } = op.call else { continue };
                match op.outcome {
                    Outcome::Ok(_) if !copies.contains_key(value) => {
                        accuse(
                            "lost row",
                            format!("{value} was acknowledged, but is not there."),
                            Some(op.invoked),
                        );
                    }
                    Outcome::Fail(_) if copies.contains_key(value) => {
                        let story = format!("{value} is there, though its addition certainly failed.");
                        accuse("aborted read", story, Some(op.invoked));
                    }
                    _ => {}
                }
            }
        }
        let doubt = (looks == 0).then(|| "nobody looked at all rows successfully".to_owned());
        Report::conclude(self.name(), anomalies, doubt, format!("{rows_seen} rows, stamped in order"))
            .measure("rows", rows_seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn stamps_order_the_rows() {
        for (text, verdict, name) in [
            ("A add 1 ok; A add 2 ok; B watch 0 [10:1 20:2]", Verdict::Valid, ""),
            ("A add 1 ok; A add 2 ok; B watch 0 [20:2 10:1]", Verdict::Valid, ""),
            ("A add 1 ok; A add 2 ok; B watch 0 [20:1 10:2]", Verdict::Invalid, "stamps out of order"),
            ("A add 1 ok; A add 2 ok; B watch 0 [10:1]", Verdict::Invalid, "lost row"),
            ("A add 1 ok; B watch 0 [10:1 11:1]", Verdict::Invalid, "duplicate row"),
            ("A add 1 fail; B watch 0 [10:1]", Verdict::Invalid, "aborted read"),
            ("A add 1 ?; B watch 0 [10:1]", Verdict::Valid, ""),
            ("A add 1 ok", Verdict::Unknown, ""),
        ] {
            let report = Monotonic.check(&script(text), &Budget::default());
            let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            assert_eq!((report.verdict, names.join(",").as_str()), (verdict, name), "{text}");
        }
    }
}
