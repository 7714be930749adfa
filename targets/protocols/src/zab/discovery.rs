//! Phases 1 and 2: an epoch is found that is later than all before, and then a quorum has the history with which it
//! begins (DSN 2011; Medeiros 2012).
//!
//! **Discovery.** A follower says which epoch it accepted last. The leader takes one that is later than those of a
//! quorum. Who accepts it writes that down and takes part in no earlier one any more, so from the moment a quorum has
//! accepted it, nothing can be committed in an earlier epoch. With its acceptance each says what it has. If somebody has
//! more than the leader, the election was wrong, and the leader gives up; else its own history has everything that was or
//! could ever be committed before.
//!
//! Two leaders may choose the same epoch. They cannot both be accepted by a quorum, because a node counts for one only
//! once: after a restart, or for another leader, it answers that the epoch is not *fresh*, which gives it the leader's
//! history and gives the leader no voice.
//!
//! **Synchronisation.** A follower is sent what it lacks, and where its own history must be cut before that. It makes
//! the history and the epoch its own in one record: with the epoch but not the history it would be preferred to nodes
//! that have more (ZOOKEEPER-4643). Once a quorum has acknowledged it durably, all of that history is committed, and the
//! leader is the epoch's primary.
//!
//! The paper sends whole histories. We send where each epoch ends: those of one primary are a prefix of one another, so
//! that says where two histories part.

use super::log::{Txn, Zxid};
use super::message::Message;
use super::part::{Follower, Following, Part, Phase, Stage};
use super::record::Record;
use super::{Output, Zab};
use crate::{Effect, Flaw};
use history::{NodeId, Time};

impl<const SYNC: bool> Zab<SYNC> {
    /// Follows `leader`, on a new connection.
    pub(super) fn follow(&mut self, now: Time, leader: NodeId, out: &mut Output) {
        let election = self.options.tempo.election;
        self.early.clear();
        self.part = Part::Following(Following {
            leader,
            link: self.chance.bits(),
            stage: Stage::Knocking,
            heard: now,
            patience: self.chance.span(election, election * 2),
            told: Zxid::default(),
            lagged: None,
        });
        self.voted = self.voted.filter(|vote| vote.leader == leader);
        self.next = now + self.options.tempo.heartbeat;
        self.say_where_it_is(out);
    }

    /// Tells the leader what it is to hear from this follower now. Said again until it is answered.
    pub(super) fn say_where_it_is(&self, out: &mut Output) {
        let Part::Following(following) = &self.part else { return };
        let link = following.link;
        let message = match following.stage {
            Stage::Knocking => Message::FollowerInfo { link, accepted: self.accepted },
            Stage::Pledged { epoch, fresh } => {
                Message::AckEpoch { link, epoch, fresh, current: self.current, ends: self.log.ends() }
            }
            Stage::Synchronised(epoch) => Message::AckLeader { link, epoch, last: self.log.last() },
            Stage::Serving(_) => return,
        };
        out.push(Effect::Send { to: following.leader, message });
    }

    /// A follower knocks.
    pub(super) fn take_knock(
        &mut self,
        now: Time,
        from: NodeId,
        (link, accepted): (u64, u64),
        out: &mut Output,
    ) {
        let Part::Leading(leading) = &mut self.part else { return };
        let epoch = leading.phase.epoch();
        if epoch.is_some_and(|epoch| accepted > epoch) {
            // It can never follow in this epoch, so there must be another one.
            return self.look(now, out);
        }
        let known = leading.followers.get_mut(&from).filter(|follower| follower.link == link);
        match known {
            Some(follower) => follower.heard = now,
            None => {
                let follower = Follower { link, accepted, heard: now, ends: None, fed: false, acked: None };
                leading.followers.insert(from, follower);
            }
        }
        match epoch {
            Some(epoch) => out.push(Effect::Send { to: from, message: Message::NewEpoch { link, epoch } }),
            None => self.choose_epoch(now, out),
        }
    }

    /// Chooses the epoch, once a quorum, with itself, has said what it accepted.
    pub(super) fn choose_epoch(&mut self, now: Time, out: &mut Output) {
        let quorum = self.quorum();
        let Part::Leading(leading) = &mut self.part else { return };
        if leading.phase != Phase::Gathering || leading.followers.len() + 1 < quorum {
            return;
        }
        let accepted = leading.followers.values().map(|follower| follower.accepted);
        let epoch = accepted.fold(self.accepted, u64::max) + 1;
        leading.phase = Phase::Discovery(epoch);
        leading.since = now;
        for (to, follower) in &leading.followers {
            let message = Message::NewEpoch { link: follower.link, epoch };
            out.push(Effect::Send { to: *to, message });
        }
        self.accept(epoch, out);
        // Behind the record: its own voice counts when it is durable, like every other.
        let own = Message::AckEpoch { link: 0, epoch, fresh: true, current: self.current, ends: Vec::new() };
        out.push(Effect::Send { to: self.me, message: own });
    }

