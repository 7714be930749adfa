//! The parts that a node can play, each with what it knows only while it plays it.

use super::log::Zxid;
use super::message::Vote;
use history::{NodeId, Ticket, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A node's part, with its state.
#[derive(Debug)]
pub(super) enum Part {
    /// It looks for a leader (phase 0).
    Looking(Looking),
    /// It follows one.
    Following(Following),
    /// It leads, or is about to.
    Leading(Box<Leading>),
    /// It has stopped in good order, and says nothing more.
    Retired,
}

/// An election as one node sees it.
#[derive(Debug)]
pub(super) struct Looking {
    /// For whom it votes now.
    pub(super) vote: Vote,
    /// For whom everybody votes, in this round, for all that it has heard.
    pub(super) votes: BTreeMap<NodeId, Vote>,
    /// If nobody better comes along until then, a quorum has spoken.
    pub(super) settles: Option<Time>,
}

/// A follower's view of its leader.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) leader: NodeId,
    /// The number of this connection.
    pub(super) link: u64,
    pub(super) stage: Stage,
    /// When it last heard from the leader.
    pub(super) heard: Time,
    /// After so much silence it looks for another.
    pub(super) patience: Duration,
    /// So far the leader says that everything is committed.
    pub(super) told: Zxid,
    /// What it had last when a ping said that there is more.
    pub(super) lagged: Option<Zxid>,
}

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for the new epoch.
    Knocking,
    /// It has accepted the epoch, and waits for its history.
    Pledged {
        /// The epoch.
        epoch: u64,
        /// Whether it had not accepted it before.
        fresh: bool,
    },
    /// It has the history, and waits to hear that a quorum has it.
    Synchronised(u64),
    /// It takes proposals and answers its clients.
    Serving(u64),
}

impl Stage {
    /// The epoch whose history it has.
    pub(super) fn synchronised(self) -> Option<u64> {
        match self {
            Stage::Synchronised(epoch) | Stage::Serving(epoch) => Some(epoch),
            Stage::Knocking | Stage::Pledged { .. } => None,
        }
    }
}

/// The state of a leader, from its election on.
#[derive(Debug)]
pub(super) struct Leading {
    pub(super) phase: Phase,
    /// When it was elected.
    pub(super) since: Time,
    pub(super) followers: BTreeMap<NodeId, Follower>,
    /// Its own history is known to be durable so far.
    pub(super) persisted: usize,
    /// Those, with itself, for whom its epoch was new.
    pub(super) pledged: BTreeSet<NodeId>,
    /// Those, with itself, that have the history with which its epoch begins.
    pub(super) synchronised: BTreeSet<NodeId>,
    /// FLAW answered-before-applied: who forwarded what.
    pub(super) origins: BTreeMap<Ticket, NodeId>,
}

/// How far a leader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It asks a quorum which epochs they have accepted.
    Gathering,
    /// It waits until a quorum has accepted its epoch.
    Discovery(u64),
    /// It waits until a quorum has its history.
    Synchronisation(u64),
    /// It makes transactions.
    Broadcast(u64),
}

impl Phase {
    /// Its epoch, once it has one.
    pub(super) fn epoch(self) -> Option<u64> {
        match self {
            Phase::Gathering => None,
            Phase::Discovery(epoch) | Phase::Synchronisation(epoch) | Phase::Broadcast(epoch) => Some(epoch),
        }
    }
}

/// A follower as its leader sees it.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) link: u64,
    /// The epoch that it had accepted when it came.
    pub(super) accepted: u64,
    /// When it was last heard.
    pub(super) heard: Time,
    /// What its history was when it accepted the epoch, if it has.
    pub(super) ends: Option<Vec<Zxid>>,
    /// Whether it was sent the history, and so must be sent everything from then on.
    pub(super) fed: bool,
    /// So much of the leader's history it holds durably; nothing is known before it has acknowledged the epoch's.
    pub(super) acked: Option<usize>,
}
