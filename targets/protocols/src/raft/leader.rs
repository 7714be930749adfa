//! What a leader keeps in memory: its followers, its clients' requests and their reads.

use super::message::Message;
use super::progress::{Bulletin, Progress, Source};
use super::read::Reads;
use crate::{Effect, RequestId};
use history::{NodeId, Time};
use std::collections::VecDeque;

/// The state of one leader, from election to deposition.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) followers: Vec<Progress>,
    /// Whether its own copies count: not if it leads only until it is gone (thesis 4.2.2).
    pub(super) votes: bool,
    /// How many of those that count are a majority.
    pub(super) quorum: usize,
    /// The leader's own log is known to be durable up to here.
    pub(super) persisted: u64,
    /// Up to where the message to itself asks, that is under way.
    pub(super) persisting: u64,
    /// The index of the first entry of its term.
    pub(super) first: u64,
    /// The requests whose entries are not applied yet, by index.
    pub(super) pending: VecDeque<(u64, RequestId)>,
    pub(super) reads: Reads,
    /// When the next heartbeat is due.
    pub(super) beat: Time,
    /// Whether somebody was asked to take over, since the last heartbeat.
    pub(super) handed: bool,
    /// For how many more heartbeats the entries of its own term are held back: none, but for FLAW
    /// commit-old-term.
    pub(super) held_back: u8,
    /// FLAW lease-reads: until when, on its own clock, it believes that nobody else can lead.
    pub(super) lease: Time,
    /// FLAW lease-reads: when the rounds began that are not yet answered.
    pub(super) begun: VecDeque<(u64, Time)>,
}

/// Who takes part under a leader.
#[derive(Debug)]
pub(super) struct Taking {
    /// Whom it brings the log, and whether they count.
    pub(super) followers: Vec<(NodeId, bool)>,
    /// Whether the leader itself counts.
    pub(super) votes: bool,
    /// How many are a majority.
    pub(super) quorum: usize,
}

impl Leader {
    /// FLAW commit-old-term: so many heartbeats belong to the old entries. The mistake would be one with fewer,
    /// but figure 8 needs two leaders in turn that fall in that time: this makes it minutes instead of years.
    pub(super) const OLD_FIRST: u8 = 20;

    /// A leader whose log ended at `last` when it was elected.
    pub(super) fn new(last: u64, beat: Time) -> Leader {
        Leader {
            followers: Vec::new(),
            votes: true,
            quorum: 1,
            persisted: 0,
            persisting: 0,
            first: last + 1,
            pending: VecDeque::new(),
            // Its first entry goes to everyone: that is its first heartbeat round.
            reads: Reads { round: 1, ..Reads::default() },
            beat,
            handed: false,
            held_back: 0,
            lease: Time::ZERO,
            begun: VecDeque::new(),
        }
    }

    /// `followers` are to be brought the log from now on, whose end is `last`, and those marked so count, like the
    /// leader itself if `votes`; `quorum` of them are a majority. Who stays keeps what is known of it.
    pub(super) fn adopt(&mut self, part: Taking, last: u64, now: Time) {
        (self.votes, self.quorum) = (part.votes, part.quorum);
        let mut before = std::mem::take(&mut self.followers);
        for (node, votes) in part.followers {
            let known = before.iter().position(|follower| follower.node == node);
            let known = known.map(|at| before.swap_remove(at));
            let mut follower = known.unwrap_or_else(|| Progress::new(node, last, now));
            follower.votes = votes;
            self.followers.push(follower);
        }
    }

    /// The follower `node`.
    pub(super) fn follower(&mut self, node: NodeId) -> Option<&mut Progress> {
        self.followers.iter_mut().find(|follower| follower.node == node)
    }

    /// Sends every follower what it may be sent.
    pub(super) fn feed<R>(
        &mut self,
        source: &Source<'_>,
        bulletin: Bulletin,
        out: &mut Vec<Effect<Message, R>>,
    ) {
        let end = if self.held_back > 0 { self.first - 1 } else { source.log.last_index() };
        for follower in &mut self.followers {
            while let Some(message) = follower.feed(source, end, bulletin) {
                out.push(Effect::Send { to: follower.node, message });
            }
        }
    }

    /// The largest index that a majority holds durably.
    pub(super) fn agreed(&self) -> u64 {
        self.majority(self.persisted, |follower| follower.matched)
    }

    /// The latest heartbeat round that a majority has answered; the leader answers itself at once.
    pub(super) fn confirmed(&self) -> u64 {
        self.majority(self.reads.round, |follower| follower.round)
    }

    /// Whether a majority, with the leader, has answered since `since`.
    pub(super) fn has_quorum(&self, since: Time) -> bool {
        self.majority(Time::NEVER.0, |follower| follower.heard.0) >= since.0
    }

    /// The largest number that a majority of the cluster reaches. Quadratic in the number of nodes, which is
    /// small, and needs no memory.
    fn majority(&self, own: u64, of: impl Fn(&Progress) -> u64) -> u64 {
        let voters = self.followers.iter().filter(|follower| follower.votes);
        let numbers = || voters.clone().map(&of).chain(self.votes.then_some(own));
        let reached = |number: u64| numbers().filter(|&other| other >= number).count() >= self.quorum;
        numbers().filter(|&number| reached(number)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(matched: &[u64], persisted: u64) -> Leader {
        let followers = (2..).map(|node| (NodeId(node), true)).take(matched.len()).collect();
        let quorum = matched.len().div_ceil(2) + 1;
        let mut leader = Leader::new(0, Time::ZERO);
        leader.adopt(Taking { followers, votes: true, quorum }, 0, Time::ZERO);
        leader.followers.iter_mut().zip(matched).for_each(|(follower, &index)| follower.matched = index);
        leader.persisted = persisted;
        leader
    }

    #[test]
    fn a_majority_agrees_on_the_median() {
        assert_eq!(leader(&[], 7).agreed(), 7);
        assert_eq!(leader(&[5, 0], 7).agreed(), 5);
        assert_eq!(leader(&[5, 6], 0).agreed(), 5);
        assert_eq!(leader(&[9, 8, 1, 0], 7).agreed(), 7);
        // Four nodes need three.
        assert_eq!(leader(&[9, 8, 1], 7).agreed(), 7);
        assert_eq!(leader(&[9, 2, 1], 7).agreed(), 2);
    }

    #[test]
    fn learners_do_not_count_and_nor_does_a_leader_that_goes() {
        let mut learning = leader(&[9, 9, 2, 1], 9);
        let nodes: Vec<NodeId> = (2..=5).map(NodeId).collect();
        let followers = nodes.iter().map(|node| (*node, node.0 > 3)).collect();
        learning.adopt(Taking { followers, votes: true, quorum: 2 }, 9, Time::ZERO);
        assert_eq!(learning.agreed(), 2);
        let mut going = leader(&[5, 3], 9);
        let followers = nodes[..2].iter().map(|node| (*node, true)).collect();
        going.adopt(Taking { followers, votes: false, quorum: 2 }, 9, Time::ZERO);
        assert_eq!(going.agreed(), 3, "both of two");
    }
}
