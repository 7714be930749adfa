//! Who belongs to a cluster, as the system itself says.

use crate::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who belongs to a cluster, as the system itself says: what an administrator is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Later memberships have higher versions.
    pub version: u64,
    /// Those whose votes count, ascending.
    pub voters: Vec<NodeId>,
    /// Those who are brought everything and whose votes do not count yet, ascending.
    pub learners: Vec<NodeId>,
}

/// What an administrator may ask for: one node more, or one less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// This node shall belong to the cluster, and vote as soon as it knows enough.
    Add(NodeId),
    /// This node shall no longer belong to it.
    Remove(NodeId),
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |nodes: &[NodeId]| nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ");
        write!(f, "members {}", names(&self.voters))?;
        if !self.learners.is_empty() {
            write!(f, ", learning {}", names(&self.learners))?;
        }
        write!(f, " (version {})", self.version)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add(node) => write!(f, "add {node}"),
            Change::Remove(node) => write!(f, "remove {node}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_can_be_read() {
        let mut members = Membership { version: 7, voters: NodeId::all(2), learners: Vec::new() };
        assert_eq!(members.to_string(), "members n1 n2 (version 7)");
        members.learners.push(NodeId(4));
        assert_eq!(members.to_string(), "members n1 n2, learning n4 (version 7)");
        assert_eq!(Change::Remove(NodeId(2)).to_string(), "remove n2");
    }
}
