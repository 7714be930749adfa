//! Do all nodes agree in the end, and on what was done?
//!
//! *Strong eventual consistency* (Shapiro, Preguiça, Baquero and Zawirski, *Conflict-free Replicated Data Types*, SSS 2011):
//! nodes that have heard of the same changes are in the same state, and in the end all have heard of all. So only the last look
//! at each node counts:
//!
//! * All of them are the same. Until [`Converged::grace`] is over, counted from the beginning of the final phase,
//!   they may differ: a history that ends before is not judged. Counters that lack different changes may agree by chance
//!   until then.
//! * Each is what was done. Every acknowledged increment of a counter counts once, and every unknown one at most once. An
//!   element is in a set if it was added and every removal had ended before that; it is not there if nobody added it, or if
//!   it was added once and somebody was told that they removed it.
//!
//! What a node says that took a change and is not heard in the end is missing: then nothing is called lost.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, NodeId, Op, Outcome, Phase, Reply, Time, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Judges counters and sets by the last look at each node.
#[derive(Debug, Clone, Copy)]
pub struct Converged {
    /// So long after the beginning of the final phase nodes may still differ.
    pub grace: Duration,
}

impl Default for Converged {
    /// Five seconds.
    fn default() -> Converged {
        Converged { grace: Duration::from_secs(5) }
    }
}

/// The last look at one node.
struct Look {
    node: NodeId,
    invoked: usize,
    completed: usize,
    there: There,
}

/// What it found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum There {
    Count(i64),
    /// Ascending.
    Set(Vec<Value>),
}

/// Of which acknowledged changes a node must have heard when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Of all.
    All,
    /// Of its own. Sets that agree have all then: each has what its node did. Counters that agree may do so by chance.
    Itself,
    /// Of none for certain: who took some was not heard.
    Somebody,
}

/// What is known of one object.
struct Case<'c, 'h> {
    key: Key,
    ops: &'c [Op<'h>],
    anomalies: &'c mut Vec<Anomaly>,
}

impl Checker for Converged {
    fn name(&self) -> &'static str {
        "converged"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let late = history.began(Phase::Final).unwrap_or(Time::ZERO) + self.grace;
        let (mut anomalies, mut doubts, mut agreed, mut looked) = (Vec::new(), Vec::new(), 0, 0);
        for (key, ops) in &history.by_key() {
            let looks = last_looks(ops);
            let Some(first) = looks.first() else {
                doubts.push(format!("nobody looked at {key} successfully"));
                continue;
            };
            looked += looks.len();
            let mut case = Case { key: *key, ops, anomalies: &mut anomalies };
            let is_late = |look: &&Look| history.entries()[look.invoked].time >= late;
            let alike = looks.iter().all(|look| look.there == first.there);
            agreed += usize::from(alike);
            let settled: Vec<&Look> =
                if alike { looks.iter().collect() } else { looks.iter().filter(is_late).collect() };
            if settled.is_empty() {
                doubts.push(format!("the nodes differ about {key}, and had no time to agree"));
            }
            case.compare(&settled);
            let missing = case.silent(&looks);
            for look in settled {
                let heard = match missing {
                    Some(_) => Heard::Somebody,
                    None if is_late(&look) => Heard::All,
                    None => Heard::Itself,
                };
                if case.judge(look, heard) {
                    doubts.push(format!(
                        "the nodes agree about {key} by chance, and had no time to hear of all"
                    ));
                }
            }
            if let Some(node) = missing {
                doubts.push(format!("{node} changed {key}, and nobody looked at it in the end"));
            }
        }
        if looked == 0 {
            doubts.push("nobody looked at anything".to_owned());
        }
        let fine = format!("{agreed} objects are the same everywhere, and as they were made");
        Report::conclude(self.name(), anomalies, doubts.into_iter().next(), fine)
            .measure("objects that are the same everywhere", agreed)
            .measure("last looks", looked)
    }
}

