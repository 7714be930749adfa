//! Who leads: the coordinator, and after it whoever finds out what is to become of a transaction.

use super::{Message, Output, Report, ThreePhase};
use crate::commit::{Gots, State, Txn, TxnId};
use crate::{Effect, Flaw};
use history::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that this node leads.
#[derive(Debug)]
pub(super) struct Leading {
    pub txn: Txn,
    /// Its rank; the coordinator's is 0.
    pub rank: u16,
    pub phase: Phase,
    /// What everybody got, if it heard that.
    pub gots: Option<Gots>,
    /// When it says again what was not answered.
    pub again: Time,
    /// When it takes silence for death.
    pub deadline: Time,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// It coordinates, waits for votes, and has these.
    Voting(BTreeMap<NodeId, Gots>),
    /// It waits until everybody who is alive knows that all voted yes; these have not said so.
    PreCommitting(BTreeSet<NodeId>),
    /// It has succeeded a dead one, and asks how all stand: these have said so, or that they have been down.
    Asking(BTreeMap<NodeId, Option<Report>>),
}

impl ThreePhase {
    /// A client brings a transaction of several nodes.
    pub(super) fn begin(&mut self, now: Time, txn: Txn, out: &mut Output) {
        let prepare = |to: &NodeId| Effect::Send { to: *to, message: Message::Prepare(txn.clone()) };
        out.extend(txn.nodes.iter().map(prepare));
        let (again, deadline) = (now + self.beat(), now + 2 * self.options.tempo.election);
        let phase = Phase::Voting(BTreeMap::new());
        self.leading.insert(txn.id, Leading { txn, rank: 0, phase, gots: None, again, deadline });
    }

    pub(super) fn hear_yes(&mut self, now: Time, from: NodeId, id: TxnId, gots: Gots, out: &mut Output) {
        let Some(leading) = self.leading.get_mut(&id) else {
            return self.tell(now, from, id, out);
        };
        let Phase::Voting(yes) = &mut leading.phase else { return };
        yes.insert(from, gots);
        if leading.txn.nodes.iter().all(|node| yes.contains_key(node)) {
            leading.gots = Some(std::mem::take(yes).into_values().flatten().collect());
            self.pre_commit(now, id, None, out);
        }
    }

    /// Everybody can commit: before it commits, everybody who lives is to know that.
    fn pre_commit(&mut self, now: Time, id: TxnId, who: Option<BTreeSet<NodeId>>, out: &mut Output) {
        let (again, deadline) = (now + self.beat(), now + self.patience());
        // FLAW skips-pre-commit: all have voted yes, so what is there to wait for?
        if self.has(Flaw::SkipsPreCommit) {
            return self.conclude(now, id, true, out);
        }
        let Some(leading) = self.leading.get_mut(&id) else { return };
        let who = who.unwrap_or_else(|| leading.txn.nodes.iter().copied().collect());
        let message = Message::PreCommit(id, leading.rank);
        out.extend(who.iter().map(|to| Effect::Send { to: *to, message: message.clone() }));
        (leading.again, leading.deadline) = (again, deadline);
        leading.phase = Phase::PreCommitting(who);
    }

    pub(super) fn hear_ack(&mut self, now: Time, from: NodeId, id: TxnId, rank: u16, out: &mut Output) {
        let Some(leading) = self.leading.get_mut(&id).filter(|leading| leading.rank == rank) else { return };
        let Phase::PreCommitting(left) = &mut leading.phase else { return };
        left.remove(&from);
        if left.is_empty() {
            self.conclude(now, id, true, out);
        }
    }

    /// A participant went down and is back: for this transaction it counts as dead.
    pub(super) fn count_out(&mut self, now: Time, from: NodeId, id: TxnId, out: &mut Output) {
        match self.leading.get_mut(&id).map(|leading| &mut leading.phase) {
            Some(Phase::PreCommitting(left)) => {
                left.remove(&from);
                if left.is_empty() {
                    self.conclude(now, id, true, out);
                }
            }
            Some(Phase::Asking(stands)) => {
                stands.insert(from, None);
                self.weigh(now, id, false, out);
            }
            Some(Phase::Voting(_)) | None => {}
        }
    }

