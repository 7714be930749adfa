//! Normal operation (§4.1), and state transfer for those who lag (§5.2).
//!
//! The primary numbers operations and sends them to all backups; with f of them and itself an operation is committed,
//! and all before it. Backups take operations in order: one that comes too early waits. Backups learn with the next
//! message how far all is committed. Reads are operations, too: only by asking a quorum does a primary know that its view
//! is not over.

use super::message::{Body, Entry, Tail};
use super::part::{Backup, Part, Primary};
use super::{Output, Viewstamped};
use crate::{Effect, Protocol, Reading, RequestId};
use history::{Call, Doubt, NodeId, Outcome, Refusal, Ticket, Time};

impl Viewstamped {
    /// A client asks.
    pub(super) fn request(
        &mut self,
        now: Time,
        id: RequestId,
        (ticket, call): (Ticket, Call),
        out: &mut Output,
    ) {
        if call == Call::Leader {
            return out.push(Effect::Reply { id, outcome: self.status().leads() });
        }
        let refusal = match &self.part {
            _ if self.stopping.is_some() => Refusal::Stopping,
            Part::Primary(_) => {
                self.waiting.entry(ticket).or_default().push(id);
                let at = Reading::of(&call, self.view, now);
                return self.prepare(Entry { ticket, call, at }, out);
            }
            Part::Backup => Refusal::NotLeader { hint: self.leader() },
            Part::Lost => {
                Refusal::Other("unrecoverable: a majority of the replicas lost its memory at once".to_owned())
            }
            _ => Refusal::NotLeader { hint: None },
        };
        out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) });
    }

    /// The primary numbers an operation.
    fn prepare(&mut self, entry: Entry, out: &mut Output) {
        self.log.push(entry.clone());
        let body = Body::Prepare { view: self.view, op: self.log.len(), entry, commit: self.committed };
        self.tell_all(&body, out);
        self.advance(out);
    }

    /// From the primary: an operation.
    pub(super) fn take_prepare(
        &mut self,
        now: Time,
        from: NodeId,
        (view, op, entry, commit): (u64, usize, Entry, usize),
        out: &mut Output,
    ) {
        if !self.heard_primary(now, from, view, out) {
            return;
        }
        if op > self.log.len() {
            self.early.insert(op, entry);
        }
        while let Some(first) = self.early.first_entry() {
            if *first.key() > self.log.len() + 1 {
                break;
            }
            let (op, entry) = first.remove_entry();
            if op == self.log.len() + 1 {
                self.log.push(entry);
            }
        }
        self.execute(commit, out);
        self.tell(from, Body::PrepareOk { view, op: self.log.len() }, out);
    }

    /// From the primary: how far all is committed.
    pub(super) fn take_commit(
        &mut self,
        now: Time,
        from: NodeId,
        (view, commit, op): (u64, usize, usize),
        out: &mut Output,
    ) {
        if !self.heard_primary(now, from, view, out) {
            return;
        }
        self.execute(commit, out);
        let own = self.log.len();
        self.tell(from, Body::PrepareOk { view, op: own }, out);
        // What is on its way may be a little behind this; what still lacks the next time was lost.
        let lacks = own < op;
        if lacks && self.lagged == Some(own) {
            self.tell(from, Body::GetState { view, op: own }, out);
        }
        self.lagged = lacks.then_some(own);
    }

    /// Whether `from` is the primary of this backup's view. If it is that of a later one, or of one that this replica
    /// did not see begin, its state is asked for.
    fn heard_primary(&mut self, now: Time, from: NodeId, view: u64, out: &mut Output) -> bool {
        match &self.part {
            Part::Backup if view == self.view => {
                self.heard = now;
                true
            }
            Part::Backup | Part::Primary(_) if view <= self.view => false,
            Part::Backup | Part::Primary(_) | Part::Changing(_) if view >= self.view => {
                self.tell(from, Body::GetState { view, op: self.committed }, out);
                false
            }
            _ => false,
        }
    }

    /// A backup holds the log so far.
    pub(super) fn take_prepare_ok(
        &mut self,
        now: Time,
        from: NodeId,
        (view, op): (u64, usize),
        out: &mut Output,
    ) {
        let life = self.life_of(from);
        let Part::Primary(primary) = &mut self.part else { return };
        if view == self.view {
            let backup = primary.backups.entry(from).or_insert(Backup { life, op: 0, heard: now });
            *backup = Backup { life, op: backup.op.max(op), heard: now };
            self.advance(out);
        }
    }

    /// Commits what f backups hold with the primary.
    pub(super) fn advance(&mut self, out: &mut Output) {
        let Part::Primary(primary) = &self.part else { return };
        let held = primary.backups.values().map(|backup| backup.op.min(self.log.len()));
        let mut held: Vec<usize> = held.chain([self.log.len()]).collect();
        held.sort_unstable_by(|one, other| other.cmp(one));
        if let Some(&agreed) = held.get(self.f()) {
            self.execute(agreed, out);
        }
    }

    /// Executes what is committed and here, in order, and answers those who wait for it.
    pub(super) fn execute(&mut self, commit: usize, out: &mut Output) {
        while self.committed < commit
            && let Some(entry) = self.log.get(self.committed)
        {
            self.committed += 1;
            let outcome = self.store.apply(entry.ticket, &entry.call, entry.at);
            for id in self.waiting.remove(&entry.ticket).into_iter().flatten() {
                out.push(Effect::Reply { id, outcome: outcome.clone() });
            }
        }
    }

    /// Somebody lacks the end of this view's log.
    pub(super) fn take_get_state(&mut self, from: NodeId, (view, op): (u64, usize), out: &mut Output) {
        if matches!(self.part, Part::Backup | Part::Primary(_)) && view == self.view {
            let body = Body::NewState { view, log: self.tail(op), commit: self.committed };
            self.tell(from, body, out);
        }
    }

    /// The end of a view's log, which this replica has asked for.
    pub(super) fn take_new_state(
        &mut self,
        now: Time,
        (view, log, commit): (u64, Tail, usize),
        out: &mut Output,
    ) {
        match &self.part {
            Part::Backup if view == self.view && log.after <= self.log.len() => {
                let known = self.log.len() - log.after;
                self.log.extend(log.entries.into_iter().skip(known));
                self.execute(commit, out);
                if let Some(primary) = self.leader() {
                    self.tell(primary, Body::PrepareOk { view, op: self.log.len() }, out);
                }
            }
            Part::Backup | Part::Primary(_) if view <= self.view => {}
            Part::Backup | Part::Primary(_) | Part::Changing(_)
                if view >= self.view && self.primary_of(view) != self.me =>
            {
                self.join(now, view, log, out);
                self.execute(commit, out);
            }
            _ => {}
        }
    }

    /// Becomes a backup in a view that has begun, with its log. What is committed is the same in every log.
    pub(super) fn join(&mut self, now: Time, view: u64, log: Tail, out: &mut Output) {
        if log.after > self.log.len() {
            return;
        }
        self.let_go(out);
        self.log.truncate(log.after);
        self.log.extend(log.entries);
        self.committed = self.committed.min(self.log.len());
        (self.view, self.last_normal) = (view, view);
        self.part = Part::Backup;
        self.early.clear();
        self.lagged = None;
        self.wait(now);
        self.tell(self.primary_of(view), Body::PrepareOk { view, op: self.log.len() }, out);
    }

    /// The primary's alarm rang: shows that it lives, and looks whether a quorum does. (The paper's primary does not
    /// look; it would keep its clients waiting.)
    pub(super) fn tick_primary(&mut self, now: Time, out: &mut Output) {
        let Part::Primary(primary) = &self.part else { return };
        let since = primary.since.max(self.since_heard_by(primary));
        if self.f() > 0 && now >= since + self.options.tempo.election {
            return self.change_view(now, self.view + 1, out);
        }
        let body = Body::Commit { view: self.view, commit: self.committed, op: self.log.len() };
        self.tell_all(&body, out);
    }

    /// The latest time since when f backups have been heard.
    fn since_heard_by(&self, primary: &Primary) -> Time {
        let mut heard: Vec<Time> = primary.backups.values().map(|backup| backup.heard).collect();
        heard.sort_unstable_by(|one, other| other.cmp(one));
        self.f().checked_sub(1).and_then(|at| heard.get(at)).copied().unwrap_or(Time::ZERO)
    }

    /// It is no primary any more: what its clients wait for may yet be committed.
    pub(super) fn let_go(&mut self, out: &mut Output) {
        for id in std::mem::take(&mut self.waiting).into_values().flatten() {
            out.push(Effect::Reply { id, outcome: Outcome::Unknown(Doubt::Deposed) });
        }
    }
}
