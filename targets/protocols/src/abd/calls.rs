//! The calls that a node carries out for its clients: two questions to everyone, and a majority of answers to each.

use super::message::Message;
use super::tag::{Tag, Turn, Version};
use super::{Abd, Output};
use crate::{Effect, Flaw, RequestId};
use history::{Call, Doubt, Key, NodeId, Outcome, Refusal, Reply, Time, Value};
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// A call under way.
#[derive(Debug)]
pub(super) struct Pending {
    /// Of the client.
    id: RequestId,
    key: Key,
    /// What is to be written; nothing if it reads.
    write: Option<Value>,
    phase: Phase,
    /// When those are asked again who have not answered.
    again: Time,
    /// When it is given up.
    end: Time,
}

#[derive(Debug)]
enum Phase {
    /// It asks what everyone holds: these have answered.
    Query(BTreeMap<NodeId, Version>),
    /// It brings this to everyone: these hold it, or something newer.
    Propagate(Version, BTreeSet<NodeId>),
}

impl Pending {
    /// When it wants to be woken.
    pub(super) fn due(&self) -> Time {
        self.again.min(self.end)
    }

    /// Its question, and who has answered it.
    fn question(&self, turn: Turn) -> (Message, Vec<NodeId>) {
        let key = self.key;
        match &self.phase {
            Phase::Query(held) => (Message::Query { turn, key }, held.keys().copied().collect()),
            Phase::Propagate(version, holders) => {
                (Message::Store { turn, key, version: *version }, holders.iter().copied().collect())
            }
        }
    }

    /// What its client is told if it ends now. Only what was sent to others can ever take effect.
    fn given_up(&self) -> Outcome {
        match (self.write, &self.phase) {
            (Some(_), Phase::Propagate(..)) => {
                Outcome::Unknown(Doubt::Other("no majority has confirmed it".to_owned()))
            }
            _ => Outcome::Fail(Refusal::Other("no majority has answered".to_owned())),
        }
    }
}

impl Abd {
    /// A client asks.
    pub(super) fn request(&mut self, now: Time, id: RequestId, call: &Call, out: &mut Output) {
        let (key, write) = match *call {
            _ if self.stopping => return refuse(id, Refusal::Stopping, out),
            Call::Read { key } => (key, None),
            Call::Write { key, value } => (key, Some(value)),
            _ => return refuse(id, Refusal::Unserved, out),
        };
        self.called += 1;
        let end = now + 3 * self.options.tempo.election;
        let phase = Phase::Query(BTreeMap::new());
        self.calls.insert(self.called, Pending { id, key, write, phase, again: now, end });
        // FLAW own-counter: what this node holds itself is the newest there is.
        if self.has(Flaw::OwnCounter) && write.is_some() {
            let version = self.version(key);
            return self.propagate(now, self.called, version.tag, version, out);
        }
        self.ask(now, self.called, out);
    }

    /// Asks whoever has not answered.
    fn ask(&mut self, now: Time, call: u64, out: &mut Output) {
        let turn = Turn { boot: self.boot, call };
        let Some(pending) = self.calls.get_mut(&call) else { return };
        pending.again = now + self.options.tempo.heartbeat;
        let (question, answered) = pending.question(turn);
        let silent = self.nodes.iter().filter(|node| !answered.contains(node));
        out.extend(silent.map(|to| Effect::Send { to: *to, message: question.clone() }));
    }

    /// How many are a majority.
    pub(super) fn majority(&self) -> usize {
        // FLAW half-answers
        let half = self.nodes.len() / 2;
        if self.has(Flaw::HalfAnswers) { half.max(1) } else { half + 1 }
    }

    /// The call of this turn, if it is under way: answers to an earlier life are answers to nothing.
    fn pending(&mut self, turn: Turn) -> Option<(u64, &mut Pending)> {
        let pending = self.calls.get_mut(&turn.call).filter(|_| turn.boot == self.boot)?;
        Some((turn.call, pending))
    }

