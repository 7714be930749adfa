//! Names of things. Each prints the way a person would say it, and parses back.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One member of the cluster under test; `n1` is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

/// One client that does one thing at a time. A client whose call ended unknown never speaks again: its
/// worker goes on under a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub u32);

/// Which call of which client: the same however often, and to whomever, the client sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// Who asks.
    pub process: ProcessId,
    /// Its own number for the call. The numbers of a client's calls ascend.
    pub number: u64,
}

/// The name of one object. Objects with different keys are independent of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub u64);

/// What an object holds. A register that holds nothing yet is `None`, which is not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(pub i64);

impl NodeId {
    /// The nodes of a cluster of `count`: `n1`, `n2`, ….
    pub fn all(count: u16) -> Vec<NodeId> {
        (1..=count).map(NodeId).collect()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for NodeId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('n').and_then(|digits| digits.parse().ok()).filter(|n| *n > 0);
        number.map(NodeId).ok_or_else(|| format!("{text:?} is not a node: nodes are n1, n2, …"))
    }
}
