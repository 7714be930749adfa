//! Did a transaction leave one half behind?
//!
//! From clients alone: after everything was repaired, what a transaction wrote must be there on every key, or on none. In
//! lists that is exact: an element is there or it is not. In registers a key may have been overwritten since, so half of a
//! transaction is missing only if the other key still holds something that was certainly older: nothing at all, or what a
//! transaction wrote that had ended before this one began. Torn commits break atomicity at any level of isolation; one
//! fractured read during the run is a matter for the judges of isolation. Where a history has no phases, what was read after
//! the last write had ended counts as the end.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, Entry, Event, Got, History, Key, Mop, Op, Outcome, Phase, Reply, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Judges the final reads of keys that transactions wrote. Every written value is unique for its key.
#[derive(Debug, Clone, Copy, Default)]
pub struct TornCommit;

/// What a key held in the end, and the read that says so.
enum Held {
    Value(Option<Value>, usize),
    List(BTreeSet<Value>, usize),
}

impl Checker for TornCommit {
    fn name(&self) -> &'static str {
        "torn commit"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let began = end(history);
        let (held, mut writers, mut txns) = (last_reads(history, began), BTreeMap::new(), Vec::new());
        for op in history.ops() {
            let written = written(&op);
            for (key, value) in &written {
                if writers.insert((*key, *value), op).is_some() {
                    return Report::unknown(self.name(), format!("{value} was written to {key} twice"));
                }
            }
            txns.push((op, written));
        }
        let mut anomalies = Vec::new();
        let mut whole = 0;
        for (op, written) in txns.iter().filter(|(op, _)| op.invoked < began) {
            let there =
                written.iter().filter(|(key, value)| held.get(key).is_some_and(|held| held.shows(*value)));
            let there: Vec<&(Key, Value)> = there.collect();
            let gone: Vec<&(Key, Value)> = written
                .iter()
                .filter(|(key, value)| {
                    held.get(key).is_some_and(|held| held.lacks(*key, *value, op, &writers))
                })
                .collect();
            whole += usize::from(!there.is_empty() && gone.is_empty());
            let mut accuse = |name: &str, story: String| {
                let reads = there.iter().chain(&gone).filter_map(|(key, _)| held.get(key)).map(Held::event);
                anomalies.push(Anomaly::new(name, None, story, reads.chain([op.invoked])));
            };
            match (there.first(), gone.first()) {
                (Some((x, _)), _) if op.outcome.is_fail() => {
                    accuse(
                        "aborted read",
                        format!("A transaction certainly failed, but in the end {x} shows it."),
                    );
                }
                (Some((x, value)), Some((y, missing))) => {
                    let story = format!(
                        "In the end {x} shows {value}, but {y} does not show {missing} of the same transaction."
                    );
                    accuse("torn commit", story);
                }
                (None, Some((y, missing))) if op.outcome.is_ok() => {
                    let story = format!(
                        "A transaction was acknowledged, but in the end {y} does not show its {missing}."
                    );
                    accuse("lost commit", story);
                }
                _ => {}
            }
        }
        let doubt = (whole == 0).then(|| "no transaction was seen in a final read".to_owned());
        Report::conclude(
            self.name(),
            anomalies,
            doubt,
            format!("{whole} transactions are seen in the end, each as a whole"),
        )
        .measure("keys read in the end", held.len())
        .measure("transactions seen in the end", whole)
    }
}

/// Where the end begins: with the final phase, or if there are no phases, after the last write.
fn end(history: &History) -> usize {
    let phase = |entry: &Entry| entry.event == Event::Phase(Phase::Final);
    let wrote = |op: &Op<'_>| !written(op).is_empty();
    let after = |op: Op<'_>| op.completed.unwrap_or(op.invoked) + 1;
    let last = || history.ops().filter(wrote).map(after).max().unwrap_or(0);
    history.entries().iter().position(phase).unwrap_or_else(last)
}

