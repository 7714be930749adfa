//! Sequential consistency as an isolation of transactions.
//!
//! An operation is a transaction of one part, or of two for a compare-and-set that took place; then sequential consistency
//! is serializability that keeps the order of each session. If every value was written once, the judges of transactions
//! know who read what from whom, and conclude from that where a search of all orders would have to try. So a long history
//! of registers or of lists goes to them.
//!
//! Nothing is lost on the way: a compare-and-set that found something else has read it; one of unknown outcome took place
//! if somebody saw its value, and otherwise nobody can tell.

use crate::transactions::Isolation;
use crate::{Budget, Checker, ListAppend, Report, RwRegister};
use history::{Call, Event, Got, History, Key, Mop, Op, Outcome, Refusal, Reply, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// What a history consists of, if it can be judged so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Registers,
    Lists,
}

/// What the judges of transactions say about a history of registers that hold nothing in the beginning, or of lists, in
/// which no value was written twice. Nothing about others.
pub(super) fn judge(history: &History, beginning: &str, budget: &Budget) -> Option<Report> {
    let kind = kind(history)?;
    if kind == Kind::Registers && beginning != "nil" {
        return None;
    }
    let translated = translate(history)?;
    let promise = Isolation::StrongSessionSerializable;
    Some(match kind {
        Kind::Registers => RwRegister::new(promise).check(&translated, budget),
        Kind::Lists => ListAppend::new(promise).check(&translated, budget),
    })
}

fn kind(history: &History) -> Option<Kind> {
    let mut kinds = history.ops().map(|op| match op.call {
        Call::Read { .. } | Call::Write { .. } | Call::Cas { .. } => Some(Kind::Registers),
        Call::Append { .. } | Call::Elements { .. } => Some(Kind::Lists),
        _ => None,
    });
    let first = kinds.next()??;
    kinds.all(|kind| kind == Some(first)).then_some(first)
}

/// What an operation puts where, if it does.
fn put(call: &Call) -> Option<(Key, Value)> {
    match *call {
        Call::Write { key, value } | Call::Append { key, value } | Call::Cas { key, new: value, .. } => {
            Some((key, value))
        }
        _ => None,
    }
}

/// The values that somebody saw in registers, also those whose own effect somebody saw.
fn seen(history: &History) -> FxHashSet<(Key, Value)> {
    let mut seen = FxHashSet::default();
    for op in history.ops() {
        let value = match (op.call, op.outcome) {
            (Call::Read { key }, Outcome::Ok(Reply::Read(value))) => value.map(|value| (*key, value)),
            (Call::Cas { key, expected, .. }, Outcome::Ok(_)) => expected.map(|value| (*key, value)),
            (Call::Cas { key, .. }, Outcome::Fail(Refusal::Mismatch { found })) => {
                found.map(|value| (*key, value))
            }
            _ => None,
        };
        seen.extend(value);
    }
    loop {
        let before = seen.len();
        for op in history.ops().filter(|op| op.outcome.is_unknown()) {
            if let Call::Cas { key, expected: Some(value), new } = op.call
                && seen.contains(&(*key, *new))
            {
                seen.insert((*key, *value));
            }
        }
        if seen.len() == before {
            return seen;
        }
    }
}

/// The same history, of transactions; nothing if a value was written twice.
fn translate(history: &History) -> Option<History> {
    let mut written = FxHashSet::default();
    let puts = history.ops().filter(|op| !op.outcome.is_fail()).filter_map(|op| put(op.call));
    let mut puts = puts.peekable();
    puts.peek()?;
    if !puts.all(|put| written.insert(put)) {
        return None;
    }
    let seen = seen(history);
    let mut begins = FxHashMap::default();
    let mut ends = FxHashMap::default();
    let mut open = Vec::new();
    for op in history.ops() {
        let (call, outcome) = transaction(&op, &seen);
        begins.insert(op.invoked, call);
        match op.completed {
            Some(at) => drop(ends.insert(at, outcome)),
            None if !outcome.is_unknown() => open.push((op.process, outcome)),
            None => {}
        }
    }
    let mut translated = History::new();
    for (at, entry) in history.entries().iter().enumerate() {
        let event = match &entry.event {
            Event::Invoke { process, node, .. } => {
                Event::Invoke { process: *process, node: *node, call: begins.remove(&at)? }
            }
            Event::Complete { process, .. } => {
                Event::Complete { process: *process, outcome: ends.remove(&at)? }
            }
            other => other.clone(),
        };
        translated.push(entry.time, event).ok()?;
    }
    let end = history.entries().last()?.time;
    for (process, outcome) in open {
        translated.push(end, Event::Complete { process, outcome }).ok()?;
    }
    Some(translated)
}