/// The last successful look at each node, by node.
fn last_looks(ops: &[Op<'_>]) -> Vec<Look> {
    let mut looks: BTreeMap<NodeId, Look> = BTreeMap::new();
    for op in ops {
        let there = match (op.call, op.outcome) {
            (Call::Count { .. }, Outcome::Ok(Reply::Count(count))) => There::Count(*count),
            (Call::Elements { .. }, Outcome::Ok(Reply::List(list))) => {
                let mut list = list.clone();
                list.sort_unstable();
                There::Set(list)
            }
            _ => continue,
        };
        let Some(completed) = op.completed else { continue };
        looks.insert(op.node, Look { node: op.node, invoked: op.invoked, completed, there });
    }
    looks.into_values().collect()
}

impl Case<'_, '_> {
    fn accuse(&mut self, name: &str, story: String, events: impl IntoIterator<Item = usize>) {
        self.anomalies.push(Anomaly::new(name, self.key, story, events));
    }

    /// A node that acknowledged a change and was not heard in the end.
    fn silent(&self, looks: &[Look]) -> Option<NodeId> {
        let heard: BTreeSet<NodeId> = looks.iter().map(|look| look.node).collect();
        let changed = self.ops.iter().filter(|op| !op.call.is_read() && op.outcome.is_ok());
        changed.map(|op| op.node).find(|node| !heard.contains(node))
    }

    /// Accuses the first two that differ.
    fn compare(&mut self, settled: &[&Look]) {
        let Some(first) = settled.first() else { return };
        let Some(other) = settled.iter().find(|look| look.there != first.there) else { return };
        let (key, one, two) = (self.key, first.node, other.node);
        let story = match (&first.there, &other.there) {
            (There::Count(a), There::Count(b)) => {
                format!("In the end {key} stands at {a} on {one} and at {b} on {two}.")
            }
            (There::Set(a), There::Set(b)) => {
                let only = |here: &[Value], there: &[Value]| {
                    let only: Vec<String> =
                        here.iter().filter(|value| !there.contains(value)).map(ToString::to_string).collect();
                    if only.is_empty() { "nothing".to_owned() } else { only.join(", ") }
                };
                let (a, b) = (only(a, b), only(b, a));
                format!("In the end of {key} there is {a} on {one} alone, and {b} on {two} alone.")
            }
            _ => format!("In the end {key} is a counter on {one} or on {two}, and a set on the other."),
        };
        self.accuse("diverged", story, [first.invoked, first.completed, other.invoked, other.completed]);
    }

    /// Whether what a look found is what was done, as far as its node must have heard of it. True if it may be so only
    /// until the node hears more.
    fn judge(&mut self, look: &Look, heard: Heard) -> bool {
        match &look.there {
            There::Count(count) => self.judge_count(look, *count, heard),
            There::Set(there) => {
                self.judge_set(look, there, heard != Heard::Somebody);
                false
            }
        }
    }

    fn judge_count(&mut self, look: &Look, count: i64, heard: Heard) -> bool {
        let (low, high) = self.bounds(look, heard);
        if (low..=high).contains(&count) {
            let (low, high) = self.bounds(look, Heard::All);
            return heard == Heard::Itself && !(low..=high).contains(&count);
        }
        let (key, node) = (self.key, look.node);
        let story = format!(
            "In the end {key} stands at {count} on {node}, but can only stand between {low} and {high}."
        );
        self.accuse("wrong count", story, [look.invoked, look.completed]);
        false
    }

    /// Where a counter can stand.
    fn bounds(&self, look: &Look, heard: Heard) -> (i64, i64) {
        let (mut low, mut high) = (0i64, 0i64);
        for op in self.ops {
            let Call::Increment { by, .. } = op.call else { continue };
            if op.outcome.is_fail() || op.invoked > look.completed {
                continue;
            }
            let known = heard == Heard::All || heard == Heard::Itself && op.node == look.node;
            let certain = known && op.outcome.is_ok() && op.completed.is_some_and(|at| at < look.invoked);
            if certain || *by < 0 {
                low = low.saturating_add(*by);
            }
            if certain || *by > 0 {
                high = high.saturating_add(*by);
            }
        }
        (low, high)
    }

    fn judge_set(&mut self, look: &Look, there: &[Value], all: bool) {
        let looked = [look.invoked, look.completed];
        let node = look.node;
        for pair in there.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.accuse("duplicate element", format!("{node} has {} more than once.", pair[0]), looked);
        }
        let mut values: BTreeMap<Value, Element<'_>> = BTreeMap::new();
        for op in self.ops {
            match op.call {
                Call::Add { value, .. } => values.entry(*value).or_default().adds.push(*op),
                Call::Remove { value, .. } => values.entry(*value).or_default().removes.push(*op),
                _ => {}
            }
        }
        for value in there.iter().filter(|value| !values.contains_key(value)) {
            self.accuse(
                "unexpected element",
                format!("{value} is there on {node}, but nobody added it."),
                looked,
            );
        }
        for (value, element) in values {
            let found = there.binary_search(&value).is_ok();
            if let Some(name) = element.wrong(found, look).filter(|name| all || *name != LOST) {
                let is = if found { "is still there" } else { "is not there" };
                let story = format!("In the end {value} {is} on {node}. {}", element.told());
                self.accuse(name, story, looked.into_iter().chain(element.events()));
            }
        }
    }
}