    fn accept(&mut self, epoch: u64, out: &mut Output) {
        self.accepted = epoch;
        // FLAW accepted-epoch-not-persisted: nothing is written.
        if !self.has(Flaw::AcceptedEpochNotPersisted) {
            out.push(Effect::Persist(Record::Accepted { epoch }));
        }
    }

    /// The leader has chosen an epoch.
    pub(super) fn take_new_epoch(
        &mut self,
        now: Time,
        from: NodeId,
        (link, epoch): (u64, u64),
        out: &mut Output,
    ) {
        let accepted = self.accepted;
        let Some(following) = self.following(from, link) else { return };
        if following.stage != Stage::Knocking {
            return;
        }
        following.heard = now;
        if epoch < accepted {
            return self.look(now, out);
        }
        following.stage = Stage::Pledged { epoch, fresh: epoch > accepted };
        if epoch > accepted {
            self.accept(epoch, out);
        }
        self.say_where_it_is(out);
    }

    /// Somebody accepted the epoch: this leader's own voice, behind its record, or a follower.
    pub(super) fn take_ack_epoch(
        &mut self,
        now: Time,
        from: NodeId,
        (link, epoch, fresh): (u64, u64, bool),
        (current, ends): (u64, Vec<Zxid>),
        out: &mut Output,
    ) {
        let (me, quorum, own) = (self.me, self.quorum(), (self.current, self.log.last()));
        let by_epoch = self.has(Flaw::ElectedByEpoch);
        let Part::Leading(leading) = &mut self.part else { return };
        if leading.phase.epoch() != Some(epoch) {
            return;
        }
        if from != me {
            let Some(follower) = leading.followers.get_mut(&from).filter(|follower| follower.link == link)
            else {
                return;
            };
            follower.heard = now;
            let last = ends.last().copied().unwrap_or_default();
            follower.ends = Some(ends);
            // FLAW elected-by-epoch: nor does it look here who has more.
            let ahead = if by_epoch { current > own.0 } else { (current, last) > own };
            if leading.phase == Phase::Discovery(epoch) && ahead {
                return self.look(now, out);
            }
        }
        if fresh {
            leading.pledged.insert(from);
        }
        match leading.phase {
            Phase::Discovery(_) if leading.pledged.len() >= quorum => self.synchronise(now, epoch, out),
            Phase::Synchronisation(_) | Phase::Broadcast(_) if from != me => self.send_history(from, out),
            _ => {}
        }
    }

    /// A quorum has accepted the epoch: its history is what this leader has.
    fn synchronise(&mut self, now: Time, epoch: u64, out: &mut Output) {
        let Part::Leading(leading) = &mut self.part else { return };
        leading.phase = Phase::Synchronisation(epoch);
        let pledged: Vec<NodeId> = leading.followers.keys().copied().collect();
        for to in pledged {
            self.send_history(to, out);
        }
        let last = self.log.last();
        self.enter(epoch, last, Vec::new(), out);
        out.push(Effect::Send { to: self.me, message: Message::AckLeader { link: 0, epoch, last } });
        // FLAW broadcast-before-synchronisation: a quorum accepted the epoch, that must do.
        if self.has(Flaw::BroadcastBeforeSynchronisation) {
            self.establish(now, epoch, out);
        }
    }

    /// Sends a follower the epoch's history, as far as it is known what the follower has.
    fn send_history(&mut self, to: NodeId, out: &mut Output) {
        let Part::Leading(leading) = &mut self.part else { return };
        let Some(epoch) = leading.phase.epoch() else { return };
        let Some(follower) = leading.followers.get_mut(&to) else { return };
        let Some(ends) = &follower.ends else { return };
        let common = self.log.in_common(ends);
        follower.fed = true;
        let (keep, txns) = (self.log.zxid(common), self.log.after(common).to_vec());
        let message = Message::NewLeader { link: follower.link, epoch, keep, txns };
        out.push(Effect::Send { to, message });
    }

