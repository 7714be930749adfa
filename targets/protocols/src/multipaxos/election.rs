//! How a distinguished proposer is found (PMS §2.4), and phase 1 for all slots at once (§3).

use super::leader::{Leader, Peer};
use super::message::{Command, Message, Pvalue};
use super::part::{Found, Part, Scout};
use super::read::Reads;
use super::record::Record;
use super::{MultiPaxos, Output};
use crate::paxos::{Ballot, Tally};
use crate::{Effect, Flaw};
use history::{Doubt, NodeId, Outcome, Refusal, Time};
use std::collections::{BTreeMap, VecDeque};

impl MultiPaxos {
    /// The leader has been silent for too long: asks the others whether they would promise a higher ballot.
    pub(super) fn canvass(&mut self, now: Time, out: &mut Output) {
        self.rest(now);
        if self.stopping.is_some() {
            return;
        }
        let round = self.highest.max(self.promised).round + 1;
        let ballot = Ballot { round, node: self.me };
        self.part = Part::Canvasser(ballot, Tally::default());
        self.broadcast(&Message::Canvass { ballot, after: self.prefix() }, out);
        self.count_support(now, self.me, ballot, out);
    }

    /// Somebody asks whether this node would promise it a ballot. Not while a leader is heard: so a node that was
    /// cut off cannot disturb the others when it comes back.
    pub(super) fn answer_canvass(
        &self,
        now: Time,
        from: NodeId,
        (ballot, after): (Ballot, u64),
        out: &mut Output,
    ) {
        let far_behind = self.prefix() > after + Self::REACH;
        let message = if self.is_led(now) || far_behind {
            Message::Support { ballot, granted: false }
        } else if ballot <= self.bar() {
            Message::Refuse { ballot, promised: self.bar() }
        } else {
            Message::Support { ballot, granted: true }
        };
        out.push(Effect::Send { to: from, message });
        if far_behind {
            self.teach(from, after, out);
        }
    }

    /// Whether it leads or has heard a leader within the election timeout.
    fn is_led(&self, now: Time) -> bool {
        match &self.part {
            Part::Leader(_) => true,
            Part::Follower(Some(following)) => now < following.heard + self.options.tempo.election,
            Part::Follower(None) | Part::Canvasser(..) | Part::Candidate(_) => false,
        }
    }

    /// One more node would promise.
    pub(super) fn count_support(&mut self, now: Time, from: NodeId, ballot: Ballot, out: &mut Output) {
        let quorum = self.quorum();
        let Part::Canvasser(mine, tally) = &mut self.part else { return };
        if *mine != ballot {
            return;
        }
        tally.add(from);
        if tally.count() >= quorum {
            self.campaign(now, ballot, out);
        }
    }

    /// Phase 1. Its own promise is durable before anybody hears of the ballot, so that it never makes it again.
    pub(super) fn campaign(&mut self, now: Time, ballot: Ballot, out: &mut Output) {
        self.rest(now);
        self.promised = ballot;
        self.part = Part::Candidate(Scout { ballot, promised: Tally::default(), found: BTreeMap::new() });
        // FLAW ballot-reused: it is not written down.
        if !self.has(Flaw::BallotReused) {
            out.push(Effect::Persist(Record::Promised(ballot)));
        }
        let after = self.prefix();
        out.push(Effect::Send { to: self.me, message: self.promise(ballot, after) });
        self.broadcast(&Message::Prepare { ballot, after }, out);
    }

    /// 1b came. Of what was accepted for a slot, that of the highest ballot counts (PMS §2.2, phase 2a).
    pub(super) fn count_promise(
        &mut self,
        now: Time,
        (from, ballot): (NodeId, Ballot),
        (after, chosen): (u64, Vec<Command>),
        accepted: Vec<Pvalue>,
        out: &mut Output,
    ) {
        if !matches!(&self.part, Part::Candidate(scout) if scout.ballot == ballot) {
            return;
        }
        self.learn(after, chosen, out);
        let (quorum, me, flaw) = (self.quorum(), self.me, self.options.flaw);
        let Part::Candidate(scout) = &mut self.part else { return };
        if !scout.promised.add(from) {
            return;
        }
        for pvalue in accepted {
            // FLAW own-value-first: it goes by what it has accepted itself.
            if flaw != Some(Flaw::OwnValueFirst) || from == me {
                scout.find(from, pvalue, flaw);
            }
        }
        if scout.promised.count() >= quorum {
            self.lead(now, out);
        }
    }