/// What was done to one element.
#[derive(Default)]
struct Element<'h> {
    adds: Vec<Op<'h>>,
    removes: Vec<Op<'h>>,
}

const LOST: &str = "lost element";

impl Element<'_> {
    /// What is wrong if it was found, or was not.
    fn wrong(&self, found: bool, look: &Look) -> Option<&'static str> {
        let adds = || self.adds.iter().filter(|add| !add.outcome.is_fail() && add.invoked < look.completed);
        // One that found nothing to remove has done nothing.
        let idle =
            |remove: &&Op<'_>| remove.outcome.is_fail() || *remove.outcome == Outcome::Ok(Reply::Is(false));
        let removes =
            || self.removes.iter().filter(|remove| !idle(remove) && remove.invoked < look.completed);
        let over =
            |op: &Op<'_>, before: usize| op.outcome.is_ok() && op.completed.is_some_and(|at| at < before);
        if !found {
            let lost =
                |add: &&Op<'_>| over(add, look.invoked) && removes().all(|remove| over(remove, add.invoked));
            return adds().any(|add| lost(&add)).then_some(LOST);
        }
        let told =
            |remove: &Op<'_>| *remove.outcome == Outcome::Ok(Reply::Is(true)) && over(remove, look.invoked);
        match adds().count() {
            0 => Some("aborted read"),
            1 if removes().any(told) => Some("removed element"),
            _ => None,
        }
    }

    fn told(&self) -> String {
        let count = |ops: &[Op<'_>]| ops.iter().filter(|op| op.outcome.is_ok()).count();
        let (adds, removes) = (count(&self.adds), count(&self.removes));
        format!("Additions acknowledged: {adds}, removals: {removes}.")
    }

    fn events(&self) -> Vec<usize> {
        self.adds.iter().chain(&self.removes).map(|op| op.invoked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    fn judged(text: &str, grace: Duration) -> (Verdict, String) {
        let report = Converged { grace }.check(&script(text), &Budget::default());
        let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
        (report.verdict, names.join(","))
    }

    #[test]
    fn the_last_looks_are_all_alike_and_what_was_done() {
        for (text, verdict, names) in [
            // Counters: once if acknowledged, at most once if unknown.
            ("A#1 inc 2 ok; B#2 inc 3 ok; A#1 count 5; B#2 count 5", Verdict::Valid, ""),
            ("A#1 inc 2 ok; B#2 count 0; A#1 count 2; B#2 count 2", Verdict::Valid, ""),
            ("A#1 inc 2 ?; C#1 count 0; B#2 count 0", Verdict::Valid, ""),
            ("A#1 inc 2 ?; C#1 count 2; B#2 count 2", Verdict::Valid, ""),
            ("A#1 inc 2 ?; C#1 count 4; B#2 count 4", Verdict::Invalid, "wrong count,wrong count"),
            ("A#1 inc 2 fail; A#1 count 2", Verdict::Invalid, "wrong count"),
            ("A#1 inc 2 ok; A#1 count 0; B#2 count 0", Verdict::Invalid, "wrong count,wrong count"),
            ("A#1 inc -2 ok; A#1 inc 1 ?; C#1 count -1", Verdict::Valid, ""),
            ("A#1 inc 2 ?; C#1 count 2; B#2 count 0", Verdict::Invalid, "diverged"),
            // A change under way during the look counts or does not.
            ("A#1 inc 2 ok (; B#1 count 0; A )", Verdict::Valid, ""),
            // Sets: what was added is there.
            ("A#1 add 1 ok; A#1 elements [1]; B#2 elements [1]", Verdict::Valid, ""),
            ("A#1 add 1 ok; A#1 elements []; B#2 elements []", Verdict::Invalid, "lost element,lost element"),
            ("A#1 add 1 ok; A#1 elements [1]; B#2 elements []", Verdict::Invalid, "diverged,lost element"),
            ("A#1 add 1 ?; C#1 elements []", Verdict::Valid, ""),
            ("A#1 add 1 fail; A#1 elements [1]", Verdict::Invalid, "aborted read"),
            ("A#1 elements [7]", Verdict::Invalid, "unexpected element"),
            ("A#1 add 1 ok; A#1 elements [1 1]", Verdict::Invalid, "duplicate element"),
            // What was removed is not, unless it was added again meanwhile.
            ("A#1 add 1 ok; A#1 remove 1 yes; A#1 elements []", Verdict::Valid, ""),
            ("A#1 add 1 ok; A#1 remove 1 yes; A#1 elements [1]", Verdict::Invalid, "removed element"),
            ("A#1 add 1 ok; B#2 remove 1 no; A#1 elements [1]; B#2 elements [1]", Verdict::Valid, ""),
            (
                "A#1 add 1 ok; B#2 remove 1 no; A#1 elements []; B#2 elements []",
                Verdict::Invalid,
                "lost element,lost element",
            ),
            ("A#1 add 1 ok; A#1 remove 1 ?; C#1 elements []", Verdict::Valid, ""),
            (
                "A#1 add 1 ok; A#1 remove 1 yes; A#1 add 1 ok; A#1 elements []",
                Verdict::Invalid,
                "lost element",
            ),
            ("A#1 add 1 ok; A#1 remove 1 yes (; B#1 add 1 ok; A ); A#1 elements []", Verdict::Valid, ""),
            ("A#1 add 1 ok; A#1 remove 1 yes (; B#1 add 1 ok; A ); A#1 elements [1]", Verdict::Valid, ""),
            // Whoever took a change must be heard.
            ("A#1 add 1 ok; B#2 elements []", Verdict::Unknown, ""),
            ("A#1 inc 1 ok; B#2 count 0", Verdict::Unknown, ""),
            ("A#1 inc 1 ok; B#2 count 2", Verdict::Invalid, "wrong count"),
            ("A#1 add 1 ok", Verdict::Unknown, ""),
            ("", Verdict::Unknown, ""),
        ] {
            assert_eq!(judged(text, Duration::ZERO), (verdict, names.to_owned()), "{text}");
        }
    }

    #[test]
    fn who_differs_has_time_to_agree() {
        let text = "A#1 inc 2 ok; A#1 count 2; B#2 count 0";
        assert_eq!(judged(text, Duration::from_millis(4)), (Verdict::Invalid, "wrong count".to_owned()));
        assert_eq!(judged(text, Duration::from_secs(1)), (Verdict::Unknown, String::new()));
        // Who agrees needs no time: each knows what it did itself.
        for text in
            ["A#1 inc 2 ok; A#1 count 0; B#2 count 0", "A#1 add 2 ok; A#1 elements []; B#2 elements []"]
        {
            assert_eq!(judged(text, Duration::from_secs(1)).0, Verdict::Invalid);
        }
        // Two that have not heard of each other, and both stand at two.
        let text = "A#1 inc 2 ok; B#2 inc 2 ok; A#1 count 2; B#2 count 2";
        assert_eq!(judged(text, Duration::from_secs(1)), (Verdict::Unknown, String::new()));
        assert_eq!(judged(text, Duration::ZERO).0, Verdict::Invalid);
        let text = "A#1 inc 2 ok; B#2 inc 2 ok; A#1 count 5; B#2 count 5";
        assert_eq!(judged(text, Duration::from_secs(1)).0, Verdict::Invalid, "nobody has added so much");
    }
}
