//! Reads that are in no slot, checked by a quorum.
//!
//! A read may be answered from the leader's own store if the store holds all that was chosen before the read came. What
//! lower ballots had chosen is no further than the barrier, the last slot in which phase 1 found anything, because a
//! majority was asked. What this ballot has chosen *and told anybody* is applied. And no higher ballot can have chosen
//! anything yet if a majority says, in answer to a heartbeat that was sent after the read came, that it has promised
//! none: any higher ballot needs a promise from one of them first. So a read waits for such a round, and for the store to
//! reach the barrier. No clock takes part.
//!
//! The other way, a slot for every read, needs no such thought, but a disk for every read ("Paxos Made Live", §5.2, has
//! the reads of a log that is too slow for them as its motive for master leases, which trust clocks).
//!
//! All reads that come while one round is under way share the next one.

use super::message::Message;
use super::part::Part;
use super::{MultiPaxos, Output};
use crate::paxos::Ballot;
use crate::{Effect, Flaw, RequestId};
use history::{Call, NodeId, Outcome, Refusal, Time};
use std::collections::VecDeque;

/// The reads that a leader has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The latest round begun.
    pub(super) round: u64,
    /// The latest round that a majority has answered.
    confirmed: u64,
    /// In the order in which they came, so that neither rounds nor slots fall along it.
    pub(super) waiting: VecDeque<Read>,
}

/// One read.
#[derive(Debug)]
pub(super) struct Read {
    id: RequestId,
    call: Call,
    /// The first round that began after it came.
    round: u64,
    /// What was chosen and known to anybody when it came is no further than this.
    slot: u64,
}

impl MultiPaxos {
    /// A client of this leader reads.
    pub(super) fn read(&mut self, id: RequestId, call: Call, out: &mut Output) {
        // FLAW reads-alone: who leads knows best.
        if self.has(Flaw::ReadsAlone) {
            out.push(Effect::Reply { id, outcome: self.store.read(&call) });
            return;
        }
        let known = self.prefix();
        let Part::Leader(leader) = &mut self.part else { return };
        let slot = known.max(leader.barrier);
        let reads = &mut leader.reads;
        reads.waiting.push_back(Read { id, call, round: reads.round + 1, slot });
        if reads.confirmed == reads.round {
            self.begin_round(out);
        }
    }

    /// Sends a round of heartbeats.
    pub(super) fn begin_round(&mut self, out: &mut Output) {
        let chosen = self.prefix();
        let Part::Leader(leader) = &mut self.part else { return };
        leader.reads.round += 1;
        let message = Message::Heartbeat { ballot: leader.ballot, chosen, round: leader.reads.round };
        self.broadcast(&message, out);
        self.confirm_rounds(out);
    }

    /// `from` has promised nobody a higher ballot.
    pub(super) fn take_alive(
        &mut self,
        now: Time,
        (from, ballot): (NodeId, Ballot),
        round: u64,
        out: &mut Output,
    ) {
        let Part::Leader(leader) = &mut self.part else { return };
        if leader.ballot != ballot {
            return;
        }
        let Some(peer) = leader.hear(from, now) else { return };
        peer.round = peer.round.max(round);
        self.confirm_rounds(out);
        self.hand_over(now, out);
    }

    /// Reads may be ripe, and those that wait for the next round may start it.
    fn confirm_rounds(&mut self, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        let confirmed = leader.confirmed();
        if confirmed <= leader.reads.confirmed {
            return;
        }
        leader.reads.confirmed = confirmed;
        self.serve_reads(out);
        let Part::Leader(leader) = &self.part else { return };
        let reads = &leader.reads;
        let next = reads.waiting.back().is_some_and(|read| read.round > reads.round);
        if next && reads.confirmed == reads.round {
            self.begin_round(out);
        }
    }

    /// Answers the reads that have waited long enough.
    pub(super) fn serve_reads(&mut self, out: &mut Output) {
        let applied = self.prefix();
        let Part::Leader(leader) = &mut self.part else { return };
        let Reads { confirmed, waiting, .. } = &mut leader.reads;
        let ripe = |read: &Read| read.round <= *confirmed && read.slot <= applied;
        while waiting.front().is_some_and(ripe)
            && let Some(Read { id, call, .. }) = waiting.pop_front()
        {
            out.push(Effect::Reply { id, outcome: self.store.read(&call) });
        }
    }
}

impl Reads {
    /// The leader is deposed: a read that was not answered had no effect, so this is certain.
    pub(super) fn refuse(&mut self, refusal: &Refusal, out: &mut Output) {
        for read in self.waiting.drain(..) {
            out.push(Effect::Reply { id: read.id, outcome: Outcome::Fail(refusal.clone()) });
        }
    }
}
