//! The acceptor: what each node promises and accepts (PMS §2.2, phases 1b and 2b).

use super::message::{Command, Message, Pvalue};
use super::part::{Following, Part};
use super::record::Record;
use super::{MultiPaxos, Output};
use crate::paxos::Ballot;
use crate::{Effect, Flaw};
use history::{NodeId, Time};

impl MultiPaxos {
    /// So many slots that are chosen go into one message at most.
    pub(super) const REACH: u64 = 256;

    /// The lowest ballot to which it still listens: that which it promised, or a higher one whose leader it has
    /// heard.
    pub(super) fn bar(&self) -> Ballot {
        match &self.part {
            Part::Follower(Some(following)) => self.promised.max(following.ballot),
            _ => self.promised,
        }
    }

    /// 1a came: promises not to accept a lower ballot from now on, and tells what it has accepted.
    pub(super) fn answer_prepare(
        &mut self,
        now: Time,
        from: NodeId,
        (ballot, after): (Ballot, u64),
        out: &mut Output,
    ) {
        if ballot < self.bar() {
            return self.refuse(from, ballot, out);
        }
        if self.prefix() > after + Self::REACH {
            // More than one message can tell: first it must learn, then it may lead.
            return self.teach(from, after, out);
        }
        if ballot > self.promised {
            self.promised = ballot;
            self.step_down(now, out);
            self.rest(now);
            // FLAW promise-forgotten: it is not written down.
            if !self.has(Flaw::PromiseForgotten) {
                out.push(Effect::Persist(Record::Promised(ballot)));
            }
        }
        out.push(Effect::Send { to: from, message: self.promise(ballot, after) });
    }

    /// What it promises with, beyond the ballot.
    pub(super) fn promise(&self, ballot: Ballot, after: u64) -> Message {
        let chosen = self.log.iter().skip(after as usize).cloned().collect();
        let beyond = self.accepted.range(after + 1..);
        let accepted = beyond.map(|(slot, (ballot, command))| Pvalue {
            slot: *slot,
            ballot: *ballot,
            command: command.clone(),
        });
        Message::Promise { ballot, after, chosen, accepted: accepted.collect() }
    }

    /// 2a came.
    pub(super) fn answer_accept(
        &mut self,
        now: Time,
        from: NodeId,
        (ballot, entries): (Ballot, Vec<(u64, Command)>),
        chosen: u64,
        out: &mut Output,
    ) {
        // FLAW accept-below-promise: a promise binds nobody.
        if ballot < self.bar() && !self.has(Flaw::AcceptBelowPromise) {
            return self.refuse(from, ballot, out);
        }
        self.follow(now, ballot, chosen, out);
        self.accept(from, ballot, entries, out);
        self.learn_up_to(ballot, chosen, out);
    }

    /// 2b: accepts, and says so once that is durable.
    pub(super) fn accept(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        entries: Vec<(u64, Command)>,
        out: &mut Output,
    ) {
        let slots: Vec<u64> = entries.iter().map(|(slot, _)| *slot).collect();
        let known = self.prefix();
        // What is chosen need not be accepted again; but that it is chosen must not be forgotten then.
        let relies = slots.iter().any(|slot| *slot <= known);
        let is_news = |(slot, _): &(u64, Command)| {
            *slot > known && self.accepted.get(slot).is_none_or(|(by, _)| *by != ballot)
        };
        let news: Vec<(u64, Command)> = entries.into_iter().filter(is_news).collect();
        if !news.is_empty() || relies {
            self.promised = self.promised.max(ballot);
            let accepted = news.iter().map(|(slot, command)| (*slot, (ballot, command.clone())));
            self.accepted.extend(accepted);
            // FLAW accept-forgotten: only the promise in it is written down.
            let entries = if self.has(Flaw::AcceptForgotten) { Vec::new() } else { news };
            out.push(Effect::Persist(Record::Accepted { chosen: known, ballot, entries }));
        }
        out.push(Effect::Send { to: from, message: Message::Accepted { ballot, slots } });
    }

    /// The leader shows that it lives.
    pub(super) fn answer_heartbeat(
        &mut self,
        now: Time,
        (from, ballot): (NodeId, Ballot),
        (chosen, round): (u64, u64),
        out: &mut Output,
    ) {
        if ballot < self.bar() {
            return self.refuse(from, ballot, out);
        }
        self.follow(now, ballot, chosen, out);
        self.learn_up_to(ballot, chosen, out);
        out.push(Effect::Send { to: from, message: Message::Alive { ballot, round } });
        self.catch_up(now, out);
    }

    /// Takes whoever made this ballot for the leader, as of `now`. It is no lower than any that this node promised.
    fn follow(&mut self, now: Time, ballot: Ballot, chosen: u64, out: &mut Output) {
        let before = match &self.part {
            Part::Follower(Some(following)) if following.ballot == ballot => following.chosen,
            _ => 0,
        };
        self.step_down(now, out);
        self.highest = self.highest.max(ballot);
        self.part = Part::Follower(Some(Following { ballot, heard: now, chosen: chosen.max(before) }));
        self.deadline = now + self.patience;
    }

    fn refuse(&self, to: NodeId, ballot: Ballot, out: &mut Output) {
        out.push(Effect::Send { to, message: Message::Refuse { ballot, promised: self.bar() } });
    }
}
