//! The parts that a node can play, each with what it knows only while it plays it.

use super::leader::Leader;
use history::{NodeId, Time};

/// A node's part, with its state.
#[derive(Debug)]
pub(super) enum Part {
    /// It takes what the leader sends, if there is one.
    Follower(Option<Following>),
    /// It asks whether it could win an election, and changes nothing (pre-vote).
    Canvasser(Tally),
    /// It asks for votes in its term.
    Candidate(Tally),
    /// It leads its term.
    Leader(Box<Leader>),
}

/// What a follower knows of its leader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Following {
    pub(super) leader: NodeId,
    /// When it last heard from the leader.
    pub(super) heard: Time,
}

/// Those who said yes, each once.
#[derive(Debug, Default)]
pub(super) struct Tally(Vec<NodeId>);

impl Tally {
    /// Counts `node`, once however often it says so.
    pub(super) fn add(&mut self, node: NodeId) {
        if !self.0.contains(&node) {
            self.0.push(node);
        }
    }

    /// How many of them count.
    pub(super) fn count(&self, counts: impl Fn(NodeId) -> bool) -> usize {
        self.0.iter().filter(|node| counts(**node)).count()
    }
}
