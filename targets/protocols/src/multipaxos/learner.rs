//! The learner: what is chosen, in order, and what comes of it (PMS §2.3 and §3).
//!
//! A leader says up to which slot everything is chosen. What a follower has accepted for such a slot *under that
//! leader's ballot* is chosen, since a ballot has one value for a slot. What it has not, or only under another ballot,
//! it asks for, whole runs of slots at a time, and writes down as chosen.

use super::message::{Command, Message};
use super::part::Part;
use super::record::Record;
use super::{MultiPaxos, Output};
use crate::paxos::Ballot;
use crate::{Effect, Flaw};
use history::{NodeId, Time};

impl MultiPaxos {
    /// All slots up to this one are known to be chosen, and applied.
    pub(super) fn prefix(&self) -> u64 {
        self.log.len() as u64
    }

    /// This is chosen for the slot after the prefix: applies it, and answers whoever waits for it.
    pub(super) fn choose(&mut self, command: Command, out: &mut Output) {
        let slot = self.prefix() + 1;
        self.accepted.remove(&slot);
        let client = match &mut self.part {
            Part::Leader(leader) => leader.proposals.remove(&slot).and_then(|proposal| proposal.client),
            _ => None,
        };
        if let Command::Call { ticket, call, at } = &command {
            let outcome = self.store.apply(*ticket, call, *at);
            if let Some(id) = client {
                out.push(Effect::Reply { id, outcome });
            }
        }
        self.log.push(command);
    }

    /// The leader with this ballot says that all slots up to `chosen` are chosen.
    pub(super) fn learn_up_to(&mut self, ballot: Ballot, chosen: u64, out: &mut Output) {
        while self.prefix() < chosen {
            let Some((by, command)) = self.accepted.get(&(self.prefix() + 1)) else { return };
            // FLAW learns-any-ballot: what it has accepted for a slot that is chosen must be what is chosen.
            if *by != ballot && !self.has(Flaw::LearnsAnyBallot) {
                return;
            }
            self.choose(command.clone(), out);
        }
    }

    /// Asks the leader for what it cannot know by itself; not twice within a heartbeat.
    pub(super) fn catch_up(&mut self, now: Time, out: &mut Output) {
        let Part::Follower(Some(following)) = &self.part else { return };
        let asked = self.asked.is_some_and(|at| now < at + self.options.tempo.heartbeat);
        if self.prefix() < following.chosen && !asked {
            self.asked = Some(now);
            let message = Message::Learn { after: self.prefix() };
            out.push(Effect::Send { to: following.ballot.node, message });
        }
    }

    /// Tells `to` what is chosen after this slot, as far as one message goes.
    pub(super) fn teach(&self, to: NodeId, after: u64, out: &mut Output) {
        let from = self.log.iter().skip(after as usize);
        let commands: Vec<Command> = from.take(Self::REACH as usize).cloned().collect();
        if !commands.is_empty() {
            out.push(Effect::Send { to, message: Message::Chosen { after, commands } });
        }
    }

    /// Somebody who knows says what is chosen.
    pub(super) fn learn(&mut self, after: u64, commands: Vec<Command>, out: &mut Output) {
        let known = self.prefix();
        if after > known {
            return;
        }
        let news: Vec<Command> = commands.into_iter().skip((known - after) as usize).collect();
        if !news.is_empty() {
            out.push(Effect::Persist(Record::Chosen { after: known, commands: news.clone() }));
            news.into_iter().for_each(|command| self.choose(command, out));
        }
    }

    /// What it asked for came, or a part of it.
    pub(super) fn take_chosen(&mut self, now: Time, after: u64, commands: Vec<Command>, out: &mut Output) {
        let before = self.prefix();
        self.learn(after, commands, out);
        if let Part::Follower(Some(following)) = &self.part {
            let (ballot, chosen) = (following.ballot, following.chosen);
            self.learn_up_to(ballot, chosen, out);
        }
        if self.prefix() > before {
            self.asked = None;
            self.catch_up(now, out);
            self.go_on(now, out);
        }
    }
}
