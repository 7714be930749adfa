//! Phase 2: the leader proposes, a majority accepts (PMS §2.2 and §3; a *commander* is PMMC's word for one slot of it).
//!
//! A client's request goes into the next free slot at once, and so do those after it: slots are decided side by side.
//! Beyond a few batches under way requests gather, and go together when one of those is done. What was lost is sent
//! again with the next heartbeat but one, to whoever has not answered.

use super::leader::{Leader, Proposal};
use super::message::{Command, Message};
use super::part::Part;
use super::{MultiPaxos, Output};
use crate::paxos::{Ballot, Tally};
use crate::{Effect, Flaw, Reading, RequestId};
use history::{Call, NodeId, Outcome, Reply, Ticket, Time};

impl MultiPaxos {
    /// A client of this leader wants something done.
    pub(super) fn write(
        &mut self,
        now: Time,
        id: RequestId,
        (ticket, call): (Ticket, Call),
        out: &mut Output,
    ) {
        // FLAW answered-early: it is proposed, that must do.
        if self.has(Flaw::AnsweredEarly) && has_nothing_to_say(&call) {
            out.push(Effect::Reply { id, outcome: Outcome::Ok(Reply::Done) });
            return self.propose(vec![(Command::Call { ticket, call, at: None }, None)], out);
        }
        if let Part::Leader(leader) = &mut self.part {
            let at = Reading::of(&call, leader.ballot.number(), now);
            leader.queue.push_back((id, Command::Call { ticket, call, at }));
            self.propose_what_waits(out);
        }
    }

    /// Proposes what has gathered, if it may go now.
    fn propose_what_waits(&mut self, out: &mut Output) {
        let known = self.prefix();
        let Part::Leader(leader) = &mut self.part else { return };
        while leader.flights.front().is_some_and(|last| *last <= known) {
            leader.flights.pop_front();
        }
        if leader.queue.is_empty() || leader.flights.len() >= Leader::WINDOW {
            return;
        }
        let batch: Vec<_> = leader.queue.drain(..).map(|(id, command)| (command, Some(id))).collect();
        self.propose(batch, out);
    }

    /// 2a, for the next free slots. The others are told before the leader itself has made it durable: telling is not
    /// counting.
    pub(super) fn propose(&mut self, batch: Vec<(Command, Option<RequestId>)>, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        let ballot = leader.ballot;
        let mut entries = Vec::with_capacity(batch.len());
        for (command, client) in batch {
            let slot = leader.next;
            leader.next += 1;
            entries.push((slot, command.clone()));
            let proposal = Proposal { command, accepted: Tally::default(), client, fresh: true };
            leader.proposals.insert(slot, proposal);
        }
        let Some((last, _)) = entries.last() else { return };
        leader.flights.push_back(*last);
        for entries in entries.chunks(Self::REACH as usize) {
            let entries = entries.to_vec();
            self.broadcast(&Message::Accept { ballot, entries, chosen: self.prefix() }, out);
        }
        self.accept(self.me, ballot, entries, out);
    }

    /// 2b came: `from` has accepted what was proposed for these slots under this ballot.
    pub(super) fn count_accepted(
        &mut self,
        now: Time,
        (from, ballot): (NodeId, Ballot),
        slots: &[u64],
        out: &mut Output,
    ) {
        let Part::Leader(leader) = &mut self.part else { return };
        if leader.ballot != ballot {
            return;
        }
        leader.hear(from, now);
        for slot in slots {
            if let Some(proposal) = leader.proposals.get_mut(slot) {
                proposal.accepted.add(from);
            }
        }
        self.go_on(now, out);
    }

    /// A slot whose proposal a majority has accepted is chosen; but it is of use only when all before it are.
    pub(super) fn choose_what_may_be(&mut self, out: &mut Output) {
        loop {
            let next = self.prefix() + 1;
            let Part::Leader(leader) = &self.part else { return };
            let Some(proposal) = leader.proposals.get(&next) else { return };
            if proposal.accepted.count() < leader.quorum {
                return;
            }
            self.choose(proposal.command.clone(), out);
        }
    }

    /// Something that others wait for may have happened.
    pub(super) fn go_on(&mut self, now: Time, out: &mut Output) {
        self.choose_what_may_be(out);
        self.propose_what_waits(out);
        self.serve_reads(out);
        self.hand_over(now, out);
    }

    /// The leader shows that it lives, and looks whether anybody listens. Without a majority within an election timeout
    /// it steps down, so that its clients can look elsewhere.
    pub(super) fn beat(&mut self, now: Time, out: &mut Output) {
        let tempo = self.options.tempo;
        // FLAW reads-alone: a leader never doubts itself.
        let sure = self.has(Flaw::ReadsAlone);
        let Part::Leader(leader) = &mut self.part else { return };
        leader.beat = now + tempo.heartbeat;
        leader.handed = false;
        if !sure && !leader.has_quorum(now - tempo.election) {
            return self.step_down(now, out);
        }
        self.propose_again(out);
        self.begin_round(out);
        self.hand_over(now, out);
    }

    /// Sends what was proposed before the last heartbeat to those who have not accepted it.
    fn propose_again(&mut self, out: &mut Output) {
        let chosen = self.prefix();
        let Part::Leader(leader) = &mut self.part else { return };
        let ballot = leader.ballot;
        for peer in &leader.peers {
            let lacks = |proposal: &Proposal| !proposal.fresh && !proposal.accepted.has(peer.node);
            let lacking = leader.proposals.iter().filter(|(_, proposal)| lacks(proposal));
            let again = lacking.map(|(slot, proposal)| (*slot, proposal.command.clone()));
            let entries: Vec<_> = again.take(Self::REACH as usize).collect();
            if !entries.is_empty() {
                out.push(Effect::Send {
                    to: peer.node,
                    message: Message::Accept { ballot, entries, chosen },
                });
            }
        }
        leader.proposals.values_mut().for_each(|proposal| proposal.fresh = false);
    }
}

/// Whether there is nothing to say when this is done.
fn has_nothing_to_say(call: &Call) -> bool {
    matches!(call, Call::Write { .. } | Call::Append { .. } | Call::Add { .. } | Call::Enqueue { .. })
}
