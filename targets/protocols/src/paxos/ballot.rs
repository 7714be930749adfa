//! Ballots: the numbers of proposals.

use history::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A ballot: the round first, then the node that made it. No two nodes ever make the same one ("different proposers
/// choose their numbers from disjoint sets of numbers", PMS §2.5), and no node makes one twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Higher than every round its node knew of.
    pub round: u64,
    /// Whose it is.
    pub node: NodeId,
}

impl Ballot {
    /// Lower than every ballot that anybody makes.
    pub const NONE: Ballot = Ballot { round: 0, node: NodeId(0) };

    /// One number for both, higher for a higher ballot, in which people can still read both: the node has the last
    /// five digits.
    pub fn number(self) -> u64 {
        self.round.saturating_mul(100_000).saturating_add(u64::from(self.node.0))
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, self.node)
    }
}

impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_decides_and_then_the_node() {
        let ballot = |round, node| Ballot { round, node: NodeId(node) };
        let ascending = [Ballot::NONE, ballot(1, 1), ballot(1, 2), ballot(1, u16::MAX), ballot(2, 1)];
        assert!(ascending.is_sorted_by(|a, b| a < b && a.number() < b.number()));
        assert_eq!((ballot(2, 3).number(), ballot(2, 3).to_string().as_str()), (200_003, "2.n3"));
    }
}
