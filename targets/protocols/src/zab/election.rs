//! Phase 0: who shall lead (ZooKeeper's fast leader election; Medeiros 2012).
//!
//! Everybody votes, first for itself, and tells all others. Who hears of a better candidate votes for that one from
//! then on and tells everybody so. The better candidate is the one with the later current epoch, then with the later
//! zxid: a quorum of nodes has everything that is committed, so the best of a quorum has it. When a quorum votes alike
//! and nobody better comes along for a moment, it is decided. Votes belong to rounds; who hears of a later round joins
//! it.
//!
//! This is only a good guess. Nothing of it is written down, and nothing but liveness depends on it: the leader looks at
//! the histories of a quorum again (phase 1) before it does anything.

use super::message::{Message, Stance, Vote};
use super::part::{Leading, Looking, Part, Phase};
use super::{Output, Zab};
use crate::{Effect, Flaw};
use history::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

impl<const SYNC: bool> Zab<SYNC> {
    /// Begins to look for a leader, in a new round.
    pub(super) fn look(&mut self, now: Time, out: &mut Output) {
        self.let_go(out);
        self.early.clear();
        self.round += 1;
        self.part = Part::Looking(self.own_votes());
        self.next = now + self.options.tempo.heartbeat;
        self.tell_vote(out);
        self.count_votes(now, out);
    }

    /// It votes for itself, and has heard nobody.
    pub(super) fn own_votes(&self) -> Looking {
        let vote = Vote { current: self.current, last: self.log.last(), leader: self.me };
        Looking { vote, votes: BTreeMap::from([(self.me, vote)]), settles: None }
    }

    /// The alarm rang while it looks: messages may have been lost, so all is said again.
    pub(super) fn tick_looking(&mut self, now: Time, out: &mut Output) {
        self.tell_vote(out);
        self.count_votes(now, out);
    }

    fn tell_vote(&self, out: &mut Output) {
        let Part::Looking(looking) = &self.part else { return };
        let message = Message::Notify { round: self.round, vote: looking.vote, stance: Stance::Looking };
        self.broadcast(&message, out);
    }

    /// Somebody says for whom it votes.
    pub(super) fn take_notify(
        &mut self,
        now: Time,
        from: NodeId,
        (round, vote, stance): (u64, Vote, Stance),
        out: &mut Output,
    ) {
        let Part::Looking(looking) = &mut self.part else {
            if stance == Stance::Looking {
                self.tell_stance(from, out);
            }
            return;
        };
        if stance == Stance::Leading {
            // It leads already, or is about to: there is nothing to vote about.
            return self.follow(now, from, out);
        }
        if round > self.round && stance == Stance::Looking {
            self.round = round;
            self.part = Part::Looking(self.own_votes());
            let Part::Looking(looking) = &mut self.part else { return };
            looking.votes.insert(from, vote);
            if self.is_better(vote) {
                self.prefer(vote);
            }
            self.tell_vote(out);
        } else if round == self.round {
            looking.votes.insert(from, vote);
            if self.is_better(vote) {
                self.prefer(vote);
                self.tell_vote(out);
            }
        } else if stance == Stance::Looking {
            // It is behind: let it join.
            let message = Message::Notify { round: self.round, vote: looking.vote, stance: Stance::Looking };
            out.push(Effect::Send { to: from, message });
        }
        self.count_votes(now, out);
    }

    /// Tells somebody who looks that the election is over here.
    fn tell_stance(&self, to: NodeId, out: &mut Output) {
        let (leader, stance) = match &self.part {
            Part::Leading(_) => (self.me, Stance::Leading),
            Part::Following(following) => (following.leader, Stance::Following),
            Part::Looking(_) | Part::Retired => return,
        };
        let vote = self.voted.filter(|vote| vote.leader == leader);
        if let Some(vote) = vote {
            out.push(Effect::Send { to, message: Message::Notify { round: self.round, vote, stance } });
        }
    }

    fn is_better(&self, vote: Vote) -> bool {
        let Part::Looking(looking) = &self.part else { return false };
        // FLAW elected-by-epoch: how much a candidate has in its epoch does not matter.
        if self.has(Flaw::ElectedByEpoch) {
            return (vote.current, vote.leader) > (looking.vote.current, looking.vote.leader);
        }
        vote > looking.vote
    }

    fn prefer(&mut self, vote: Vote) {
        let Part::Looking(looking) = &mut self.part else { return };
        (looking.vote, looking.settles) = (vote, None);
        looking.votes.insert(self.me, vote);
    }

    /// Decides, if a quorum votes as this node does, and has done so for a moment or is everybody.
    fn count_votes(&mut self, now: Time, out: &mut Output) {
        let (quorum, all) = (self.quorum(), self.peers.len());
        let Part::Looking(looking) = &mut self.part else { return };
        let alike = looking.votes.values().filter(|vote| **vote == looking.vote).count();
        if alike < quorum {
            looking.settles = None;
            return;
        }
        let settles = *looking.settles.get_or_insert(now + self.options.tempo.heartbeat);
        if alike < all && now < settles {
            self.next = self.next.min(settles);
            return;
        }
        let vote = looking.vote;
        self.voted = Some(vote);
        if vote.leader == self.me { self.lead(now, out) } else { self.follow(now, vote.leader, out) }
    }

    /// Elected: asks who follows.
    fn lead(&mut self, now: Time, out: &mut Output) {
        let leading = Leading {
            phase: Phase::Gathering,
            since: now,
            followers: BTreeMap::new(),
            persisted: 0,
            pledged: BTreeSet::new(),
            synchronised: BTreeSet::new(),
            origins: BTreeMap::new(),
        };
        self.part = Part::Leading(Box::new(leading));
        self.next = now + self.options.tempo.heartbeat;
        self.choose_epoch(now, out);
    }
}
