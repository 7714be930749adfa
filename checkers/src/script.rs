//! Histories for tests, one call after the other: `A add 1 ok; B elements [1]`.
//!
//! `A call (` begins a call that `A )` ends. The outcome is `ok`, `fail`, `?`, a number, `nil`, `[1 2]`, or what the
//! call's own word for it is. The key is 0 unless the process is written `A@3`, the node n1 unless it is written `A#2`.

use history::Got;
use history::{
    Call, Doubt, Event, History, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Time, Value,
};
use std::collections::BTreeMap;

/// Reads a script.
pub fn script(text: &str) -> History {
    let (mut history, mut open) = (History::new(), BTreeMap::new());
    let mut push = |event| {
        let time = Time(history.len() as u64 * 1_000_000);
        history.push(time, event).unwrap_or_else(|malformed| panic!("{text}: {malformed}"));
    };
    for line in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let (who, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} has no call"));
        let (who, node) = who.split_once('#').unwrap_or((who, "1"));
        let (name, key) = who.split_once('@').unwrap_or((who, "0"));
        let process = ProcessId(name.bytes().fold(0, |sum, byte| sum * 26 + u32::from(byte - b'A')));
        if rest == ")" {
            let outcome = open.remove(&process).unwrap_or_else(|| panic!("{line:?} ends nothing"));
            push(Event::Complete { process, outcome });
            continue;
        }
        let (rest, stays_open) = rest.strip_suffix('(').map_or((rest, false), |rest| (rest.trim(), true));
        let (call, outcome) = asked(Key(key.parse().unwrap()), rest);
        push(Event::Invoke { process, node: NodeId(node.parse().unwrap()), call });
        if stays_open {
            open.insert(process, outcome);
        } else {
            push(Event::Complete { process, outcome });
        }
    }
    history
}

fn numbers<T: std::str::FromStr>(text: &str) -> Vec<T> {
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"));
    text.trim_matches(['[', ']']).split_whitespace().map(number).collect()
}

fn pairs(text: &str) -> Vec<(u64, i64)> {
    let words = text.trim_matches(['[', ']']).split_whitespace();
    words
        .map(|word| word.split_once(':').unwrap())
        .map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap()))
        .collect()
}

fn asked(key: Key, text: &str) -> (Call, Outcome) {
    let (what, answer) = match text.rfind('[').filter(|_| !text.starts_with("txn")) {
        Some(at) => (text[..at].trim(), &text[at..]),
        None => text.rsplit_once(' ').unwrap_or((text, "ok")),
    };
    let words: Vec<&str> = what.split_whitespace().collect();
    let number = |place: usize| words[place].parse::<i64>().unwrap_or_else(|_| panic!("{text:?}"));
    let value = || Value(number(1));
    let call = match words[0] {
        "add" => Call::Add { key, value: value() },
        "remove" => Call::Remove { key, value: value() },
        "elements" => Call::Elements { key },
        "inc" => Call::Increment { key, by: number(1) },
        "count" => Call::Count { key },
        "enq" => Call::Enqueue { key, value: value() },
        "deq" => Call::Dequeue { key },
        "drain" => Call::Drain { key },
        "id" => Call::NextId { key },
        "transfer" => {
            Call::Transfer { from: Key(number(1) as u64), to: Key(number(2) as u64), amount: number(3) }
        }
        "balances" => Call::Balances,
        "insert" => Call::Cas { key, expected: None, new: value() },
        "write" => Call::Write { key, value: value() },
        "leader" => Call::Leader,
        "watch" => Call::Watch { key, after: number(1) as u64 },
        "assign" => Call::Assign { keys: numbers(&what[6..]).into_iter().map(Key).collect(), shared: false },
        "txn" => return transaction(&text[3..]),
        other => panic!("{other:?} is no call of a script"),
    };
    let outcome = outcome(&call, answer);
    (call, outcome)
}

fn outcome(call: &Call, answer: &str) -> Outcome {
    let reply = match (call, answer) {
        (_, "?") => return Outcome::Unknown(Doubt::Timeout),
        (_, "fail") => return Outcome::Fail(Refusal::Unreachable),
        (_, "ok") => Reply::Done,
        (Call::Count { .. }, count) => Reply::Count(count.parse().unwrap()),
        (Call::Balances, all) => Reply::Balances(pairs(all).into_iter().map(|(k, b)| (Key(k), b)).collect()),
        (Call::Watch { .. }, all) => {
            Reply::Changes(pairs(all).into_iter().map(|(r, v)| (r, Value(v))).collect())
        }
        (Call::Leader, "nil") => Reply::Leader(None),
        (Call::Leader, who) => {
            let (node, term) = who.split_once('@').unwrap();
            Reply::Leader(Some((node.parse().unwrap(), term.parse().unwrap())))
        }
        (_, list) if list.starts_with('[') => Reply::List(numbers(list).into_iter().map(Value).collect()),
        (_, "nil") => Reply::Read(None),
        (_, "yes") => Reply::Is(true),
        (_, "no") => Reply::Is(false),
        (_, value) => Reply::Read(Some(Value(value.parse().unwrap()))),
    };
    Outcome::Ok(reply)
}

/// `w0=1 r1=nil r2=5 s3=7@2 p3@2=7,3@3=8 !`; ends with `!` if it failed, `?` if nobody knows.
fn transaction(text: &str) -> (Call, Outcome) {
    let (mut mops, mut gots, mut end) = (Vec::new(), Vec::new(), None);
    let key = |text: &str| Key(text.parse().unwrap_or_else(|_| panic!("{text:?} is no key")));
    for word in text.split_whitespace() {
        let (kind, rest) = word.split_at(1);
        let (left, right) = rest.split_once('=').unwrap_or((rest, ""));
        let (mop, got) = match kind {
            "!" => return (Call::Txn { mops }, Outcome::Fail(Refusal::Aborted)),
            "?" => {
                end = Some(Outcome::Unknown(Doubt::Timeout));
                continue;
            }
            "w" => (Mop::Write { key: key(left), value: Value(right.parse().unwrap()) }, Got::Done),
            "r" => (Mop::Read { key: key(left) }, Got::Value(right.parse().ok().map(Value))),
            "s" => {
                let (value, offset) = right.split_once('@').unwrap_or((right, ""));
                let mop = Mop::Send { key: key(left), value: Value(value.parse().unwrap()) };
                (mop, Got::Offset(offset.parse().ok()))
            }
            "p" => {
                let message = |text: &str| {
                    let (place, value) = text.split_once('=').unwrap();
                    let (log, offset) = place.split_once('@').unwrap();
                    (key(log), offset.parse().unwrap(), Value(value.parse().unwrap()))
                };
                (Mop::Poll, Got::Messages(rest.split(',').filter(|m| !m.is_empty()).map(message).collect()))
            }
            other => panic!("{other:?} is no part of a transaction"),
        };
        mops.push(mop);
        gots.push(got);
    }
    (Call::Txn { mops }, end.unwrap_or(Outcome::Ok(Reply::Txn(gots))))
}
