//! How a leader is found: canvass (pre-vote), vote, lead (§5.2, §5.4.1; thesis 9.6).

use super::leader::Leader;
use super::log::{Command, Entry, Place};
use super::message::Message;
use super::part::{Part, Tally};
use super::record::Record;
use super::{Output, Raft};
use crate::{Effect, Flaw};
use history::{Doubt, NodeId, Outcome, Refusal, Time};

impl Raft {
    /// The leader has been silent for too long: asks the others whether they would vote for this node. Only a
    /// majority of their words, not the silence alone, makes it leave its term.
    pub(super) fn canvass(&mut self, now: Time, out: &mut Output) {
        self.rest(now);
        if self.stopping.is_some() {
            return;
        }
        if !self.may_seek_to_lead() {
            self.part = Part::Follower(None);
            return;
        }
        self.part = Part::Canvasser(Tally::default());
        let message = Message::Canvass { term: self.term, last: self.log.last() };
        self.broadcast(&message, out);
        self.count_support(now, self.me, out);
    }

    /// Somebody asks whether this node would vote for it in the term after `term`. Not while a leader is
    /// heard: so a node that was cut off cannot disturb the others when it comes back.
    pub(super) fn answer_canvass(
        &mut self,
        now: Time,
        from: NodeId,
        term: u64,
        last: Place,
        out: &mut Output,
    ) {
        let granted = !self.is_led(now) && self.is_up_to_date(last);
        out.push(Effect::Send { to: from, message: Message::Support { term, granted } });
    }

    /// Whether it leads or has heard a leader within the election timeout.
    pub(super) fn is_led(&self, now: Time) -> bool {
        match &self.part {
            Part::Leader(_) => true,
            Part::Follower(Some(following)) => now < following.heard + self.options.tempo.election,
            Part::Follower(None) | Part::Canvasser(_) | Part::Candidate(_) => false,
        }
    }

    /// One more node would vote for this one.
    pub(super) fn count_support(&mut self, now: Time, from: NodeId, out: &mut Output) {
        let Part::Canvasser(tally) = &mut self.part else { return };
        tally.add(from);
        if self.is_majority() {
            self.campaign(now, out);
        }
    }

    /// Begins an election in a new term. The vote for itself is a message to itself behind the Persist: it
    /// counts once it is durable, like every other vote.
    pub(super) fn campaign(&mut self, now: Time, out: &mut Output) {
        self.term += 1;
        self.vote = Some(self.me);
        self.part = Part::Candidate(Tally::default());
        self.rest(now);
        self.write_vote(out);
        let vote = Message::Vote { term: self.term, granted: true };
        out.push(Effect::Send { to: self.me, message: vote });
        let message = Message::RequestVote { term: self.term, last: self.log.last() };
        self.broadcast(&message, out);
    }

    /// A candidate of this node's term asks for its vote. `raised` says that the term is new here and not
    /// written down yet: one record takes both.
    pub(super) fn answer_request_vote(
        &mut self,
        now: Time,
        from: NodeId,
        last: Place,
        raised: bool,
        out: &mut Output,
    ) {
        // FLAW double-vote: whom it voted for before does not matter.
        let free = self.vote.is_none() || self.vote == Some(from) || self.has(Flaw::DoubleVote);
        let granted = free && self.is_up_to_date(last);
        let news = granted && self.vote != Some(from);
        if granted {
            self.vote = Some(from);
            self.rest(now);
        }
        if news || raised {
            self.write_vote(out);
        }
        out.push(Effect::Send { to: from, message: Message::Vote { term: self.term, granted } });
    }

    /// One more node voted for this one.
    pub(super) fn count_vote(&mut self, now: Time, from: NodeId, out: &mut Output) {
        let Part::Candidate(tally) = &mut self.part else { return };
        tally.add(from);
        if self.is_majority() {
            self.lead(now, out);
        }
    }

    /// Whether those who said yes are a majority of the voters that this node knows; it is not its own voter if it
    /// is none (thesis 4.2.2).
    fn is_majority(&self) -> bool {
        let (Part::Canvasser(tally) | Part::Candidate(tally)) = &self.part else { return false };
        let members = self.members();
        tally.count(|node| self.counts(node)) >= members.quorum()
    }

    /// Won: begins the term with an entry that does nothing, since only by an entry of this term can a leader
    /// commit what came before it (§5.4.2), and tells everyone at once.
    fn lead(&mut self, now: Time, out: &mut Output) {
        let beat = now + self.options.tempo.heartbeat;
        let mut leader = Leader::new(self.log.last_index(), beat);
        leader.adopt(self.taking(), self.log.last_index(), now);
        self.part = Part::Leader(Box::new(leader));
        // FLAW commit-old-term: it sees old entries home before it sends its own.
        if self.has(Flaw::CommitOldTerm)
            && let Part::Leader(leader) = &mut self.part
        {
            leader.held_back = Leader::OLD_FIRST;
        }
        self.propose(Entry { term: self.term, command: Command::Nothing }, out);
        if self.has(Flaw::CommitOldTerm) {
            self.begin_round(out);
        }
        self.confirm_rounds(out);
    }

    /// A higher term was met: this node has no part in it yet. Writing it down is left to the caller.
    pub(super) fn enter_term(&mut self, now: Time, term: u64, out: &mut Output) {
        self.term = term;
        self.vote = None;
        // FLAW late-step-down: it goes on leading, now in a term for which nobody elected it.
        if self.has(Flaw::LateStepDown) && matches!(self.part, Part::Leader(_)) {
            return;
        }
        self.step_down(now, out);
    }

    /// Becomes a follower that knows no leader. A deposed leader answers its clients: a write may yet be
    /// committed by another leader, so nobody can tell; a read had no effect, so that is certain.
    pub(super) fn step_down(&mut self, now: Time, out: &mut Output) {
        let part = std::mem::replace(&mut self.part, Part::Follower(None));
        let Part::Leader(mut leader) = part else { return };
        for (_, id) in leader.pending.drain(..) {
            out.push(Effect::Reply { id, outcome: Outcome::Unknown(Doubt::Deposed) });
        }
        leader.reads.refuse(&Refusal::NotLeader { hint: None }, out);
        self.rest(now);
    }

    /// Draws a new election timeout and waits for it.
    pub(super) fn rest(&mut self, now: Time) {
        let election = self.options.tempo.election;
        self.patience = self.chance.span(election, election * 2);
        self.deadline = now + self.patience;
    }

    /// Writes term and vote down.
    pub(super) fn write_ballot(&self, out: &mut Output) {
        // FLAW term-not-persisted: nothing is written.
        if !self.has(Flaw::TermNotPersisted) {
            out.push(Effect::Persist(Record::Ballot { term: self.term, vote: self.vote }));
        }
    }

    /// Writes term and vote down after the vote was given or withheld.
    fn write_vote(&self, out: &mut Output) {
        // FLAW vote-not-persisted: nothing is written about an election.
        if !self.has(Flaw::VoteNotPersisted) {
            self.write_ballot(out);
        }
    }

    /// Whether a log that ends at `last` holds all that may be committed, for all that this node knows (§5.4.1).
    fn is_up_to_date(&self, last: Place) -> bool {
        // FLAW vote-ignores-log: any log will do.
        last >= self.log.last() || self.has(Flaw::VoteIgnoresLog)
    }

    fn broadcast(&self, message: &Message, out: &mut Output) {
        let peers = self.members().everyone().filter(|node| *node != self.me && self.counts(*node));
        out.extend(peers.map(|to| Effect::Send { to, message: message.clone() }));
    }
}
