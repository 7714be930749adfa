//! Somebody who wants to know what is chosen: a proposer, and the clients it proposes for.
//!
//! One attempt is under way at a time for each instance at each node. An attempt that is refused, or hears nothing for
//! too long, is given up, and the next one has a higher ballot and begins after a pause that is drawn, and longer the
//! more often it was in vain: two proposers that always outbid each other would never let each other finish (PMS §2.4).

use super::message::{Message, Proposal, Record, Word};
use super::synod::{Attempt, Phase};
use super::{Ballot, Output, Paxos};
use crate::{Effect, Flaw, RequestId};
use history::{Call, Doubt, Key, NodeId, Outcome, Refusal, Reply, Ticket, Time};
use std::time::Duration;

/// What a node does to find out what is chosen for one instance.
#[derive(Debug)]
pub(super) struct Seeker {
    pub(super) attempt: Option<Attempt<Proposal>>,
    pub(super) waiting: Vec<Waiting>,
    /// The highest ballot that it heard of.
    highest: Ballot,
    /// How often it tried.
    tries: u32,
    /// When it tries again.
    pub(super) again: Time,
}

/// A client that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    id: RequestId,
    ticket: Ticket,
    call: Call,
    since: Time,
    /// Whether it came before the attempt that is under way began.
    in_time: bool,
    /// Whether its value was ever proposed to anybody.
    proposed: bool,
}

impl Paxos {
    /// A client waits no longer than this: nobody answers, and its patience has long been at its end.
    const GIVE_UP: Duration = Duration::from_secs(3);

    /// A client wants to know, and perhaps to have a say.
    pub(super) fn seek(
        &mut self,
        now: Time,
        (id, ticket): (RequestId, Ticket),
        call: Call,
        out: &mut Output,
    ) {
        let Some(key) = call.key() else { return };
        self.touched.push(key);
        let highest = self.acceptors.get(&key).map_or(Ballot::NONE, |acceptor| acceptor.promised);
        let seeker = self.seekers.entry(key).or_insert_with(|| Seeker {
            attempt: None,
            waiting: Vec::new(),
            highest,
            tries: 0,
            again: now,
        });
        seeker.waiting.push(Waiting { id, ticket, call, since: now, in_time: false, proposed: false });
        if seeker.attempt.is_none() && seeker.again <= now {
            self.attempt(now, key, out);
        }
    }

    /// 1a. Its own promise is durable before anybody hears of the ballot, so that it never makes it again.
    pub(super) fn attempt(&mut self, now: Time, key: Key, out: &mut Output) {
        let promised = self.acceptors.get(&key).map_or(Ballot::NONE, |acceptor| acceptor.promised);
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        let ballot = Ballot { round: seeker.highest.max(promised).round + 1, node: self.me };
        seeker.highest = ballot;
        seeker.tries += 1;
        seeker.waiting.iter_mut().for_each(|waiting| waiting.in_time = true);
        seeker.attempt = Some(Attempt::new(ballot));
        self.rest(now, key);
        // FLAW ballot-reused: it is not written down.
        let durable = !self.has(Flaw::BallotReused);
        self.answer_prepare(self.me, key, ballot, durable, out);
        self.broadcast(key, &Word::Prepare(ballot), out);
    }

    /// Draws how long it waits before it tries again.
    fn rest(&mut self, now: Time, key: Key) {
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        let beat = self.options.tempo.heartbeat;
        seeker.again = now + self.chance.span(beat, beat * 2_u32.pow(seeker.tries.min(3)));
    }

    /// 1b came.
    pub(super) fn count_promise(
        &mut self,
        now: Time,
        (from, key): (NodeId, Key),
        (ballot, accepted): (Ballot, Option<(Ballot, Proposal)>),
        out: &mut Output,
    ) {
        let (quorum, flaw) = (self.quorum(), self.options.flaw);
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        let Some(attempt) = seeker.attempt.as_mut().filter(|attempt| attempt.ballot == ballot) else {
            return;
        };
        let Some(found) = attempt.count_promise(from, accepted, quorum, flaw) else { return };
        let wish = seeker.waiting.iter().find_map(Waiting::wish);
        let value = match flaw {
            // FLAW own-value-first: it has asked, and does not listen.
            Some(Flaw::OwnValueFirst) => wish.or(found),
            _ => found.or(wish),
        };
        match value {
            Some(value) => self.propose(key, value, out),
            None => self.conclude_nothing(now, key, out),
        }
    }

    /// 2a: "sends an accept request to each of those acceptors for a proposal numbered n with a value v".
    fn propose(&mut self, key: Key, value: Proposal, out: &mut Output) {
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        let Some(attempt) = &mut seeker.attempt else { return };
        let ballot = attempt.ballot;
        attempt.propose(value);
        let whose = seeker.waiting.iter_mut().filter(|waiting| waiting.ticket == value.ticket);
        whose.for_each(|waiting| waiting.proposed = true);
        self.broadcast(key, &Word::Accept(ballot, value), out);
        self.answer_accept(self.me, key, (ballot, value), out);
    }

