//! Who takes part, and how that changes (thesis, chapter 4).

use history::{Change, Membership, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A configuration: who takes part.
///
/// * Both lists ascend, and no node is in both.
/// * Somebody votes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Members {
    voters: Vec<NodeId>,
    learners: Vec<NodeId>,
}

impl Members {
    /// The configuration with which a cluster begins: these vote.
    pub fn founders(nodes: &[NodeId]) -> Members {
        let mut voters = nodes.to_vec();
        voters.sort_unstable();
        Members { voters, learners: Vec::new() }
    }

    /// Those whose votes and copies count.
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// Those who are brought the log, and nothing else, until they have caught up.
    pub fn learners(&self) -> &[NodeId] {
        &self.learners
    }

    /// Whether this node votes.
    pub fn votes(&self, node: NodeId) -> bool {
        self.voters.contains(&node)
    }

    /// How many voters are a majority.
    pub fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// Everyone who is brought the log.
    pub(super) fn everyone(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.iter().chain(&self.learners).copied()
    }

    /// Whether every majority of one has somebody in common with every majority of the other.
    pub(super) fn overlaps(&self, other: &Members) -> bool {
        let strangers = other.voters.iter().filter(|node| !self.votes(**node)).count();
        self.quorum() + other.quorum() > self.voters.len() + strangers
    }

    /// The configuration after this change; `None` if it changes nothing, or if nobody would be left to vote.
    /// A node that is added learns first.
    pub(super) fn after(&self, change: Change) -> Option<Members> {
        let mut after = self.clone();
        match change {
            Change::Add(node) if self.everyone().any(|known| known == node) => return None,
            Change::Add(node) => insert(&mut after.learners, node),
            Change::Remove(node) => {
                after.voters.retain(|known| *known != node);
                after.learners.retain(|known| *known != node);
            }
        }
        (after != *self && !after.voters.is_empty()).then_some(after)
    }

    /// The configuration in which this learner votes.
    pub(super) fn promoting(&self, node: NodeId) -> Members {
        let mut after = self.clone();
        after.learners.retain(|known| *known != node);
        insert(&mut after.voters, node);
        after
    }

    /// What an administrator is shown.
    pub(super) fn shown(&self, version: u64) -> Membership {
        Membership { version, voters: self.voters.clone(), learners: self.learners.clone() }
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |nodes: &[NodeId]| nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ");
        f.write_str(&names(&self.voters))?;
        if self.learners.is_empty() { Ok(()) } else { write!(f, ", learning {}", names(&self.learners)) }
    }
}

fn insert(nodes: &mut Vec<NodeId>, node: NodeId) {
    if let Err(place) = nodes.binary_search(&node) {
        nodes.insert(place, node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[u16]) -> Members {
        Members::founders(&voters.iter().copied().map(NodeId).collect::<Vec<_>>())
    }

    #[test]
    fn a_node_learns_before_it_votes() {
        let learning = members(&[1, 3]).after(Change::Add(NodeId(2))).unwrap();
        assert_eq!((learning.quorum(), learning.learners()), (2, &[NodeId(2)][..]));
        assert_eq!(learning.after(Change::Add(NodeId(2))), None);
        assert_eq!(learning.promoting(NodeId(2)), members(&[1, 2, 3]));
        assert_eq!(learning.after(Change::Remove(NodeId(2))), Some(members(&[1, 3])));
    }

    #[test]
    fn somebody_is_always_left_to_vote() {
        assert_eq!(members(&[1]).after(Change::Remove(NodeId(1))), None);
        assert_eq!(members(&[1]).after(Change::Remove(NodeId(2))), None);
    }

    /// Thesis, figure 4.3: any majority of a cluster overlaps any majority of the one with a node more or less.
    #[test]
    fn neighbours_overlap_and_others_may_not() {
        for size in 1..9 {
            let some: Vec<u16> = (1..=size).collect();
            assert!(members(&some).overlaps(&members(&some[..some.len().max(2) - 1])), "{size}");
        }
        assert!(!members(&[1, 2, 3]).overlaps(&members(&[1, 2, 3, 4, 5])));
        assert!(!members(&[1, 2, 3, 4, 5]).overlaps(&members(&[1, 2, 3])));
        assert!(!members(&[1, 2, 3]).overlaps(&members(&[2, 3, 4])), "a swap in one step");
    }

    /// By brute force: the arithmetic says what looking at every pair of majorities says.
    #[test]
    fn overlapping_is_what_it_says() {
        let subset = |mask: u16| (1..=5).filter(|node| mask & (1 << node) != 0).collect::<Vec<u16>>();
        let all: Vec<Vec<u16>> = (2u16..64).step_by(2).map(subset).collect();
        let majorities = |of: &[u16]| {
            let quorum = of.len() / 2 + 1;
            let inside = |some: &&Vec<u16>| some.len() >= quorum && some.iter().all(|node| of.contains(node));
            all.iter().filter(inside).cloned().collect::<Vec<_>>()
        };
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let meets = |a: &Vec<u16>, b: &Vec<u16>| a.iter().any(|node| b.contains(node));
            let others = majorities(other);
            let always = majorities(one).iter().all(|a| others.iter().all(|b| meets(a, b)));
            assert_eq!(members(one).overlaps(&members(other)), always, "{one:?} {other:?}");
        }
    }
}
