//! Does the counter stand where it can?
//!
//! A read must lie between what is certainly counted when it begins and what may be counted when it ends: the
//! semantics of Jepsen's `counter` checker, for increments of either sign. As long as nobody has begun to subtract, a read that
//! begins after another ended must not be smaller, which Jepsen does not ask. Both rules are necessary and not
//! sufficient; a counter that is said to be linearizable is judged exactly as such.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, Reply};

/// Judges counters by bounds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counter;

/// A sum that grows along the history.
#[derive(Default)]
struct Sum {
    /// Index and amount, then index and the sum of everything up to it.
    steps: Vec<(usize, i64)>,
}

impl Sum {
    fn of(mut steps: Vec<(usize, i64)>) -> Sum {
        steps.sort_unstable_by_key(|(index, _)| *index);
        let mut sum = 0i64;
        for (_, amount) in &mut steps {
            sum = sum.saturating_add(*amount);
            *amount = sum;
        }
        Sum { steps }
    }

    fn before(&self, index: usize) -> i64 {
        let count = self.steps.partition_point(|(at, _)| *at < index);
        count.checked_sub(1).map_or(0, |last| self.steps[last].1)
    }
}

/// The increments of one counter, by sign: those that count for certain from their end, and those that may count from
/// their call.
struct Increments {
    certain: [Sum; 2],
    possible: [Sum; 2],
    /// The first call that may have made it smaller.
    shrinks: Option<usize>,
}

impl Increments {
    fn of(ops: &[Op<'_>]) -> Increments {
        let (mut certain, mut possible) = ([vec![], vec![]], [vec![], vec![]]);
        for op in ops {
            let Call::Increment { by, .. } = op.call else { continue };
            let sign = usize::from(*by < 0);
            if !op.outcome.is_fail() {
                possible[sign].push((op.invoked, *by));
            }
            if let (true, Some(completed)) = (op.outcome.is_ok(), op.completed) {
                certain[sign].push((completed, *by));
            }
        }
        let shrinks = possible[1].first().map(|(invoked, _)| *invoked);
        Increments { certain: certain.map(Sum::of), possible: possible.map(Sum::of), shrinks }
    }

    /// Between what a read can see that begins and ends there.
    fn bounds(&self, invoked: usize, completed: usize) -> (i64, i64) {
        let low = self.certain[0].before(invoked).saturating_add(self.possible[1].before(completed));
        let high = self.possible[0].before(completed).saturating_add(self.certain[1].before(invoked));
        (low, high)
    }
}

impl Checker for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    /// What counts for certain only grows, and what may count when a read ends was called before.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut reads, mut widest) = (Vec::new(), 0, 0);
        for (key, ops) in history.by_key() {
            let increments = Increments::of(&ops);
            let mut seen = Vec::new();
            for op in &ops {
                let (Call::Count { .. }, Outcome::Ok(Reply::Count(count)), Some(completed)) =
                    (op.call, op.outcome, op.completed)
                else {
                    continue;
                };
                reads += 1;
                let (low, high) = increments.bounds(op.invoked, completed);
                widest = widest.max(high.saturating_sub(low));
                seen.push((op.invoked, completed, *count));
                if *count < low || *count > high {
                    let story =
                        format!("{key} was read as {count}, but can only stand between {low} and {high}.");
                    anomalies.push(Anomaly::new("out of bounds", key, story, [op.invoked, completed]));
                }
            }
            seen.retain(|(_, completed, _)| increments.shrinks.is_none_or(|shrinks| *completed < shrinks));
            backwards(key, &seen, &mut anomalies);
        }
        let doubt = (reads == 0).then(|| "nobody read a counter successfully".to_owned());
        Report::conclude(self.name(), anomalies, doubt, format!("{reads} reads are within their bounds"))
            .measure("reads", reads)
            .measure("widest bounds", widest)
    }
}

/// Accuses every read that is smaller than one that ended before it began. The reads come in the order of their
/// calls.
fn backwards(key: Key, reads: &[(usize, usize, i64)], anomalies: &mut Vec<Anomaly>) {
    let mut ended: Vec<&(usize, usize, i64)> = reads.iter().collect();
    ended.sort_unstable_by_key(|(_, completed, _)| *completed);
    let mut ended = ended.into_iter().peekable();
    let mut largest: Option<&(usize, usize, i64)> = None;
    for (invoked, completed, count) in reads {
        while let Some(read) = ended.next_if(|(_, end, _)| end < invoked) {
            largest = largest.filter(|largest| largest.2 >= read.2).or(Some(read));
        }
        if let Some((first, end, seen)) = largest.filter(|(_, _, seen)| seen > count) {
            let story = format!("{key} was read as {seen}, then, by a read that began later, as {count}.");
            let events = [*first, *end, *invoked, *completed];
            anomalies.push(Anomaly::new("counter went backwards", key, story, events));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn a_read_lies_within_its_bounds_and_never_goes_back() {
        for (text, verdict, name) in [
            ("A inc 1 ok; B count 1", Verdict::Valid, ""),
            ("A inc 1 ok; B count 0", Verdict::Invalid, "out of bounds"),
            ("A inc 1 ?; B count 0; B count 1", Verdict::Valid, ""),
            ("A inc 1 fail; B count 1", Verdict::Invalid, "out of bounds"),
            ("A inc 5 ok (; B count 5; A )", Verdict::Valid, ""),
            ("A inc -2 ok; B count -2", Verdict::Valid, ""),
            ("A inc -2 ok; B count 0", Verdict::Invalid, "out of bounds"),
            ("A inc -2 ?; B count -2; B count 0", Verdict::Valid, ""),
            ("A inc 3 ok; A inc -2 ok (; B count 3; C count 1; A )", Verdict::Valid, ""),
            // L52: each read is within its bounds.
            ("A inc 1 ok (; B count 1; C count 0; A )", Verdict::Invalid, "counter went backwards"),
            (
                "A inc 1 ok (; B count 1; C count 0; A ); A inc -1 ok",
                Verdict::Invalid,
                "counter went backwards",
            ),
            ("A inc 1 ok (; B count 1; A ); A inc -1 ok (; C count 0; A )", Verdict::Valid, ""),
            // S4 (L53): what bounds cannot see.
            ("B count 0 (; A inc 1 ok; B ); C inc 1 ?; D count 2; E inc 1 ok; F count 2", Verdict::Valid, ""),
            ("A inc 1 ok", Verdict::Unknown, ""),
            ("", Verdict::Unknown, ""),
        ] {
            let report = Counter.check(&script(text), &Budget::default());
            let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            assert_eq!((report.verdict, names.join(",").as_str()), (verdict, name), "{text}");
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_no_panic() {
        let text = format!("A inc {0} ok; A inc {0} ok; B count 3", i64::MAX);
        assert_eq!(Counter.check(&script(&text), &Budget::default()).verdict, Verdict::Invalid);
    }
}