    /// A majority has promised. Proposes for every open slot what it must, and nothing at all for the gaps: no slot
    /// is left open before one that may be chosen (PMS §3).
    fn lead(&mut self, now: Time, out: &mut Output) {
        let known = self.prefix();
        let Part::Candidate(scout) = &mut self.part else { return };
        let Scout { ballot, promised, found } = scout;
        let (ballot, promised, found) = (*ballot, promised.clone(), std::mem::take(found));
        let barrier = found.keys().next_back().map_or(known, |last| known.max(*last));
        let open = (known + 1..=barrier).map(|slot| {
            let command = found.get(&slot).map_or(Command::Nothing, |best| best.command.clone());
            (command, None)
        });
        let open: Vec<_> = open.collect();
        let others = self.everyone.iter().filter(|node| **node != self.me);
        let peers = others.map(|node| Peer { node: *node, heard: now, round: 0 }).collect();
        self.part = Part::Leader(Box::new(Leader {
            ballot,
            promised,
            barrier,
            next: known + 1,
            proposals: BTreeMap::new(),
            flights: VecDeque::new(),
            queue: VecDeque::new(),
            reads: Reads::default(),
            peers,
            quorum: self.quorum(),
            beat: now + self.options.tempo.heartbeat,
            handed: false,
        }));
        self.propose(open, out);
        self.presume(&found, out);
        self.begin_round(out);
    }

    /// FLAW gap-filled-alone, acks-of-any-ballot: takes for accepted what nobody has accepted under its ballot.
    fn presume(&mut self, found: &BTreeMap<u64, Found>, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        for (slot, proposal) in &mut leader.proposals {
            let presumed = match (self.options.flaw, found.get(slot)) {
                // FLAW gap-filled-alone: nobody who was asked has anything there, so nobody needs to be asked again.
                (Some(Flaw::GapFilledAlone), None) => &self.everyone[..],
                // FLAW acks-of-any-ballot: who has accepted the value has accepted it, whoever it was that proposed it.
                (Some(Flaw::AcksOfAnyBallot), Some(best)) => best.by.nodes(),
                _ => continue,
            };
            presumed.iter().for_each(|node| {
                proposal.accepted.add(*node);
            });
        }
        self.choose_what_may_be(out);
    }

    /// Somebody has promised a higher ballot.
    pub(super) fn take_refuse(&mut self, now: Time, ballot: Ballot, promised: Ballot, out: &mut Output) {
        self.highest = self.highest.max(promised);
        let over = match &self.part {
            Part::Canvasser(mine, _) => *mine == ballot,
            Part::Candidate(scout) => scout.ballot == ballot,
            Part::Leader(leader) => leader.ballot == ballot && promised > ballot,
            Part::Follower(_) => false,
        };
        if over {
            self.step_down(now, out);
        }
    }

    /// Becomes a follower that knows no leader. A deposed leader answers its clients: what it has proposed another
    /// leader may yet choose, so nobody can tell; what waited for its turn, and reads, had no effect for certain.
    pub(super) fn step_down(&mut self, now: Time, out: &mut Output) {
        let part = std::mem::replace(&mut self.part, Part::Follower(None));
        let Part::Leader(mut leader) = part else { return };
        for id in leader.proposals.into_values().filter_map(|proposal| proposal.client) {
            out.push(Effect::Reply { id, outcome: Outcome::Unknown(Doubt::Deposed) });
        }
        let refusal = Refusal::NotLeader { hint: None };
        for (id, _) in leader.queue.drain(..) {
            out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal.clone()) });
        }
        leader.reads.refuse(&refusal, out);
        self.rest(now);
    }

    /// Draws a new election timeout and waits for it.
    pub(super) fn rest(&mut self, now: Time) {
        let election = self.options.tempo.election;
        self.patience = self.chance.span(election, election * 2);
        self.deadline = now + self.patience;
    }

    pub(super) fn broadcast(&self, message: &Message, out: &mut Output) {
        let others = self.everyone.iter().filter(|node| **node != self.me);
        out.extend(others.map(|to| Effect::Send { to: *to, message: message.clone() }));
    }
}
