//! Two-phase commit between groups.
//!
//! The coordinator's memory is not needed for safety: what counts is the first [`Command::Decide`] in its group's log. If
//! it is lost before that, nobody can decide on *commit* any more, since it was the only one who had the votes; whoever
//! leads next and is asked decides on *abort* (presumed abort).

use super::command::{Command, Group, Txn};
use super::message::Message;
use super::shard::{Came, key_of};
use super::{GROUPS, Output, Sharded, shard_of};
use crate::{Effect, Flaw, RequestId};
use history::{Call, Doubt, Got, Mop, NodeId, Outcome, Refusal, Reply, Time};
use std::collections::BTreeMap;

/// A transaction that this node coordinates, as the leader of a group.
#[derive(Debug)]
pub(super) struct Coordinating {
    id: RequestId,
    pub(super) coordinator: Group,
    parts: BTreeMap<Group, Part>,
    /// How many parts the whole has.
    length: usize,
    since: Time,
    /// Whether a decision was offered to the log.
    deciding: bool,
}

/// What one group has to do with it.
#[derive(Debug, Default)]
struct Part {
    mops: Vec<Mop>,
    /// Where they stand in the whole.
    places: Vec<usize>,
    saw: Option<Vec<Got>>,
}

impl Sharded {
    /// A client wants several shards changed, or seen, at once.
    pub(super) fn coordinate(
        &mut self,
        now: Time,
        (id, txn): (RequestId, Txn),
        (coordinator, call): (Group, &Call),
        out: &mut Output,
    ) {
        let Call::Txn { mops } = call else { return };
        let mut parts: BTreeMap<Group, Part> = BTreeMap::new();
        for (place, mop) in mops.iter().enumerate() {
            let part = parts.entry(key_of(mop).map_or(coordinator, shard_of)).or_default();
            part.mops.push(mop.clone());
            part.places.push(place);
        }
        let length = mops.len();
        let coordinating = Coordinating { id, coordinator, parts, length, since: now, deciding: false };
        self.coordinating.insert(txn, coordinating);
        self.ask_for_votes(txn, out);
    }

    /// Sends those that have not voted what they are to prepare.
    fn ask_for_votes(&self, txn: Txn, out: &mut Output) {
        let Some(one) = self.coordinating.get(&txn) else { return };
        for (group, part) in one.parts.iter().filter(|(_, part)| part.saw.is_none()) {
            let (coordinator, mops) = (one.coordinator, part.mops.clone());
            self.tell_leader(*group, Message::Prepare { txn, group: *group, coordinator, mops }, out);
        }
    }

    /// A participant's leader is asked to prepare: through its log.
    pub(super) fn take_prepare(
        &mut self,
        txn: Txn,
        (group, coordinator): (Group, Group),
        mops: Vec<Mop>,
        out: &mut Output,
    ) {
        if !self.leads(group) {
            return;
        }
        // FLAW votes-unprepared: it will be in the log soon.
        if self.has(Flaw::VotesUnprepared)
            && let Some(shard) =
                self.shards.get(usize::from(group)).filter(|shard| shard.could_prepare(txn, &mops))
        {
            let saw = Some(shard.look(&mops));
            self.tell_leader(coordinator, Message::Vote { txn, group, saw }, out);
        }
        self.offer(group, &Command::Prepare { txn, coordinator, mops }, out);
    }

    /// A participant has voted. One *no* is enough; *yes* must be said by all.
    pub(super) fn take_vote(&mut self, txn: Txn, group: Group, saw: Option<Vec<Got>>, out: &mut Output) {
        let Some(one) = self.coordinating.get_mut(&txn).filter(|one| !one.deciding) else { return };
        let Some(part) = one.parts.get_mut(&group) else { return };
        match saw {
            None => self.decide(txn, false, out),
            Some(saw) => {
                part.saw = Some(saw);
                if one.parts.values().all(|part| part.saw.is_some()) {
                    self.decide(txn, true, out);
                }
            }
        }
    }

    /// The decision goes into the coordinator's log; nobody is told before it is committed there.
    fn decide(&mut self, txn: Txn, commit: bool, out: &mut Output) {
        let Some(one) = self.coordinating.get_mut(&txn) else { return };
        one.deciding = true;
        let coordinator = one.coordinator;
        // FLAW decision-forgotten: the coordinator knows it, that must do.
        if commit && self.has(Flaw::DecisionForgotten) {
            return self.conclude(txn, true, out);
        }
        self.offer(coordinator, &Command::Decide { txn, commit }, out);
    }

    /// It is decided: tells the client and the participants.
    fn conclude(&mut self, txn: Txn, commit: bool, out: &mut Output) {
        if let Some(one) = self.coordinating.remove(&txn) {
            let outcome = if commit { one.gots() } else { Outcome::Fail(Refusal::Aborted) };
            out.push(Effect::Reply { id: one.id, outcome });
        }
        for to in self.everyone.clone() {
            out.push(Effect::Send { to, message: Message::Outcome { txn, commit } });
        }
    }

