//! A transaction, and who takes part in it.

use history::{Call, Key, Mop, NodeId, Ticket, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which attempt at which transaction. Never used twice: a node counts its lives durably.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TxnId {
    /// Its coordinator.
    pub node: NodeId,
    /// In which of the coordinator's lives.
    pub life: u32,
    /// Which of that life.
    pub number: u32,
    /// The first value that it writes: its name for people and judges; none if it only reads.
    pub name: Option<Value>,
}

impl TxnId {
    /// Tells attempts at one transaction apart.
    pub fn attempt(self) -> u64 {
        u64::from(self.life) << 32 | u64::from(self.number)
    }
}

impl fmt::Debug for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "t{name}"),
            None => write!(f, "reads {}.{}.{}", self.node, self.life, self.number),
        }
    }
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "transaction {name}"),
            None => f.write_str("a transaction that reads"),
        }
    }
}

/// A transaction as its coordinator tells it to everybody.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Txn {
    /// Which.
    pub id: TxnId,
    /// Whose call it is.
    pub ticket: Ticket,
    /// What it does.
    pub mops: Vec<Mop>,
    /// Who has a key of it, its coordinator first, then ascending.
    pub nodes: Vec<NodeId>,
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} [", self.id)?;
        for (place, mop) in self.mops.iter().enumerate() {
            write!(f, "{}{mop}", if place == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

/// The object that a part of a transaction is about, if it is one that is served.
pub(crate) fn key_of(mop: &Mop) -> Option<Key> {
    match mop {
        Mop::Read { key } | Mop::Write { key, .. } | Mop::Append { key, .. } => Some(*key),
        Mop::Send { .. } | Mop::Poll => None,
    }
}

/// Whether it changes something.
pub(crate) fn changes(mop: &Mop) -> bool {
    !matches!(mop, Mop::Read { .. })
}

/// The first value that these write.
pub(crate) fn name_of(mops: &[Mop]) -> Option<Value> {
    mops.iter().find_map(|mop| match mop {
        Mop::Write { value, .. } | Mop::Append { value, .. } => Some(*value),
        _ => None,
    })
}

/// Which of the nodes has a key.
pub fn owner(key: Key, nodes: &[NodeId]) -> NodeId {
    nodes[(key.0 % nodes.len() as u64) as usize]
}

/// What a call does, as the parts of a transaction; `None` if it is not served that way.
pub(crate) fn parts(call: &Call) -> Option<Vec<Mop>> {
    match call {
        Call::Txn { mops } if mops.iter().all(|mop| key_of(mop).is_some()) => Some(mops.clone()),
        Call::Read { key } => Some(vec![Mop::Read { key: *key }]),
        Call::Write { key, value } => Some(vec![Mop::Write { key: *key, value: *value }]),
        _ => None,
    }
}

/// Who takes part, the coordinator first: the node of the first key.
pub(crate) fn participants(mops: &[Mop], nodes: &[NodeId]) -> Vec<NodeId> {
    let mut owners = mops.iter().filter_map(key_of).map(|key| owner(key, nodes));
    let Some(first) = owners.next() else { return Vec::new() };
    let mut others: Vec<NodeId> = owners.filter(|node| *node != first).collect();
    others.sort_unstable();
    others.dedup();
    others.insert(0, first);
    others
}