fn written(op: &Op<'_>) -> Vec<(Key, Value)> {
    let Call::Txn { mops } = op.call else { return Vec::new() };
    let mut last: BTreeMap<Key, Value> = BTreeMap::new();
    let mut all = Vec::new();
    for mop in mops {
        match mop {
            // Of several writes to one register only the last can be seen in the end.
            Mop::Write { key, value } => drop(last.insert(*key, *value)),
            Mop::Append { key, value } => all.push((*key, *value)),
            _ => {}
        }
    }
    all.extend(last);
    all
}

/// The last complete read of each key that began in the final phase.
fn last_reads(history: &History, began: usize) -> BTreeMap<Key, Held> {
    let mut held = BTreeMap::new();
    for op in history.ops().filter(|op| op.invoked >= began) {
        let (Call::Txn { mops }, Outcome::Ok(Reply::Txn(gots))) = (op.call, op.outcome) else { continue };
        for pair in mops.iter().zip(gots) {
            match pair {
                (Mop::Read { key }, Got::Value(value)) => {
                    drop(held.insert(*key, Held::Value(*value, op.invoked)))
                }
                (Mop::Read { key }, Got::List(list)) => {
                    drop(held.insert(*key, Held::List(list.iter().copied().collect(), op.invoked)));
                }
                _ => {}
            }
        }
    }
    held
}

impl Held {
    fn event(&self) -> usize {
        match self {
            Held::Value(_, at) | Held::List(_, at) => *at,
        }
    }

    fn shows(&self, value: Value) -> bool {
        match self {
            Held::Value(held, _) => *held == Some(value),
            Held::List(list, _) => list.contains(&value),
        }
    }

    /// Whether this certainly does not contain what `op` wrote, nor anything that came after it.
    fn lacks(&self, key: Key, value: Value, op: &Op<'_>, writers: &BTreeMap<(Key, Value), Op<'_>>) -> bool {
        match self {
            Held::List(list, _) => !list.contains(&value),
            Held::Value(None, _) => true,
            Held::Value(Some(held), _) if *held == value => false,
            Held::Value(Some(held), _) => writers.get(&(key, *held)).is_some_and(|writer| {
                writer.outcome.is_ok() && writer.completed.is_some_and(|completed| completed < op.invoked)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn a_transaction_is_there_as_a_whole() {
        for (text, verdict, name) in [
            ("A txn w1=7 w2=7; B txn r1=7 r2=7", Verdict::Valid, ""),
            // D8
            ("A txn w1=7 w2=7 ?; B txn r1=7 r2=nil", Verdict::Invalid, "torn commit"),
            ("A txn w1=5 w2=5; A txn w1=7 w2=7 ?; B txn r1=7 r2=5", Verdict::Invalid, "torn commit"),
            ("A txn w1=7 w2=7; A txn w2=8; B txn r1=7 r2=8", Verdict::Valid, ""),
            ("C txn w2=8 (; A txn w1=7 w2=7; C ); B txn r1=7 r2=8", Verdict::Valid, ""),
            ("A txn w1=7 w2=7; B txn r1=nil r2=nil", Verdict::Invalid, "lost commit"),
            ("A txn w1=7 w2=7 ?; C txn w3=1; B txn r1=nil r2=nil r3=1", Verdict::Valid, ""),
            ("A txn w1=7 w2=7 !; B txn r1=7 r2=7", Verdict::Invalid, "aborted read"),
            ("A txn w1=7 w1=8; B txn r1=8", Verdict::Valid, ""),
            ("A txn w1=7; A txn w1=7; B txn r1=7", Verdict::Unknown, ""),
            ("A txn w1=7", Verdict::Unknown, ""),
        ] {
            let text = text.replace("; B", "; F final; B");
            let (before, after) = text.split_once("F final;").unwrap_or((&text, ""));
            let mut history = script(before.trim().trim_end_matches(';'));
            let mut time = history.len() as u64 * 1_000_000;
            history.push(history::Time(time), Event::Phase(Phase::Final)).unwrap();
            for entry in script(after).entries() {
                time += 1;
                history.push(history::Time(time), entry.event.clone()).unwrap();
            }
            let report = TornCommit.check(&history, &Budget::default());
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
