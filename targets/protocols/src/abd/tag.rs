//! When a value was written: what orders the versions of a register.

use history::{NodeId, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One call that a node carries out: its boots are numbered, and its calls since each.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turn {
    /// In which of its node's lives.
    pub boot: u64,
    /// Which call of that life.
    pub call: u64,
}

/// The tag of a write. Tags are compared by their numbers, then by their writers, then by their writers' turns, so no two
/// writes have the same.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// One more than the largest that its writer had found.
    pub number: u64,
    /// Who wrote.
    pub writer: Option<NodeId>,
    /// In which turn: one node may carry out two writes at a time, or begin one, crash and forget.
    pub turn: Turn,
}

/// What a register held at some time. Before anybody wrote it is nothing, with the least of all tags.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// When.
    pub tag: Tag,
    /// What.
    pub value: Option<Value>,
}

/// `2.7`: the seventh call of the second life.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.boot, self.call)
    }
}

/// `5·n1`
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.writer {
            Some(writer) => write!(f, "{}·{writer}", self.number),
            None => f.write_str("0"),
        }
    }
}

/// `5·n1·2.7`
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.writer {
            Some(_) => write!(f, "{self}·{:?}", self.turn),
            None => f.write_str("0"),
        }
    }
}

/// `8 of 5·n1·2.7`
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{value} of {:?}", self.tag),
            None => f.write_str("nothing"),
        }
    }
}