    /// How a transaction ended, for every group that this node leads and that waits for it.
    pub(super) fn take_outcome(&mut self, txn: Txn, commit: bool, out: &mut Output) {
        for group in 0..GROUPS {
            if self.leads(group) && self.shards[usize::from(group)].prepared.contains_key(&txn) {
                self.finish(group, txn, commit, out);
            }
        }
    }

    fn finish(&mut self, group: Group, txn: Txn, commit: bool, out: &mut Output) {
        if self.finishing.insert((group, txn)) {
            self.offer(group, &Command::Finish { txn, commit }, out);
        }
    }

    /// Somebody waits for a decision of the group that this node leads. If nobody is at work on it, nobody will ever be.
    pub(super) fn take_ask(&mut self, from: NodeId, txn: Txn, coordinator: Group, out: &mut Output) {
        let Some(shard) = self.shards.get(usize::from(coordinator)).filter(|_| self.leads(coordinator))
        else {
            return;
        };
        match shard.decided.get(&txn) {
            Some(commit) => {
                let message = Message::Outcome { txn, commit: *commit };
                out.push(Effect::Send { to: from, message });
            }
            None if self.coordinating.contains_key(&txn) => {}
            None => {
                self.offer(coordinator, &Command::Decide { txn, commit: false }, out);
            }
        }
    }

    /// A command of the log was applied, and this is what came of it.
    pub(super) fn react(&mut self, group: Group, (index, term): (u64, u64), came: Came, out: &mut Output) {
        let leads = self.leads(group);
        match came {
            Came::Done(outcome) => {
                if let Some((asked, id)) = self.asked.remove(&(group, index)) {
                    let ours = asked == term;
                    let outcome = if ours { outcome } else { Outcome::Unknown(Doubt::Deposed) };
                    out.push(Effect::Reply { id, outcome });
                }
            }
            Came::Voted { txn, coordinator, saw } if leads => {
                self.tell_leader(coordinator, Message::Vote { txn, group, saw }, out);
            }
            Came::Decided { txn, commit } => {
                self.ended.push((txn, commit));
                if leads {
                    self.conclude(txn, commit, out);
                }
            }
            Came::Finished { txn } => {
                self.finishing.remove(&(group, txn));
                let end = self.shards.get(usize::from(group)).and_then(|shard| shard.finished.get(&txn));
                self.ended.extend(end.map(|commit| (txn, *commit)));
            }
            Came::Voted { .. } => {}
        }
    }

    /// From time to time: asks again for votes that did not come, and for decisions.
    pub(super) fn tick(&mut self, now: Time, out: &mut Output) {
        self.next_tick = now + self.options.tempo.heartbeat * 2;
        let patience = self.options.tempo.election * 2;
        let undecided = self.coordinating.iter().filter(|(_, one)| !one.deciding);
        let undecided: Vec<(Txn, Time)> = undecided.map(|(txn, one)| (*txn, one.since)).collect();
        for (txn, since) in undecided {
            if now >= since + patience { self.decide(txn, false, out) } else { self.ask_for_votes(txn, out) }
        }
        let mut waited = std::mem::take(&mut self.waited);
        let mut waiting = BTreeMap::new();
        let led: Vec<Group> = (0..GROUPS).filter(|group| self.leads(*group)).collect();
        for group in led {
            let prepared = &self.shards[usize::from(group)].prepared;
            let prepared: Vec<(Txn, Group)> =
                prepared.iter().map(|(txn, one)| (*txn, one.coordinator)).collect();
            for (txn, coordinator) in prepared {
                let ticks = waited.remove(&(group, txn)).unwrap_or(0) + 1;
                waiting.insert((group, txn), ticks);
                // FLAW aborts-alone: half a second is long enough.
                if self.has(Flaw::AbortsAlone) && ticks > 5 {
                    self.finish(group, txn, false, out);
                } else if ticks > 1 {
                    self.tell_leader(coordinator, Message::Ask { txn, coordinator }, out);
                }
            }
        }
        self.waited = waiting;
    }

    /// This node leads the group no more: nothing that it remembers as its leader means anything.
    pub(super) fn depose(&mut self, group: Group, out: &mut Output) {
        self.finishing.retain(|(of, _)| *of != group);
        self.asked.retain(|(of, _), (_, id)| {
            if *of == group {
                out.push(Effect::Reply { id: *id, outcome: Outcome::Unknown(Doubt::Deposed) });
            }
            *of != group
        });
        self.coordinating.retain(|_, one| {
            if one.coordinator == group {
                // If no decision was offered, none but an abort ever will be: the votes were in this memory alone.
                let outcome = match one.deciding {
                    true => Outcome::Unknown(Doubt::Deposed),
                    false => Outcome::Fail(Refusal::Aborted),
                };
                out.push(Effect::Reply { id: one.id, outcome });
            }
            one.coordinator != group
        });
    }
}

impl Coordinating {
    /// What all of them saw, in the order in which it was asked.
    fn gots(&self) -> Outcome {
        let mut gots = vec![Got::Done; self.length];
        for part in self.parts.values() {
            for (place, got) in part.places.iter().zip(part.saw.iter().flatten()) {
                if let Some(at) = gots.get_mut(*place) {
                    *at = got.clone();
                }
            }
        }
        Outcome::Ok(Reply::Txn(gots))
    }
}