    /// Somebody says what it holds. With a majority of answers, the newest of them is at least as new as whatever was
    /// written or read by any call that ended before this one began.
    pub(super) fn take_held(
        &mut self,
        now: Time,
        from: NodeId,
        turn: Turn,
        version: Version,
        out: &mut Output,
    ) {
        let majority = self.majority();
        let Some((call, pending)) = self.pending(turn) else { return };
        let Phase::Query(held) = &mut pending.phase else { return };
        held.insert(from, version);
        if held.len() < majority {
            return;
        }
        let newest = held.values().copied().max_by_key(|version| version.tag).unwrap_or_default();
        self.propagate(now, call, newest.tag, newest, out);
    }

    /// The second phase begins: a writer brings its value under a tag that is newer than `newest`, a reader what it is about
    /// to answer, so that nobody who asks later reads anything older.
    fn propagate(&mut self, now: Time, call: u64, newest: Tag, read: Version, out: &mut Output) {
        let no_write_back = self.has(Flaw::ReadWithoutWriteBack);
        let (majority, writer) = (self.majority(), Some(self.me));
        let turn = Turn { boot: self.boot, call };
        let Some(pending) = self.calls.get_mut(&call) else { return };
        let version = match pending.write {
            Some(_) => Version { tag: Tag { number: newest.number + 1, writer, turn }, value: pending.write },
            None => read,
        };
        // Who answered with that very version needs it no more. If those are a majority, there is nothing to write back.
        let holders: BTreeSet<NodeId> = match &pending.phase {
            Phase::Query(held) => {
                held.iter().filter(|(_, held)| **held == version).map(|(from, _)| *from).collect()
            }
            Phase::Propagate(..) => return,
        };
        // FLAW read-without-write-back: a reader answers what it has found.
        let done = holders.len() >= majority || (no_write_back && pending.write.is_none());
        pending.phase = Phase::Propagate(version, holders);
        if done { self.finish(call, out) } else { self.ask(now, call, out) }
    }

    /// Somebody holds what it was to hold.
    pub(super) fn take_stored(&mut self, from: NodeId, turn: Turn, out: &mut Output) {
        let majority = self.majority();
        // FLAW any-answer-counts: an acknowledgement is one of whichever call has waited longest.
        let waiting = |(_, pending): &(&u64, &mut Pending)| matches!(pending.phase, Phase::Propagate(..));
        let found = match self.has(Flaw::AnyAnswerCounts) {
            true => self.calls.iter_mut().find(waiting).map(|(call, pending)| (*call, pending)),
            false => self.pending(turn),
        };
        let Some((call, pending)) = found else { return };
        let Phase::Propagate(_, holders) = &mut pending.phase else { return };
        holders.insert(from);
        if holders.len() >= majority {
            self.finish(call, out);
        }
    }

    fn finish(&mut self, call: u64, out: &mut Output) {
        let Some(Pending { id, key, write, phase: Phase::Propagate(version, _), .. }) =
            self.calls.remove(&call)
        else {
            return;
        };
        let reply = if write.is_some() { Reply::Done } else { Reply::Read(version.value) };
        out.push(Effect::Reply { id, outcome: Outcome::Ok(reply) });
        self.last.written = write.map(|_| (key, version.tag));
    }

    /// Asks again, and gives up what has taken too long.
    pub(super) fn wake(&mut self, now: Time, out: &mut Output) {
        let due = self.calls.iter().filter(|(_, pending)| pending.due() <= now);
        for call in due.map(|(call, _)| *call).collect::<Vec<u64>>() {
            match self.calls.get(&call) {
                Some(pending) if pending.end <= now => {
                    out.push(Effect::Reply { id: pending.id, outcome: pending.given_up() });
                    self.calls.remove(&call);
                }
                _ => self.ask(now, call, out),
            }
        }
    }
}

fn refuse(id: RequestId, refusal: Refusal, out: &mut Output) {
    out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) });
}