fn transaction(op: &Op<'_>, seen: &FxHashSet<(Key, Value)>) -> (Call, Outcome) {
    let (call, outcome) = (op.call.clone(), op.outcome.clone());
    match (&call, &outcome) {
        (Call::Cas { key, .. }, Outcome::Fail(Refusal::Mismatch { found })) => {
            (Call::Read { key: *key }, Outcome::Ok(Reply::Read(*found)))
        }
        (Call::Cas { key, expected, new }, _) => {
            let mops = vec![Mop::Read { key: *key }, Mop::Write { key: *key, value: *new }];
            let took_place = outcome.is_ok() || outcome.is_unknown() && seen.contains(&(*key, *new));
            let done = || Outcome::Ok(Reply::Txn(vec![Got::Value(*expected), Got::Done]));
            (Call::Txn { mops }, if took_place { done() } else { outcome })
        }
        (Call::Append { key, value }, _) => {
            let mops = vec![Mop::Append { key: *key, value: *value }];
            let done = if outcome.is_ok() { Outcome::Ok(Reply::Txn(vec![Got::Done])) } else { outcome };
            (Call::Txn { mops }, done)
        }
        (Call::Elements { key }, _) => {
            let got = match &outcome {
                Outcome::Ok(Reply::List(list)) => Outcome::Ok(Reply::Txn(vec![Got::List(list.clone())])),
                _ => outcome,
            };
            (Call::Txn { mops: vec![Mop::Read { key: *key }] }, got)
        }
        _ => (call, outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::cases;
    use crate::{Sequential, Verdict};
    use history::{Chance, text};

    /// A random history of three clients and two registers, most of it wrong.
    fn random(chance: &mut Chance) -> String {
        let (mut told, mut next) = (Vec::new(), 1);
        for step in 0..9 {
            let (client, key) = (chance.below(3), chance.below(2));
            let known = chance.below(next);
            let old = if known == 0 { "nil".to_owned() } else { known.to_string() };
            let end =
                if step >= 6 && chance.below(3) == 0 { "?".to_owned() } else { (2 * step + 1).to_string() };
            let what = match chance.below(3) {
                0 => format!("r k{key} {old}"),
                kind => {
                    next += 1;
                    let new = next - 1;
                    if kind == 1 { format!("w k{key} {new}") } else { format!("cas k{key} ({old},{new})") }
                }
            };
            // Who does not know speaks no more.
            let client = if end == "?" { 10 + step } else { client };
            told.push(format!("p{client}:{what}[{},{end}]", 2 * step));
        }
        told.join("; ")
    }

    #[test]
    fn it_says_what_the_search_says() {
        let mut seen = [0; 2];
        let mut chance = Chance::new(7);
        for _ in 0..cases(3_000) {
            let told = random(&mut chance);
            let history = text::parse(&told).expect(&told);
            let searched = Sequential::default().check(&history, &Budget::default()).verdict;
            let Some(judged) = judge(&history, "nil", &Budget::default()) else { continue };
            if judged.verdict == Verdict::Unknown || searched == Verdict::Unknown {
                continue;
            }
            assert_eq!(judged.verdict, searched, "{told}");
            seen[usize::from(searched == Verdict::Valid)] += 1;
        }
        assert!(seen.iter().all(|seen| *seen > cases(3_000) / 30), "{seen:?}");
    }

    #[test]
    fn others_are_left_to_the_search() {
        let judged = |told: &str| judge(&text::parse(told).expect(told), "nil", &Budget::default()).is_some();
        assert!(judged("A:w1[0,1]; B:r1[2,3]"));
        assert!(!judged("A:w1[0,1]; B:w1[2,3]"), "a value is written twice");
    }
}
