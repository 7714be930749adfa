//! What a primary does: takes calls, brings its log to everyone, answers.

use super::message::{Entry, Message, Record};
use super::{Output, Part, PrimaryBackup};
use crate::{Effect, Flaw, Reading, RequestId};
use history::{Call, NodeId, Outcome, Refusal, Ticket, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// So many changes may wait for the others.
const WINDOW: u64 = 1000;

/// What only a primary has.
#[derive(Debug)]
pub(super) struct Primary {
    /// Its log was so long when its epoch began: that must be everywhere before it answers reads.
    inherited: u64,
    others: BTreeMap<NodeId, Other>,
    /// How much of its log it has on its own disk; nothing before the disk knows of its epoch.
    own: Option<u64>,
    /// The changes that wait for their answers, by place.
    writes: BTreeMap<u64, RequestId>,
    /// The changes that came while others were on their way to everyone. Of these nobody knows, so they can still be turned
    /// away.
    gathered: Vec<(RequestId, Entry)>,
    /// The reads that wait until it is established, and until when.
    reads: Vec<(RequestId, Call, Time)>,
    /// When it shows next that it lives.
    pub(super) beat: Time,
    /// From when on it serves whoever is missing; an asynchronous primary only.
    alone: Time,
    /// Whether everyone had joined it once, or had time to.
    settled: bool,
}

/// A backup, as its primary sees it.
#[derive(Debug)]
struct Other {
    /// How much it holds, durably.
    end: u64,
    /// How much it was sent; nothing before it has said what it needs.
    sent: Option<u64>,
    /// When it was last heard.
    heard: Time,
}

impl<const SYNC: bool> PrimaryBackup<SYNC> {
    /// Nobody leads, as far as this node can hear: it does, from now on. It asks nobody, for it needs nobody: whatever was
    /// answered it holds itself, and nothing will be answered in an earlier epoch without it.
    pub(super) fn take_over(&mut self, now: Time, out: &mut Output) {
        let count = self.nodes.len() as u64;
        let Some(place) = self.nodes.iter().position(|node| *node == self.me) else { return };
        let next = self.log.epoch + 1;
        let epoch = next + (place as u64 + count - next % count) % count;
        self.write_epoch(Record::Lead { epoch }, out);
        let inherited = self.log.end();
        let others = self.nodes.iter().filter(|node| **node != self.me);
        let other = |node: &NodeId| (*node, Other { end: 0, sent: None, heard: now });
        self.part = Part::Primary(Primary {
            inherited,
            others: others.map(other).collect(),
            own: None,
            writes: BTreeMap::new(),
            gathered: Vec::new(),
            reads: Vec::new(),
            beat: now,
            alone: now + 2 * self.options.tempo.election,
            settled: SYNC,
        });
        // FLAW serves-before-everyone-joined: what it holds will be everywhere soon.
        if !SYNC || self.has(Flaw::ServesBeforeEveryoneJoined) {
            self.apply_up_to(inherited, out);
        }
        self.tell_own_end(out);
        self.beat(now, out);
    }

    /// Tells itself how much of its log is durable, behind the disk.
    fn tell_own_end(&self, out: &mut Output) {
        let (epoch, end) = (self.log.epoch, self.log.end());
        out.push(Effect::Send { to: self.me, message: Message::Ack { epoch, end } });
    }

    /// Shows everyone that it lives.
    pub(super) fn beat(&mut self, now: Time, out: &mut Output) {
        let patience = self.patience();
        let Part::Primary(primary) = &mut self.part else { return };
        primary.beat = now + self.options.tempo.heartbeat;
        primary.settled |= now >= primary.alone;
        let message = Message::Beat { epoch: self.log.epoch, end: self.log.end(), stable: self.log.stable };
        out.extend(primary.others.keys().map(|to| Effect::Send { to: *to, message: message.clone() }));
        if SYNC && primary.lacks_somebody(now, patience) {
            primary.gathered.drain(..).for_each(|(id, _)| turn_away(id, None, out));
        }
        let late = |(_, _, end): &(RequestId, Call, Time)| *end <= now;
        for (id, _, _) in primary.reads.extract_if(.., |read| late(read)) {
            let refusal = Refusal::Other("not every node has joined the new primary".to_owned());
            out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) });
        }
    }

    /// A client wants to change something. As long as anything is on its way to everyone, what comes gathers and is sent
    /// together afterwards: if one node is gone, few changes are in doubt.
    pub(super) fn write(&mut self, now: Time, id: RequestId, ticket: Ticket, call: Call, out: &mut Output) {
        let (waiting, patience) = (self.log.end() - self.log.stable, self.patience());
        let Part::Primary(primary) = &mut self.part else { return };
        // An answer that stands for "nothing was done, now or before" would be wrong: it may be a call that is sent again.
        if (SYNC && primary.lacks_somebody(now, patience))
            || waiting.max(primary.gathered.len() as u64) >= WINDOW
        {
            return turn_away(id, None, out);
        }
        let epoch = self.log.epoch;
        let at = Reading::of(&call, epoch, now);
        primary.gathered.push((id, Entry { epoch, ticket, call, at }));
        if !SYNC || waiting == 0 {
            self.append_gathered(out);
        }
    }

    /// After so much silence a backup is taken for gone.
    fn patience(&self) -> Duration {
        3 * self.options.tempo.heartbeat
    }

    /// What has gathered becomes the end of the log.
    fn append_gathered(&mut self, out: &mut Output) {
        let stable = self.log.stable;
        let Part::Primary(primary) = &mut self.part else { return };
        let mut entries = Vec::new();
        for (place, (id, entry)) in (self.log.end() + 1..).zip(primary.gathered.drain(..)) {
            primary.writes.insert(place, id);
            entries.push(entry);
        }
        if entries.is_empty() {
            return;
        }
        self.write_down(Record::Append { entries, stable }, out);
        self.tell_own_end(out);
        if SYNC {
            self.ship(out);
        }
    }

    /// Brings everyone what it was not sent yet.
    fn ship(&mut self, out: &mut Output) {
        let Part::Primary(primary) = &mut self.part else { return };
        let (epoch, end, stable) = (self.log.epoch, self.log.end(), self.log.stable);
        for (to, other) in &mut primary.others {
            let Some(after) = other.sent.filter(|sent| *sent < end) else { continue };
            let entries = self.log.after(after).to_vec();
            other.sent = Some(end);
            out.push(Effect::Send { to: *to, message: Message::Copy { epoch, after, entries, stable } });
        }
    }

    /// A client wants to know something. What is everywhere is what was answered, and while this node has acknowledged no
    /// later epoch, nothing is answered in one: so it need ask nobody.
    pub(super) fn read(&mut self, now: Time, id: RequestId, call: Call, out: &mut Output) {
        let end = now + 2 * self.options.tempo.election;
        let Part::Primary(primary) = &mut self.part else { return };
        if self.applied >= primary.inherited {
            out.push(Effect::Reply { id, outcome: self.store.read(&call) });
        } else {
            primary.reads.push((id, call, end));
        }
    }

    /// A backup needs the log after this place.
    pub(super) fn take_lack(&mut self, now: Time, from: NodeId, after: u64, out: &mut Output) {
        let Part::Primary(primary) = &mut self.part else { return };
        let Some(other) = primary.others.get_mut(&from) else { return };
        other.heard = now;
        other.sent = Some(after.min(self.log.end()));
        // Even if nothing follows: that its log ends there is what the backup must know.
        let entries = self.log.after(after).to_vec();
        other.sent = Some(self.log.end());
        let (epoch, stable) = (self.log.epoch, self.log.stable);
        out.push(Effect::Send { to: from, message: Message::Copy { epoch, after, entries, stable } });
    }

    /// Somebody holds so much, durably: this node itself, too.
    pub(super) fn take_ack(&mut self, now: Time, from: NodeId, end: u64, out: &mut Output) {
        let Part::Primary(primary) = &mut self.part else { return };
        let end = end.min(self.log.end());
        if from == self.me {
            primary.own = primary.own.max(Some(end));
        } else if let Some(other) = primary.others.get_mut(&from) {
            other.end = other.end.max(end);
            other.sent = other.sent.max(Some(end));
            other.heard = now;
        }
        primary.settled |= primary.others.values().all(|other| other.sent.is_some());
        let Some(own) = primary.own else { return };
        let least = primary.others.values().map(|other| other.end).fold(own, u64::min);
        self.log.know_stable(least);
        self.apply_up_to(self.log.stable, out);
        // FLAW ack-before-backups: it has it, that must do.
        if !SYNC || self.has(Flaw::AckBeforeBackups) {
            self.apply_up_to(own, out);
            self.ship(out);
        }
        if self.log.stable == self.log.end() {
            self.append_gathered(out);
        }
    }

    /// Carries out the log up to here, and answers whoever waits for it.
    pub(super) fn apply_up_to(&mut self, end: u64, out: &mut Output) {
        while self.applied < end {
            let Some(entry) = self.log.get(self.applied + 1) else { break };
            let outcome = self.store.apply(entry.ticket, &entry.call, entry.at);
            self.applied += 1;
            if let Part::Primary(primary) = &mut self.part
                && let Some(id) = primary.writes.remove(&self.applied)
            {
                out.push(Effect::Reply { id, outcome });
            }
        }
        if let Part::Primary(primary) = &mut self.part
            && self.applied >= primary.inherited
        {
            let reads = primary.reads.drain(..);
            out.extend(reads.map(|(id, call, _)| Effect::Reply { id, outcome: self.store.read(&call) }));
        }
    }
}

