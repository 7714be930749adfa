//! What clients ask, and what they are told.
//!
//! A follower passes writes on to the leader and answers them **when it delivers them itself**. So whatever a client did
//! through this node, this node has seen. Reads are answered by any node that serves, from what it has delivered: that
//! may be old, and never older than what the node has shown before, for it serves only once it has everything that was
//! committed when it joined the epoch. Hence a client that stays with its node sees one order of all writes, with its
//! own in their places, and moves only forward along it: sequential consistency, and no more.
//!
//! `zab-sync` puts a *sync* before the reads: a transaction that changes nothing, and when the node delivers it, it has
//! delivered all that was committed before the reads came. One sync serves all reads that waited when it was sent.

use super::log::Command;
use super::message::Message;
use super::part::{Part, Phase, Stage};
use super::{Output, Zab};
use crate::{Effect, Flaw, RequestId};
use history::{Call, Doubt, NodeId, Outcome, Refusal, Reply, Ticket, Time};
use std::collections::BTreeMap;

/// What clients wait for at one node.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    writes: BTreeMap<Ticket, Write>,
    /// Reads that came after the sync under way was sent.
    reads: Vec<(RequestId, Call)>,
    /// The sync under way, and the reads that wait for it.
    sync: Option<(u64, Vec<(RequestId, Call)>)>,
    /// When all this was passed on, last.
    passed_on: Time,
}

#[derive(Debug)]
struct Write {
    call: Call,
    /// More than one if its client sent it again.
    ids: Vec<RequestId>,
}

impl Waiting {
    /// Whether nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.reads.is_empty() && self.sync.is_none()
    }
}

impl<const SYNC: bool> Zab<SYNC> {
    /// A client asks.
    pub(super) fn request(&mut self, id: RequestId, (ticket, call): (Ticket, Call), out: &mut Output) {
        if call == Call::Leader {
            // This is about what the node itself believes, so there is nobody else to ask.
            let leader = self.primary().map(|(epoch, leader)| (leader, epoch));
            out.push(Effect::Reply { id, outcome: Outcome::Ok(Reply::Leader(leader)) });
            return;
        }
        // FLAW served-before-up-to-date: whatever it has must do.
        let careless = self.has(Flaw::ServedBeforeUpToDate) && call.is_read();
        if self.stopping.is_some() {
            out.push(Effect::Reply { id, outcome: Outcome::Fail(Refusal::Stopping) });
        } else if self.primary().is_none() && !careless {
            // Clients stay with their node, so they are sent nowhere else.
            out.push(Effect::Reply { id, outcome: Outcome::Fail(Refusal::NotLeader { hint: None }) });
        } else if !call.is_read() {
            let write = self.waiting.writes.entry(ticket);
            write.or_insert_with(|| Write { call: call.clone(), ids: Vec::new() }).ids.push(id);
            self.pass_on(Command::Call { ticket, call, at: None }, out);
        // FLAW sync-not-sent: what is here must be the latest.
        } else if !SYNC || self.has(Flaw::SyncNotSent) {
            out.push(Effect::Reply { id, outcome: self.store.read(&call) });
        } else {
            self.waiting.reads.push((id, call));
            self.sync(out);
        }
    }

    /// The epoch in which this node serves, and who leads it.
    pub(super) fn primary(&self) -> Option<(u64, NodeId)> {
        match &self.part {
            Part::Leading(leading) => match leading.phase {
                Phase::Broadcast(epoch) => Some((epoch, self.me)),
                _ => None,
            },
            Part::Following(following) => match following.stage {
                Stage::Serving(epoch) => Some((epoch, following.leader)),
                _ => None,
            },
            Part::Looking(_) | Part::Retired => None,
        }
    }

    /// Has a transaction made of this.
    fn pass_on(&mut self, command: Command, out: &mut Output) {
        match self.primary() {
            Some((_, leader)) if leader == self.me => self.propose(command, out),
            Some((epoch, leader)) => {
                out.push(Effect::Send { to: leader, message: Message::Forward { epoch, command } });
            }
            None => {}
        }
    }

    /// A follower's client wants something.
    pub(super) fn take_forward(&mut self, from: NodeId, epoch: u64, command: Command, out: &mut Output) {
        if self.primary() != Some((epoch, self.me)) {
            return;
        }
        // FLAW sync-without-quorum: what the leader has committed must be the latest.
        if let (Command::Sync { token, .. }, true) = (&command, self.has(Flaw::SyncWithoutQuorum)) {
            let message = Message::Synced { token: *token, committed: self.log.zxid(self.applied) };
            out.push(Effect::Send { to: from, message });
            return;
        }
        if let (Part::Leading(leading), Command::Call { ticket, .. }) = (&mut self.part, &command)
            && self.options.flaw == Some(Flaw::AnsweredBeforeApplied)
        {
            leading.origins.insert(*ticket, from);
        }
        self.propose(command, out);
    }

