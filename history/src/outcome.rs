//! What a client learnt. `docs/OUTCOMES.md` decides the hard cases.

use crate::ledger::Page;
use crate::{Key, NodeId, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a call ended, as far as its client can know.
///
/// A completion holds only this and never a copy of the call, so that no timeout can lose the value that was
/// written. Whatever is not foreseen is `Unknown`: a wrong `Fail` accuses an innocent system, a wrong
/// `Unknown` only weakens the check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, once, between call and completion.
    Ok(Reply),
    /// It certainly had no effect and never will have.
    Fail(Refusal),
    /// It took effect once, or will some day, or never.
    Unknown(Doubt),
}

/// The answer of a call that took effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done; there is nothing to say.
    Done,
    /// What the register holds, or what came out of the queue; `None` if there is nothing.
    Read(Option<Value>),
    /// The elements of a list in order, of a set in any order, or of a queue in the order in which they came out.
    List(Vec<Value>),
    /// Where the counter stands.
    Count(i64),
    /// Whether it is so.
    Is(bool),
    /// The lock is held, with this fencing token if the system gives any.
    Held(Option<u64>),
    /// The balance of each account.
    Balances(Vec<(Key, i64)>),
    /// Who leads in which term, if anyone does.
    Leader(Option<(NodeId, u64)>),
    /// Every change, with the revision that it made.
    Changes(Vec<(u64, Value)>),
    /// What each part of the transaction got, in the order of its parts.
    Txn(Vec<Got>),
    /// What a node wrote down about transactions.
    Ledger(Page),
}

/// What one part of a transaction got.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Got {
    /// Nothing: it only changed something.
    Done,
    /// What a register held; `None` if it was never written.
    Value(Option<Value>),
    /// What a list held.
    List(Vec<Value>),
    /// At which offset a message was put, if the system said so.
    Offset(Option<u64>),
    /// Messages with their logs and offsets, in order.
    Messages(Vec<(Key, u64, Value)>),
}

/// Why a call certainly had no effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A compare-and-set found something else. The system saw `found` at some instant during the call, so
    /// this is also a read.
    Mismatch {
        /// What the register held.
        found: Option<Value>,
    },
    /// The node does not lead and passed nothing on.
    NotLeader {
        /// Who leads, as far as it knows.
        hint: Option<NodeId>,
    },
    /// The request never left: no connection could be made.
    Unreachable,
    /// The node does not serve this call.
    Unserved,
    /// The node is stopping and took no request.
    Stopping,
    /// The transaction was aborted.
    Aborted,
    /// The lock is held by somebody else, or not by the caller.
    NotHeld,
    /// Anything else that certainly had no effect, in the system's words.
    Other(String),
}

/// Why nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// No answer within the client's patience.
    Timeout,
    /// The connection broke after the request may have been sent.
    Disconnected,
    /// The node lost its leadership while the request was under way.
    Deposed,
    /// The run ended first.
    Unfinished,
    /// Anything else, in the system's words.
    Other(String),
}

impl Outcome {
    /// Whether it certainly took effect.
    pub fn is_ok(&self) -> bool {
        matches!(self, Outcome::Ok(_))
    }

    /// Whether it certainly took no effect.
    pub fn is_fail(&self) -> bool {
        matches!(self, Outcome::Fail(_))
    }

    /// Whether nobody can tell.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Outcome::Unknown(_))
    }

    /// Where a client should ask instead, if this says so.
    pub fn redirect(&self) -> Option<NodeId> {
        match self {
            Outcome::Fail(Refusal::NotLeader { hint }) => *hint,
            _ => None,
        }
    }
}

fn held(value: Option<Value>) -> String {
    value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ok(Reply::Done) => f.write_str("ok"),
            Outcome::Ok(reply) => write!(f, "ok {reply}"),
            Outcome::Fail(refusal) => write!(f, "fail: {refusal}"),
            Outcome::Unknown(doubt) => write!(f, "unknown: {doubt}"),
        }
    }
}

fn listed<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Reply::Done => "done".to_owned(),
            Reply::Read(value) => held(*value),
            Reply::List(values) => listed(values, Value::to_string),
            Reply::Count(count) => count.to_string(),
            Reply::Is(yes) => yes.to_string(),
            Reply::Held(None) => "held".to_owned(),
            Reply::Held(Some(token)) => format!("held with token {token}"),
            Reply::Balances(all) => listed(all, |(key, balance)| format!("{key}:{balance}")),
            Reply::Leader(None) => "nobody".to_owned(),
            Reply::Leader(Some((node, term))) => format!("{node} in term {term}"),
            Reply::Changes(changes) => listed(changes, |(revision, value)| format!("{revision}:{value}")),
            Reply::Txn(gots) => listed(gots, Got::to_string),
            Reply::Ledger(page) => format!("{} records of {}", page.records.len(), page.node),
        };
        f.write_str(&text)
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Got::Done | Got::Offset(None) => "done".to_owned(),
            Got::Value(value) => held(*value),
            Got::List(values) => listed(values, Value::to_string),
            Got::Offset(Some(offset)) => format!("@{offset}"),
            Got::Messages(all) => listed(all, |(key, offset, value)| format!("{key}@{offset}:{value}")),
        };
        f.write_str(&text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Mismatch { found } => write!(f, "holds {}", held(*found)),
            Refusal::NotLeader { hint: Some(node) } => write!(f, "not the leader, try {node}"),
            Refusal::NotLeader { hint: None } => f.write_str("not the leader, nor known who is"),
            Refusal::Unreachable => f.write_str("unreachable"),
            Refusal::Unserved => f.write_str("call not served"),
            Refusal::Stopping => f.write_str("stopping"),
            Refusal::Aborted => f.write_str("aborted"),
            Refusal::NotHeld => f.write_str("not held"),
            Refusal::Other(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Timeout => f.write_str("timeout"),
            Doubt::Disconnected => f.write_str("disconnected"),
            Doubt::Deposed => f.write_str("leader deposed"),
            Doubt::Unfinished => f.write_str("run ended"),
            Doubt::Other(why) => f.write_str(why),
        }
    }
}
