//! The coordinator: asks for votes, decides, and tells.

use super::{Message, Output, TwoPhase};
use crate::commit::{Deed, Gots, Txn, TxnId};
use crate::{Effect, Flaw};
use history::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that this node coordinates.
#[derive(Debug)]
pub(super) struct Coordination {
    pub txn: Txn,
    pub phase: Phase,
    /// When it says again what was not answered.
    pub again: Time,
    /// When it takes silence for a no.
    pub deadline: Time,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// It waits for votes, and has these.
    Voting(BTreeMap<NodeId, Gots>),
    /// Its decision is on the way to its disk, with what everybody got.
    Resolving(Gots),
    /// It is committed, and these have not said that they know.
    Committed(BTreeSet<NodeId>),
}

impl TwoPhase {
    /// A client brings a transaction of several nodes. Nothing is written down: if this node crashes, it is aborted.
    pub(super) fn begin(&mut self, now: Time, txn: Txn, out: &mut Output) {
        let prepare = |to: &NodeId| Effect::Send { to: *to, message: Message::Prepare(txn.clone()) };
        out.extend(txn.nodes.iter().map(prepare));
        let (again, deadline) = (now + self.options.tempo.heartbeat, now + self.patience());
        let phase = Phase::Voting(BTreeMap::new());
        self.coordinating.insert(txn.id, Coordination { txn, phase, again, deadline });
    }

    pub(super) fn hear_yes(&mut self, now: Time, from: NodeId, id: TxnId, gots: Gots, out: &mut Output) {
        // FLAW own-vote-late: who has not voted when all others have does not agree.
        let late = self.has(Flaw::OwnVoteLate);
        match self.coordinating.get_mut(&id) {
            Some(Coordination { txn, phase: Phase::Voting(yes), .. }) => {
                yes.insert(from, gots);
                let missing: Vec<NodeId> =
                    txn.nodes.iter().copied().filter(|node| !yes.contains_key(node)).collect();
                match missing[..] {
                    [] => self.resolve(now, id, out),
                    [node] if late && node == self.site.me => self.abort(id, None, out),
                    _ => {}
                }
            }
            Some(_) => {}
            // It promises something that was decided long ago.
            None => self.tell(from, id, out),
        }
    }

    /// Everybody can commit, so it is committed; as soon as that is on the disk.
    fn resolve(&mut self, now: Time, id: TxnId, out: &mut Output) {
        let Some(Coordination { phase, .. }) = self.coordinating.get_mut(&id) else { return };
        let Phase::Voting(yes) = phase else { return };
        let gots: Gots = std::mem::take(yes).into_values().flatten().collect();
        *phase = Phase::Resolving(gots.clone());
        // FLAW decision-not-logged: it will remember.
        if self.has(Flaw::DecisionNotLogged) {
            self.site.pretend(now, Deed::Resolved(id, gots));
        } else {
            self.site.write(now, Deed::Resolved(id, gots), out);
        }
        out.push(Effect::Send { to: self.site.me, message: Message::Resolved(id) });
    }

    /// The decision is on the disk: now it may be known.
    pub(super) fn resolved(&mut self, now: Time, id: TxnId, out: &mut Output) {
        let again = now + self.options.tempo.heartbeat;
        let Some(coordination) = self.coordinating.get_mut(&id) else { return };
        let Phase::Resolving(gots) = &coordination.phase else { return };
        self.site.answer(&coordination.txn, true, Some(gots), out);
        let nodes: BTreeSet<NodeId> = coordination.txn.nodes.iter().copied().collect();
        out.extend(nodes.iter().map(|to| Effect::Send { to: *to, message: Message::Commit(id) }));
        (coordination.phase, coordination.again) = (Phase::Committed(nodes), again);
    }

    /// Somebody cannot commit, or says nothing. Presumed abort: this is forgotten at once, and whoever asks about a
    /// transaction that nobody remembers is told that it was aborted.
    pub(super) fn abort(&mut self, id: TxnId, but: Option<NodeId>, out: &mut Output) {
        let voting = matches!(self.coordinating.get(&id), Some(Coordination { phase: Phase::Voting(_), .. }));
        let Some(Coordination { txn, .. }) = voting.then(|| self.coordinating.remove(&id)).flatten() else {
            return;
        };
        let others = txn.nodes.iter().filter(|node| Some(**node) != but);
        out.extend(others.map(|to| Effect::Send { to: *to, message: Message::Abort(id) }));
        self.site.answer(&txn, false, None, out);
    }

    pub(super) fn hear_ack(&mut self, now: Time, from: NodeId, id: TxnId, out: &mut Output) {
        let Some(Coordination { phase: Phase::Committed(left), .. }) = self.coordinating.get_mut(&id) else {
            return;
        };
        left.remove(&from);
        if left.is_empty() {
            self.coordinating.remove(&id);
            self.site.write(now, Deed::Ended(id), out);
        }
    }

    /// What became of a transaction that this node coordinated, if that is settled.
    fn verdict(&self, id: TxnId) -> Option<bool> {
        match self.coordinating.get(&id).map(|coordination| &coordination.phase) {
            Some(Phase::Voting(_) | Phase::Resolving(_)) => None,
            Some(Phase::Committed(_)) => Some(true),
            // FLAW presumes-commit: nobody would ask about what was aborted.
            None if self.has(Flaw::PresumesCommit) => {
                Some(self.site.known(id).and_then(|known| known.state.decision()).unwrap_or(true))
            }
            None => Some(self.site.known(id).and_then(|known| known.state.decision()).unwrap_or(false)),
        }
    }

    /// Tells somebody who asked what became of a transaction of this coordinator's.
    pub(super) fn tell(&self, to: NodeId, id: TxnId, out: &mut Output) {
        if let Some(committed) = self.verdict(id) {
            let message = if committed { Message::Commit(id) } else { Message::Abort(id) };
            out.push(Effect::Send { to, message });
        }
    }

    /// Says again what was not answered, and waits no longer for votes that are overdue.
    pub(super) fn drive(&mut self, now: Time, out: &mut Output) {
        let heartbeat = self.options.tempo.heartbeat;
        let mut overdue = Vec::new();
        for (id, Coordination { txn, phase, again, deadline }) in &mut self.coordinating {
            if matches!(phase, Phase::Voting(_)) && now >= *deadline {
                overdue.push(*id);
            }
            if now < *again {
                continue;
            }
            *again = now + heartbeat;
            match phase {
                Phase::Voting(yes) => {
                    let silent = txn.nodes.iter().filter(|node| !yes.contains_key(node));
                    let prepare =
                        |to: &NodeId| Effect::Send { to: *to, message: Message::Prepare(txn.clone()) };
                    out.extend(silent.map(prepare));
                }
                Phase::Resolving(_) => {}
                Phase::Committed(left) => {
                    // Whoever is down for long is not called all the time.
                    *again = now + 4 * heartbeat;
                    out.extend(left.iter().map(|to| Effect::Send { to: *to, message: Message::Commit(*id) }));
                }
            }
        }
        for id in overdue {
            // FLAW silence-is-yes: who does not say no agrees.
            if self.has(Flaw::SilenceIsYes) {
                self.resolve(now, id, out);
            } else {
                self.abort(id, None, out);
            }
        }
    }
}
