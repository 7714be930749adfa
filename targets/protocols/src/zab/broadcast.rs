//! Phase 3: transactions are broadcast, in the order of their zxids (DSN 2011).
//!
//! The primary numbers a transaction, sends it to all who have the epoch's history, and commits it, with all before it,
//! once a quorum holds it durably. A follower takes transactions strictly in order: one that comes too early waits until
//! those before it have come. (The paper's channels deliver in order and lose nothing while they are open; ours lose,
//! repeat and reorder, so the numbers put things in order, and what is missing is asked for after a ping.)
//!
//! Commits say how far, so one that was lost is made up for by the next, or by the next ping.

use super::log::{Command, Txn, Zxid};
use super::message::Message;
use super::part::{Part, Phase, Stage};
use super::record::Record;
use super::{Output, Zab};
use crate::{Effect, Flaw, Reading};
use history::{NodeId, Time};

/// So many transactions are sent again at a time.
const BATCH: usize = 200;

impl<const SYNC: bool> Zab<SYNC> {
    /// The primary makes a transaction.
    pub(super) fn propose(&mut self, mut command: Command, out: &mut Output) {
        let Part::Leading(leading) = &self.part else { return };
        let Phase::Broadcast(epoch) = leading.phase else { return };
        let last = self.log.last();
        let counter = if last.epoch == epoch { last.counter + 1 } else { 1 };
        if let Command::Call { call, at, .. } = &mut command {
            *at = Reading::of(call, epoch, self.now);
        }
        let txn = Txn { zxid: Zxid { epoch, counter }, command };
        let fed = leading.followers.iter().filter(|(_, follower)| follower.fed);
        for (to, _) in fed {
            let message = Message::Propose { epoch, txns: vec![txn.clone()] };
            out.push(Effect::Send { to: *to, message });
        }
        self.log.push(txn.clone());
        let last = txn.zxid;
        out.push(Effect::Persist(Record::Append { txn }));
        out.push(Effect::Send { to: self.me, message: Message::Ack { epoch, last } });
    }

    /// The leader sends transactions.
    pub(super) fn take_propose(
        &mut self,
        now: Time,
        from: NodeId,
        (epoch, txns): (u64, Vec<Txn>),
        out: &mut Output,
    ) {
        let Part::Following(following) = &mut self.part else { return };
        let pledged = matches!(following.stage, Stage::Pledged { epoch: pledged, .. } if pledged == epoch);
        if following.leader != from || !(pledged || following.stage.synchronised() == Some(epoch)) {
            return;
        }
        following.heard = now;
        let last = self.log.last();
        self.early.extend(txns.into_iter().filter(|txn| txn.zxid > last).map(|txn| (txn.zxid, txn)));
        if !pledged {
            self.take_early(out);
            out.push(Effect::Send { to: from, message: Message::Ack { epoch, last: self.log.last() } });
        }
    }

    /// Takes the transactions whose turn it is.
    pub(super) fn take_early(&mut self, out: &mut Output) {
        let careless = self.has(Flaw::GapsAccepted);
        while let Some(entry) = self.early.first_entry() {
            let last = self.log.last();
            let zxid = *entry.key();
            // FLAW gaps-accepted: whatever is later than what it has comes next.
            if zxid > last && !zxid.follows(last) && !careless {
                break;
            }
            let txn = entry.remove();
            if zxid > last {
                self.log.push(txn.clone());
                out.push(Effect::Persist(Record::Append { txn }));
            }
        }
        self.deliver(out);
    }

    /// Somebody's history is durable so far: this leader's own, or a follower's.
    pub(super) fn take_ack(&mut self, now: Time, from: NodeId, (epoch, last): (u64, Zxid), out: &mut Output) {
        let (me, length) = (self.me, self.log.up_to(last));
        let Part::Leading(leading) = &mut self.part else { return };
        if leading.phase != Phase::Broadcast(epoch) {
            return;
        }
        if from == me {
            leading.persisted = leading.persisted.max(length);
        } else if let Some(follower) = leading.followers.get_mut(&from)
            && follower.acked.is_some()
        {
            follower.heard = now;
            follower.acked = follower.acked.max(Some(length));
        }
        self.advance(out);
    }

