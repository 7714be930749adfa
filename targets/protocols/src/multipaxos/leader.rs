//! What a leader keeps in memory: its proposals, its clients' requests and their reads.

use super::message::Command;
use super::read::Reads;
use crate::RequestId;
use crate::paxos::{Ballot, Tally};
use history::{NodeId, Time};
use std::collections::{BTreeMap, VecDeque};

/// The state of one leader, from its election to its deposition.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) ballot: Ballot,
    /// Who promised.
    pub(super) promised: Tally,
    /// Phase 1 found nothing beyond this slot, so all that was chosen under lower ballots is up to here.
    pub(super) barrier: u64,
    /// The first slot for which it has proposed nothing.
    pub(super) next: u64,
    /// What it proposed for the slots that are not chosen yet, or come after one that is not.
    pub(super) proposals: BTreeMap<u64, Proposal>,
    /// The last slots of the batches whose slots are not all chosen.
    pub(super) flights: VecDeque<u64>,
    /// Requests that wait for a batch.
    pub(super) queue: VecDeque<(RequestId, Command)>,
    pub(super) reads: Reads,
    /// Everyone else.
    pub(super) peers: Vec<Peer>,
    /// How many are a majority.
    pub(super) quorum: usize,
    /// When the next heartbeat is due.
    pub(super) beat: Time,
    /// Whether somebody was asked to take over, since the last heartbeat.
    pub(super) handed: bool,
}

/// Phase 2 of one slot (a *commander*, PMMC §2.2).
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) command: Command,
    /// Who has accepted it, durably, under this ballot.
    pub(super) accepted: Tally,
    /// Who wants to know what comes of it.
    pub(super) client: Option<RequestId>,
    /// Whether it was proposed since the last heartbeat, so that nobody is asked again yet.
    pub(super) fresh: bool,
}

/// Somebody else, as a leader sees it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    /// When it last answered.
    pub(super) heard: Time,
    /// The latest round of heartbeats that it has answered.
    pub(super) round: u64,
}

impl Leader {
    /// At most so many batches are under way: what comes faster gathers into the next one.
    pub(super) const WINDOW: usize = 8;

    /// It was heard from `node`.
    pub(super) fn hear(&mut self, node: NodeId, now: Time) -> Option<&mut Peer> {
        let peer = self.peers.iter_mut().find(|peer| peer.node == node)?;
        peer.heard = peer.heard.max(now);
        Some(peer)
    }

    /// Whether a majority, with the leader, has answered since `since`.
    pub(super) fn has_quorum(&self, since: Time) -> bool {
        1 + self.peers.iter().filter(|peer| peer.heard >= since).count() >= self.quorum
    }

    /// The latest round that a majority has answered; the leader answers itself at once.
    pub(super) fn confirmed(&self) -> u64 {
        let mut rounds: Vec<u64> = self.peers.iter().map(|peer| peer.round).collect();
        rounds.push(self.reads.round);
        rounds.sort_unstable_by(|a, b| b.cmp(a));
        rounds.get(self.quorum.max(1) - 1).copied().unwrap_or(0)
    }
}
