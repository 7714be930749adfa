//! Did everybody get a number of their own?
//!
//! No number is acknowledged twice (Jepsen's `unique-ids`). If the source promises more, numbers ascend for each client,
//! or for everybody: a call that begins after another ended gets a larger number.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Op, Outcome, ProcessId, Reply, Value};
use std::collections::BTreeMap;

/// What a source of numbers promises beside uniqueness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ascent {
    /// Nothing.
    #[default]
    Any,
    /// Each client's numbers ascend.
    PerProcess,
    /// A call that begins after another ended gets a larger number.
    RealTime,
}

/// Judges sources of unique numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct UniqueIds {
    /// What is promised beside uniqueness.
    pub ascent: Ascent,
}

impl Checker for UniqueIds {
    fn name(&self) -> &'static str {
        "unique-ids"
    }

    /// What was acknowledged stays so.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut count, mut range) = (Vec::new(), 0, None::<(Value, Value)>);
        for (key, ops) in history.by_key() {
            let got = |op: &Op<'_>| match (op.call, op.outcome, op.completed) {
                (Call::NextId { .. }, Outcome::Ok(Reply::Read(Some(value))), Some(end)) => {
                    Some((op.process, *value, op.invoked, end))
                }
                _ => None,
            };
            let got: Vec<(ProcessId, Value, usize, usize)> = ops.iter().filter_map(got).collect();
            count += got.len();
            let mut first: BTreeMap<Value, usize> = BTreeMap::new();
            let mut last: BTreeMap<ProcessId, (Value, usize)> = BTreeMap::new();
            for (process, value, _, end) in &got {
                range =
                    Some(range.map_or((*value, *value), |(low, high)| (low.min(*value), high.max(*value))));
                if let Some(other) = first.insert(*value, *end) {
                    let story = format!("{key} gave {value} to two calls.");
                    anomalies.push(Anomaly::new("duplicate id", key, story, [other, *end]));
                }
                let before = last.insert(*process, (*value, *end));
                if let (Ascent::PerProcess, Some((before, other))) = (self.ascent, before)
                    && before > *value
                {
                    let story = format!("{process} got {value} from {key} after {before}.");
                    anomalies.push(Anomaly::new("descending id", key, story, [other, *end]));
                }
            }
            if self.ascent == Ascent::RealTime {
                anomalies.extend(descents(&got).map(|(small, large, events)| {
                    let story = format!("{key} gave {large}, then, to a call that began later, {small}.");
                    Anomaly::new("descending id", key, story, events)
                }));
            }
        }
        let doubt = (count == 0).then(|| "nobody got a number".to_owned());
        let report =
            Report::conclude(self.name(), anomalies, doubt, format!("{count} numbers, all different"));
        let range = range.map_or_else(|| "none".to_owned(), |(low, high)| format!("{low} to {high}"));
        report.measure("numbers", count).measure("range", range)
    }
}

/// The calls that got less than one that had ended before they began.
fn descents(
    got: &[(ProcessId, Value, usize, usize)],
) -> impl Iterator<Item = (Value, Value, [usize; 2])> + use<> {
    let mut ends: Vec<(usize, Value)> = got.iter().map(|(_, value, _, end)| (*end, *value)).collect();
    ends.sort_unstable();
    let (mut next, mut largest, mut found) = (0, None::<(Value, usize)>, Vec::new());
    for (_, value, begin, end) in got {
        while let Some((ended, other)) = ends.get(next).filter(|(ended, _)| ended < begin) {
            largest = largest.filter(|(large, _)| large >= other).or(Some((*other, *ended)));
            next += 1;
        }
        if let Some((large, ended)) = largest.filter(|(large, _)| large > value) {
            found.push((*value, large, [ended, *end]));
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn numbers_are_different_and_ascend_as_promised() {
        use Ascent::{Any, PerProcess, RealTime};
        for (text, ascent, verdict) in [
            ("A id 1; B id 2; A id 3", RealTime, Verdict::Valid),
            ("A id 1; B id 1", Any, Verdict::Invalid),
            ("A@1 id 1; B@2 id 1", Any, Verdict::Valid),
            ("A id ?; B id 1", Any, Verdict::Valid),
            ("A id 2; B id 1", Any, Verdict::Valid),
            ("A id 2; B id 1", PerProcess, Verdict::Valid),
            ("A id 2; A id 1", PerProcess, Verdict::Invalid),
            ("A id 2; B id 1", RealTime, Verdict::Invalid),
            ("A id 2 (; B id 1; A )", RealTime, Verdict::Valid),
            ("A id 2 (; B id 1 (; A ); B )", RealTime, Verdict::Valid),
            ("A id fail", Any, Verdict::Unknown),
        ] {
            let report = UniqueIds { ascent }.check(&script(text), &Budget::default());
            assert_eq!(report.verdict, verdict, "{text}");
        }
    }
}