    /// The leader sends the history with which its epoch begins.
    pub(super) fn take_new_leader(
        &mut self,
        now: Time,
        from: NodeId,
        (link, epoch): (u64, u64),
        (keep, txns): (Zxid, Vec<Txn>),
        out: &mut Output,
    ) {
        let Some(following) = self.following(from, link) else { return };
        following.heard = now;
        match following.stage {
            Stage::Pledged { epoch: pledged, .. } if pledged == epoch => {
                following.stage = Stage::Synchronised(epoch);
                self.enter(epoch, keep, txns, out);
                self.take_early(out);
                self.say_where_it_is(out);
            }
            // It came twice, since the answer was late.
            Stage::Synchronised(current) if current == epoch => self.say_where_it_is(out),
            _ => {}
        }
    }

    /// Makes the history of an epoch its own: what comes after `keep` is `txns`.
    fn enter(&mut self, epoch: u64, mut keep: Zxid, mut txns: Vec<Txn>, out: &mut Output) {
        // FLAW history-not-cut: what the leader does not have stays, and what comes before that never arrives.
        if self.has(Flaw::HistoryNotCut) {
            keep = self.log.last();
            txns.retain(|txn| txn.zxid > keep);
        }
        self.current = epoch;
        self.log.cut(self.log.up_to(keep));
        self.applied = self.applied.min(self.log.len());
        txns.iter().for_each(|txn| self.log.push(txn.clone()));
        if self.has(Flaw::EpochBeforeHistory) {
            // FLAW epoch-before-history: the epoch is written down, and the history later.
            out.push(Effect::Persist(Record::Entered { epoch, keep, txns: Vec::new() }));
            self.owed = txns;
        } else if self.has(Flaw::CurrentEpochNotPersisted) {
            // FLAW current-epoch-not-persisted: the history is written down, and the epoch is not.
            let epoch = self.written;
            out.push(Effect::Persist(Record::Entered { epoch, keep, txns }));
        } else {
            out.push(Effect::Persist(Record::Entered { epoch, keep, txns }));
        }
    }

    /// Somebody has the epoch's history durably: this leader itself, or a follower.
    pub(super) fn take_ack_leader(
        &mut self,
        now: Time,
        from: NodeId,
        (link, epoch, last): (u64, u64, Zxid),
        out: &mut Output,
    ) {
        let (me, quorum, length) = (self.me, self.quorum(), self.log.up_to(last));
        let Part::Leading(leading) = &mut self.part else { return };
        if leading.phase.epoch() != Some(epoch) {
            return;
        }
        if from == me {
            leading.persisted = leading.persisted.max(length);
        } else {
            let Some(follower) = leading.followers.get_mut(&from).filter(|follower| follower.link == link)
            else {
                return;
            };
            follower.heard = now;
            follower.acked = follower.acked.max(Some(length));
        }
        leading.synchronised.insert(from);
        match leading.phase {
            Phase::Synchronisation(_) if leading.synchronised.len() >= quorum => {
                self.establish(now, epoch, out);
            }
            Phase::Broadcast(_) => {
                if from != me {
                    self.bring_up_to_date(from, out);
                }
                self.advance(out);
            }
            _ => {}
        }
    }

    /// A quorum has the epoch's history, so all of it is committed, and this leader is the epoch's primary.
    fn establish(&mut self, now: Time, epoch: u64, out: &mut Output) {
        let Part::Leading(leading) = &mut self.part else { return };
        leading.phase = Phase::Broadcast(epoch);
        leading.since = now;
        let synchronised: Vec<NodeId> = leading.synchronised.iter().copied().collect();
        self.deliver_up_to(self.log.len(), out);
        for to in synchronised {
            self.bring_up_to_date(to, out);
        }
    }

    fn bring_up_to_date(&self, to: NodeId, out: &mut Output) {
        let Part::Leading(leading) = &self.part else { return };
        let (Some(epoch), Some(follower)) = (leading.phase.epoch(), leading.followers.get(&to)) else {
            return;
        };
        let committed = self.log.zxid(self.applied);
        out.push(Effect::Send { to, message: Message::UpToDate { link: follower.link, epoch, committed } });
    }

    /// The leader says that a quorum has the epoch's history: this follower may serve.
    pub(super) fn take_up_to_date(
        &mut self,
        now: Time,
        from: NodeId,
        (link, epoch, committed): (u64, u64, Zxid),
        out: &mut Output,
    ) {
        let Some(following) = self.following(from, link) else { return };
        following.heard = now;
        if following.stage == Stage::Synchronised(epoch) {
            following.stage = Stage::Serving(epoch);
            following.told = following.told.max(committed);
            self.deliver(out);
        }
    }

    /// What it knows of its leader, if that is `from`, on this connection.
    fn following(&mut self, from: NodeId, link: u64) -> Option<&mut Following> {
        match &mut self.part {
            Part::Following(following) if following.leader == from && following.link == link => {
                Some(following)
            }
            _ => None,
        }
    }
}
