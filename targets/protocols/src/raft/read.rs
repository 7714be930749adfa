//! Linearizable reads without the log: ReadIndex (thesis 6.4).
//!
//! A read may be answered from the leader's own store if the leader was still the leader at some moment after
//! the read came, and the store then holds all that was committed before the read came. So a read notes how
//! far the log is committed, waits for a heartbeat round that began after it came and that a majority
//! answered, and for the store to reach the noted index. No clock takes part.
//!
//! A leader that has not yet committed an entry of its own term may not know how far the log is committed;
//! but whatever was committed is in its log, before the entry with which its term began. A read then waits
//! for that entry.
//!
//! All reads that come while one round is under way share the next one.

use super::part::Part;
use super::{Output, Raft};
use crate::{Effect, Flaw, RequestId};
use history::{Call, Outcome, Refusal, Time};
use std::collections::VecDeque;

/// The reads that a leader has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The latest round begun. Every append carries it, and every answer echoes it.
    pub(super) round: u64,
    /// The latest round that a majority has answered.
    pub(super) confirmed: u64,
    /// In the order in which they came, so that neither rounds nor indexes fall along it.
    pub(super) waiting: VecDeque<Read>,
}

/// One read.
#[derive(Debug)]
pub(super) struct Read {
    id: RequestId,
    call: Call,
    /// The first round that began after it came.
    round: u64,
    /// What was committed when it came is no further than this.
    index: u64,
}

impl Raft {
    /// A client of this leader reads.
    pub(super) fn read(&mut self, now: Time, id: RequestId, call: Call, out: &mut Output) {
        if self.has(Flaw::ReadsWithoutQuorum) || self.holds_lease(now) {
            out.push(Effect::Reply { id, outcome: self.store.read(&call) });
            return;
        }
        let careless = self.has(Flaw::ReadsBeforeFirstCommit);
        let Part::Leader(leader) = &mut self.part else { return };
        let index = if careless { self.commit } else { self.commit.max(leader.first) };
        let reads = &mut leader.reads;
        reads.waiting.push_back(Read { id, call, round: reads.round + 1, index });
        if reads.confirmed == reads.round {
            self.begin_round(out);
        }
    }

    /// FLAW lease-reads: whether its clock says that nobody else can lead yet.
    fn holds_lease(&self, now: Time) -> bool {
        let Part::Leader(leader) = &self.part else { return false };
        self.has(Flaw::LeaseReads) && now < leader.lease && self.commit >= leader.first
    }

    /// Sends a heartbeat round.
    pub(super) fn begin_round(&mut self, out: &mut Output) {
        let mut bulletin = self.bulletin();
        let Part::Leader(leader) = &mut self.part else { return };
        leader.reads.round += 1;
        bulletin.round = leader.reads.round;
        for follower in &mut leader.followers {
            let message = follower.heartbeat(&self.log, bulletin);
            out.push(Effect::Send { to: follower.node, message });
        }
        self.confirm_rounds(out);
    }

    /// Followers may have answered: reads may be ripe, and those that wait for the next round may start it.
    pub(super) fn confirm_rounds(&mut self, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        let confirmed = leader.confirmed();
        if confirmed <= leader.reads.confirmed {
            return;
        }
        leader.reads.confirmed = confirmed;
        // FLAW lease-reads: a tenth less than the silence that the followers keep, for clocks that drift a little.
        while let Some(&(round, begun)) = leader.begun.front()
            && round <= confirmed
        {
            leader.begun.pop_front();
            leader.lease = begun + self.options.tempo.election * 9 / 10;
        }
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
        let Part::Leader(leader) = &mut self.part else { return };
        let Reads { confirmed, waiting, .. } = &mut leader.reads;
        let ripe = |read: &Read| read.round <= *confirmed && read.index <= self.applied;
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