    /// Nobody of a majority has accepted anything. So nothing was chosen when they said so; who asked before that is told.
    /// Nobody here wants to propose anything.
    fn conclude_nothing(&mut self, now: Time, key: Key, out: &mut Output) {
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        seeker.attempt = None;
        let (told, left): (Vec<_>, _) = seeker.waiting.drain(..).partition(|waiting| waiting.in_time);
        seeker.waiting = left;
        for Waiting { id, call, .. } in told {
            let outcome = match call {
                Call::Read { .. } => Outcome::Ok(Reply::Read(None)),
                _ => Outcome::Fail(Refusal::Mismatch { found: None }),
            };
            out.push(Effect::Reply { id, outcome });
        }
        if seeker.waiting.is_empty() {
            self.seekers.remove(&key);
        } else {
            self.attempt(now, key, out);
        }
    }

    /// 2b came. "A value is chosen when a majority of acceptors has accepted it"; then everybody is told.
    pub(super) fn count_accepted(&mut self, from: NodeId, key: Key, ballot: Ballot, out: &mut Output) {
        let quorum = self.quorum();
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        let Some(attempt) = seeker.attempt.as_mut().filter(|attempt| attempt.ballot == ballot) else {
            return;
        };
        let Some(value) = attempt.count_accepted(from, quorum) else { return };
        self.broadcast(key, &Word::Chosen(value), out);
        self.learn(key, value, out);
    }

    /// This is chosen. Nothing that is said about this instance from now on says anything else.
    pub(super) fn learn(&mut self, key: Key, value: Proposal, out: &mut Output) {
        self.chosen.entry(key).or_insert(value);
        let Some(seeker) = self.seekers.remove(&key) else { return };
        for Waiting { id, ticket, call, .. } in seeker.waiting {
            out.push(Effect::Reply { id, outcome: answer(&call, ticket, value) });
        }
    }

    /// Somebody has promised a higher ballot.
    pub(super) fn take_refuse(&mut self, now: Time, key: Key, (ballot, promised): (Ballot, Ballot)) {
        let Some(seeker) = self.seekers.get_mut(&key) else { return };
        seeker.highest = seeker.highest.max(promised);
        if seeker.attempt.as_ref().is_some_and(|attempt| attempt.ballot == ballot) {
            seeker.attempt = None;
            self.rest(now, key);
        }
    }

    /// Time has passed.
    pub(super) fn try_again(&mut self, now: Time, out: &mut Output) {
        let due: Vec<Key> =
            self.seekers.iter().filter(|(_, seeker)| seeker.again <= now).map(|(key, _)| *key).collect();
        self.touched.clone_from(&due);
        for key in due {
            let Some(seeker) = self.seekers.get_mut(&key) else { continue };
            let old = |waiting: &Waiting| now >= waiting.since + Self::GIVE_UP;
            let (old, left): (Vec<_>, _) = seeker.waiting.drain(..).partition(old);
            seeker.waiting = left;
            let refusal = Refusal::NotLeader { hint: None };
            old.into_iter().for_each(|waiting| out.push(waiting.let_go(&refusal)));
            if seeker.waiting.is_empty() {
                self.seekers.remove(&key);
            } else {
                self.attempt(now, key, out);
            }
        }
    }

    fn broadcast(&self, key: Key, word: &Word, out: &mut Output) {
        let others = self.everyone.iter().filter(|node| **node != self.me);
        out.extend(others.map(|to| Effect::Send { to: *to, message: Message { key, word: word.clone() } }));
    }
}

impl Waiting {
    /// What it would have chosen.
    fn wish(&self) -> Option<Proposal> {
        match self.call {
            Call::Cas { expected: None, new, .. } => Some(Proposal { ticket: self.ticket, value: new }),
            _ => None,
        }
    }

    /// It is told that it waits in vain. What was proposed may yet be chosen; the rest has had no effect for certain.
    pub(super) fn let_go(self, refusal: &Refusal) -> Effect<Message, Record> {
        let outcome = if self.proposed {
            Outcome::Unknown(Doubt::Other("it was proposed, and nobody knows what became of it".to_owned()))
        } else {
            Outcome::Fail(refusal.clone())
        };
        Effect::Reply { id: self.id, outcome }
    }
}

/// What a client is told when this is chosen.
pub(super) fn answer(call: &Call, ticket: Ticket, Proposal { ticket: whose, value }: Proposal) -> Outcome {
    match call {
        Call::Read { .. } => Outcome::Ok(Reply::Read(Some(value))),
        Call::Cas { expected: None, .. } if ticket == whose => Outcome::Ok(Reply::Done),
        Call::Cas { expected, .. } if *expected == Some(value) => {
            Outcome::Fail(Refusal::Other("it was chosen for good".to_owned()))
        }
        Call::Cas { .. } => Outcome::Fail(Refusal::Mismatch { found: Some(value) }),
        _ => Outcome::Fail(Refusal::Unserved),
    }
}

impl Seeker {
    /// The attempt, if it is in its first phase, with who has promised.
    pub(super) fn promises(&self) -> Option<(Ballot, &[NodeId])> {
        match self.attempt.as_ref()? {
            Attempt { ballot, phase: Phase::One { promised, .. } } => Some((*ballot, promised.nodes())),
            Attempt { .. } => None,
        }
    }

    /// The attempt, if it is in its second phase, with who has accepted.
    pub(super) fn accepted(&self) -> Option<(Ballot, &[NodeId])> {
        match self.attempt.as_ref()? {
            Attempt { ballot, phase: Phase::Two { accepted, .. } } => Some((*ballot, accepted.nodes())),
            Attempt { .. } => None,
        }
    }
}