    /// Sends a sync for the reads that wait, unless one is under way.
    fn sync(&mut self, out: &mut Output) {
        if self.waiting.sync.is_some() || self.waiting.reads.is_empty() {
            return;
        }
        let token = self.chance.bits();
        self.waiting.sync = Some((token, std::mem::take(&mut self.waiting.reads)));
        // FLAW sync-without-quorum: nor need the leader ask anybody.
        if self.has(Flaw::SyncWithoutQuorum) && self.primary().is_some_and(|(_, leader)| leader == self.me) {
            return self.synced(token, out);
        }
        self.pass_on(Command::Sync { node: self.me, token }, out);
    }

    /// A sync came back: the reads that wait for it may be answered.
    fn synced(&mut self, token: u64, out: &mut Output) {
        if self.waiting.sync.as_ref().is_some_and(|(own, _)| *own == token)
            && let Some((_, reads)) = self.waiting.sync.take()
        {
            for (id, call) in reads {
                out.push(Effect::Reply { id, outcome: self.store.read(&call) });
            }
            self.sync(out);
        }
    }

    /// FLAW sync-without-quorum: the leader says what it has committed.
    pub(super) fn take_synced(&mut self, token: u64, committed: super::Zxid, out: &mut Output) {
        let Part::Following(following) = &mut self.part else { return };
        following.told = following.told.max(committed);
        self.deliver(out);
        if self.log.zxid(self.applied) >= committed {
            self.synced(token, out);
        }
    }

    /// FLAW answered-before-applied: the leader says what came of a request.
    pub(super) fn take_done(&mut self, ticket: Ticket, outcome: &Outcome, out: &mut Output) {
        self.answer(ticket, outcome, out);
    }

    fn answer(&mut self, ticket: Ticket, outcome: &Outcome, out: &mut Output) {
        if let Some(write) = self.waiting.writes.remove(&ticket) {
            out.extend(write.ids.into_iter().map(|id| Effect::Reply { id, outcome: outcome.clone() }));
        }
    }

    /// Delivers all transactions among the first `length`: they are committed.
    pub(super) fn deliver_up_to(&mut self, length: usize, out: &mut Output) {
        while self.applied < length
            && let Some(txn) = self.log.get(self.applied)
        {
            let command = txn.command.clone();
            self.applied += 1;
            match command {
                Command::Call { ticket, call, at } => {
                    let outcome = self.store.apply(ticket, &call, at);
                    self.answer(ticket, &outcome, out);
                    if let Part::Leading(leading) = &mut self.part
                        && let Some(to) = leading.origins.remove(&ticket)
                    {
                        out.push(Effect::Send { to, message: Message::Done { ticket, outcome } });
                    }
                }
                Command::Sync { node, token } if node == self.me => self.synced(token, out),
                Command::Sync { .. } => {}
            }
        }
    }

    /// What was passed on and did not come back may have been lost: passes it on again. What is carried out twice is
    /// recognised by its ticket.
    pub(super) fn pass_on_again(&mut self, now: Time, out: &mut Output) {
        if now < self.waiting.passed_on + self.options.tempo.heartbeat * 4 {
            return;
        }
        self.waiting.passed_on = now;
        let commands = self.waiting.writes.iter().map(|(ticket, write)| Command::Call {
            ticket: *ticket,
            call: write.call.clone(),
            at: None,
        });
        let sync =
            self.waiting.sync.as_ref().map(|(token, _)| Command::Sync { node: self.me, token: *token });
        let commands: Vec<Command> = commands.chain(sync).collect();
        if self.primary().is_some_and(|(_, leader)| leader != self.me) {
            commands.into_iter().for_each(|command| self.pass_on(command, out));
        }
    }

    /// This node no longer serves. What it passed on may yet be delivered, so nobody can tell; a read had no effect.
    pub(super) fn let_go(&mut self, out: &mut Output) {
        let Waiting { writes, reads, sync, .. } = std::mem::take(&mut self.waiting);
        let outcome = Outcome::Unknown(Doubt::Deposed);
        let ids = writes.into_values().flat_map(|write| write.ids);
        out.extend(ids.map(|id| Effect::Reply { id, outcome: outcome.clone() }));
        let outcome = Outcome::Fail(Refusal::NotLeader { hint: None });
        let reads = sync.into_iter().flat_map(|(_, reads)| reads).chain(reads);
        out.extend(reads.map(|(id, _)| Effect::Reply { id, outcome: outcome.clone() }));
    }
}
