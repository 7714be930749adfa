//! Transactions as tests write them, and as the oracles read them.

use crate::transactions::tests::Txn as Transaction;
use history::{Call, Event, Got, History, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Time, Value};
use std::collections::BTreeMap;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Ok,
    Fail,
    Unknown,
}

/// A part of a transaction with what it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Do {
    Append(u64, i64),
    List(u64, Vec<i64>),
    Write(u64, i64),
    Read(u64, Option<i64>),
}

/// A transaction; times are places of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Txn {
    pub process: u32,
    pub invoked: u64,
    pub completed: u64,
    pub end: End,
    pub parts: Vec<Do>,
}

impl Do {
    fn call(&self) -> Mop {
        match *self {
            Do::Append(key, value) => Mop::Append { key: Key(key), value: Value(value) },
            Do::Write(key, value) => Mop::Write { key: Key(key), value: Value(value) },
            Do::List(key, _) | Do::Read(key, _) => Mop::Read { key: Key(key) },
        }
    }

    fn got(&self) -> Got {
        match self {
            Do::Append(..) | Do::Write(..) => Got::Done,
            Do::List(_, list) => Got::List(list.iter().copied().map(Value).collect()),
            Do::Read(_, value) => Got::Value(value.map(Value)),
        }
    }
}

/// The history of some transactions. What is unknown completes at its place, or never if that is `u64::MAX`.
pub(super) fn history(txns: &[Txn]) -> History {
    let mut events = BTreeMap::new();
    for txn in txns {
        let process = ProcessId(txn.process);
        let call = Call::Txn { mops: txn.parts.iter().map(Do::call).collect() };
        let gots = txn.parts.iter().map(Do::got).collect();
        let outcome = match txn.end {
            End::Ok => Outcome::Ok(Reply::Txn(gots)),
            End::Fail => Outcome::Fail(Refusal::Aborted),
            End::Unknown => Outcome::Unknown(history::Doubt::Timeout),
        };
        events.insert(txn.invoked, Event::Invoke { process, node: NodeId(1), call });
        if txn.completed != u64::MAX {
            events.insert(txn.completed, Event::Complete { process, outcome });
        }
    }
    let mut history = History::new();
    for (at, (_, event)) in events.into_iter().enumerate() {
        history.push(Time::from_millis(100 * at as u64), event).unwrap();
    }
    history
}

/// Reads `T1@A: ax1 ry1,2 [0,4]; …`. Without indexes one follows the other. `lists`: a read gets a list.
pub(super) fn parse(text: &str, lists: bool) -> Vec<Transaction> {
    let mut sessions: BTreeMap<String, u32> = BTreeMap::new();
    let mut txns = Vec::new();
    for one in text.split(';').map(str::trim).filter(|one| !one.is_empty() && *one != "(empty)") {
        let (name, rest) = one.split_once(':').expect(one);
        let session = name.split_once('@').map_or(name, |(_, session)| session).to_owned();
        let fresh = sessions.len() as u32;
        let process = *sessions.entry(session).or_insert(fresh);
        let (parts, place) = rest.split_once('[').unwrap_or((rest, ""));
        let at = 2 * txns.len() as u64;
        let (invoked, completed, end) = match place.split_once(',') {
            None => (at, at + 1, End::Ok),
            Some((from, to)) => {
                let from = from.parse().expect(one);
                match to.trim_end_matches(['!', ']']) {
                    "?" => (from, u64::MAX, End::Unknown),
                    to => {
                        (from, to.parse().expect(one), if place.ends_with('!') { End::Fail } else { End::Ok })
                    }
                }
            }
        };
        let parts = parts.split_whitespace().map(|part| read(part, lists)).collect();
        txns.push(Txn { process, invoked, completed, end, parts });
    }
    txns
}

fn read(part: &str, lists: bool) -> Do {
    let (kind, rest) = part.split_at(1);
    let (key, values) = rest.split_at(1);
    let key = u64::from(key.as_bytes()[0]);
    let mut values =
        values.split(',').filter(|value| !value.is_empty()).map(|value| value.parse().expect(part));
    match kind {
        "a" => Do::Append(key, values.next().expect(part)),
        "w" => Do::Write(key, values.next().expect(part)),
        "r" if lists => Do::List(key, values.collect()),
        // Registers hold nil first, which the tables write as 0.
        "r" => Do::Read(key, values.next().filter(|value| *value != 0)),
        _ => panic!("{part}"),
    }
}