impl Primary {
    /// Whether its disk knows that it leads, and nobody takes over at the same moment: two that do not know of each other yet
    /// must not both serve where nothing has failed.
    pub(super) fn leads(&self) -> bool {
        self.own.is_some() && self.settled
    }

    /// Whether nobody waits for it.
    pub(super) fn is_done(&self, stable: u64, end: u64) -> bool {
        self.writes.is_empty() && self.gathered.is_empty() && self.reads.is_empty() && stable == end
    }

    /// Whether some backup has been silent for so long.
    fn lacks_somebody(&self, now: Time, patience: Duration) -> bool {
        self.others.values().any(|other| now.since(other.heard) > patience)
    }

    /// It leads no longer. What it was asked to change the next one may still change.
    pub(super) fn dismiss(self, leader: NodeId, out: &mut Output) {
        let writes = self.writes.into_values();
        out.extend(writes.map(|id| Effect::Reply { id, outcome: Outcome::Unknown(history::Doubt::Deposed) }));
        let unborn = self.gathered.into_iter().map(|(id, _)| id);
        let unread = self.reads.into_iter().map(|(id, _, _)| id);
        unborn.chain(unread).for_each(|id| turn_away(id, Some(leader), out));
    }
}

/// It has done nothing: somebody else may.
fn turn_away(id: RequestId, hint: Option<NodeId>, out: &mut Output) {
    out.push(Effect::Reply { id, outcome: Outcome::Fail(Refusal::NotLeader { hint }) });
}