    /// It is decided: written down first, then told to the client and to everybody.
    pub(super) fn conclude(&mut self, now: Time, id: TxnId, commit: bool, out: &mut Output) {
        let Some(Leading { txn, gots, .. }) = self.leading.remove(&id) else { return };
        self.site.abstain(now, id, out);
        self.site.decide(now, id, commit, gots.as_ref(), out);
        self.site.answer(&txn, commit, gots.as_ref(), out);
        self.follows.remove(&id);
        let message = if commit { Message::Commit(id) } else { Message::Abort(id) };
        let others = txn.nodes.iter().filter(|node| **node != self.site.me);
        out.extend(others.map(|to| Effect::Send { to: *to, message: message.clone() }));
    }

    /// Everybody who led is dead, and this node is the next: it asks how all stand.
    pub(super) fn succeed(&mut self, now: Time, txn: Txn, rank: u16, out: &mut Output) {
        let id = txn.id;
        let others = txn.nodes.iter().filter(|node| **node != self.site.me);
        out.extend(others.map(|to| Effect::Send { to: *to, message: Message::Ask(id, rank) }));
        let (again, deadline) = (now + self.beat(), now + self.patience());
        let phase = Phase::Asking(BTreeMap::new());
        self.leading.insert(id, Leading { txn, rank, phase, gots: None, again, deadline });
    }

    pub(super) fn hear_stand(
        &mut self,
        now: Time,
        from: NodeId,
        (id, rank, report): (TxnId, u16, Report),
        out: &mut Output,
    ) {
        let Some(leading) = self.leading.get_mut(&id).filter(|leading| leading.rank == rank) else { return };
        if let Phase::Asking(stands) = &mut leading.phase {
            stands.insert(from, Some(report));
            self.weigh(now, id, false, out);
        }
    }

    /// The termination rules (BHG §7.5), as soon as everybody has said how it stands, or is dead: if nobody knows that
    /// all voted yes, nobody has committed, and all abort; else all that live are told, and then commit. If somebody had
    /// decided, that would have been its answer.
    fn weigh(&mut self, now: Time, id: TxnId, overdue: bool, out: &mut Output) {
        let mine = self.site.known(id).map(|known| known.state);
        let Some(Leading { txn, phase: Phase::Asking(stands), .. }) = self.leading.get(&id) else { return };
        let heard = txn.nodes.iter().all(|node| *node == self.site.me || stands.contains_key(node));
        if !heard && !overdue {
            return;
        }
        let sure = |report: &Option<Report>| *report == Some(Report::PreCommitted);
        if mine != Some(State::PreCommitted) && !stands.values().any(sure) {
            return self.conclude(now, id, false, out);
        }
        let uncertain = stands.iter().filter(|(_, report)| **report == Some(Report::Uncertain));
        let mut who: BTreeSet<NodeId> = uncertain.map(|(node, _)| *node).collect();
        who.insert(self.site.me);
        self.pre_commit(now, id, Some(who), out);
    }

    /// Says again what was not answered, and waits no longer for the dead.
    pub(super) fn drive(&mut self, now: Time, out: &mut Output) {
        let beat = self.beat();
        let mut overdue = Vec::new();
        for (id, Leading { txn, rank, phase, again, deadline, .. }) in &mut self.leading {
            if now >= *deadline {
                overdue.push(*id);
                continue;
            }
            if now < *again {
                continue;
            }
            *again = now + beat;
            let mut say = |to: NodeId, message: Message| out.push(Effect::Send { to, message });
            match phase {
                Phase::Voting(yes) => {
                    let silent = txn.nodes.iter().filter(|node| !yes.contains_key(node));
                    silent.for_each(|node| say(*node, Message::Prepare(txn.clone())));
                }
                Phase::PreCommitting(left) => {
                    left.iter().for_each(|node| say(*node, Message::PreCommit(*id, *rank)));
                }
                Phase::Asking(stands) => {
                    let me = self.site.me;
                    let silent = txn.nodes.iter().filter(|node| **node != me && !stands.contains_key(node));
                    silent.for_each(|node| say(*node, Message::Ask(*id, *rank)));
                }
            }
        }
        for id in overdue {
            match self.leading.get(&id).map(|leading| &leading.phase) {
                Some(Phase::Voting(_)) => self.conclude(now, id, false, out),
                // Who has not acknowledged is dead: those who live know.
                Some(Phase::PreCommitting(_)) => self.conclude(now, id, true, out),
                Some(Phase::Asking(_)) => self.weigh(now, id, true, out),
                None => {}
            }
        }
    }
}