    /// Commits what a quorum holds.
    pub(super) fn advance(&mut self, out: &mut Output) {
        let Part::Leading(leading) = &self.part else { return };
        let Phase::Broadcast(epoch) = leading.phase else { return };
        let copies = leading.followers.values().filter_map(|follower| follower.acked);
        let mut copies: Vec<usize> = copies.chain([leading.persisted]).collect();
        copies.sort_unstable_by(|one, other| other.cmp(one));
        let Some(&agreed) = copies.get(self.quorum() - 1) else { return };
        if agreed <= self.applied {
            return;
        }
        let zxid = self.log.zxid(agreed);
        let fed = leading.followers.iter().filter(|(_, follower)| follower.acked.is_some());
        for (to, _) in fed {
            out.push(Effect::Send { to: *to, message: Message::Commit { epoch, zxid } });
        }
        self.deliver_up_to(agreed, out);
    }

    /// The leader says how far everything is committed.
    pub(super) fn take_commit(
        &mut self,
        now: Time,
        from: NodeId,
        (epoch, zxid): (u64, Zxid),
        out: &mut Output,
    ) {
        let Part::Following(following) = &mut self.part else { return };
        if following.leader == from && following.stage.synchronised() == Some(epoch) {
            following.heard = now;
            following.told = following.told.max(zxid);
            self.deliver(out);
        }
    }

    /// Delivers what this follower has of what is committed.
    pub(super) fn deliver(&mut self, out: &mut Output) {
        let Part::Following(following) = &self.part else { return };
        if let Stage::Serving(_) = following.stage {
            self.deliver_up_to(self.log.up_to(following.told), out);
        }
    }

    /// The leader lives.
    pub(super) fn take_ping(
        &mut self,
        now: Time,
        from: NodeId,
        (epoch, last, committed): (u64, Zxid, Zxid),
        out: &mut Output,
    ) {
        let own = self.log.last();
        let Part::Following(following) = &mut self.part else { return };
        if following.leader != from || following.stage.synchronised() != Some(epoch) {
            return;
        }
        // What is on its way may be a little behind the ping; what still lacks at the next one was lost.
        let lacks = last > own;
        let lost = lacks && following.lagged == Some(own);
        following.lagged = lacks.then_some(own);
        out.push(Effect::Send { to: from, message: Message::Ack { epoch, last: own } });
        if lost {
            out.push(Effect::Send { to: from, message: Message::Missing { epoch, after: own } });
        }
        self.take_commit(now, from, (epoch, committed), out);
    }

    /// A follower lacks something.
    pub(super) fn take_missing(&mut self, from: NodeId, (epoch, after): (u64, Zxid), out: &mut Output) {
        let Part::Leading(leading) = &self.part else { return };
        if leading.phase != Phase::Broadcast(epoch) || !leading.followers.contains_key(&from) {
            return;
        }
        let txns = self.log.after(self.log.up_to(after));
        let txns = txns[..txns.len().min(BATCH)].to_vec();
        out.push(Effect::Send { to: from, message: Message::Propose { epoch, txns } });
    }

    /// The alarm rang while it leads: it shows that it lives, and looks whether a quorum does.
    pub(super) fn tick_leading(&mut self, now: Time, out: &mut Output) {
        let (quorum, election) = (self.quorum(), self.options.tempo.election);
        // FLAW sync-without-quorum: a leader never doubts itself.
        let sure = self.has(Flaw::SyncWithoutQuorum);
        let Part::Leading(leading) = &self.part else { return };
        let heard = leading.followers.values().filter(|follower| now < follower.heard + election).count();
        let patient = now < leading.since + election;
        let late = !matches!(leading.phase, Phase::Broadcast(_)) && now >= leading.since + election * 4;
        if late || !(patient || heard + 1 >= quorum || sure) {
            return self.look(now, out);
        }
        let Phase::Broadcast(epoch) = leading.phase else { return };
        let (last, committed) = (self.log.last(), self.log.zxid(self.applied));
        for (to, follower) in &leading.followers {
            if follower.acked.is_some() {
                let message = Message::Ping { epoch, last, committed };
                out.push(Effect::Send { to: *to, message });
            }
        }
    }

    /// The alarm rang while it follows.
    pub(super) fn tick_following(&mut self, now: Time, out: &mut Output) {
        let Part::Following(following) = &self.part else { return };
        if now >= following.heard + following.patience {
            return self.look(now, out);
        }
        self.say_where_it_is(out);
    }
}
