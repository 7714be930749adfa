//! The participant: votes by proposing, and finds out.

use super::{Message, Output, PaxosCommit};
use crate::commit::{Deed, State, Txn, TxnId};
use crate::{Effect, Flaw};
use history::{NodeId, Time};
use std::collections::BTreeMap;
use std::time::Duration;

impl PaxosCommit {
    /// Its vote is a proposal in ballot 0 of its own instance, to all acceptors. Who refuses needs no proposal: nobody but
    /// itself can propose that it is prepared where nothing was accepted, so it is aborted whatever others do.
    pub(super) fn vote(&mut self, now: Time, from: NodeId, txn: &Txn, out: &mut Output) {
        if !txn.nodes.contains(&self.site.me) {
            return;
        }
        let (id, before) = (txn.id, out.len());
        let vote = self.site.vote(now, txn, out);
        // FLAW prepare-not-persisted: it promises, and does not write it down.
        if self.has(Flaw::PrepareNotPersisted) {
            let mut place = 0;
            out.retain(|effect| {
                place += 1;
                place <= before || !matches!(effect, Effect::Persist(_))
            });
        }
        if let Some(committed) = self.decision(id) {
            let message = if committed { Message::Commit(id) } else { Message::Abort(id) };
            return out.push(Effect::Send { to: from, message });
        }
        let Some(gots) = vote else { return };
        let patience = self.options.tempo.election;
        self.ask_at.entry(id).or_insert((now + patience, false));
        let votes = vec![(self.site.me, true)];
        let propose = |to: &NodeId| Effect::Send { to: *to, message: Message::Propose(id, 0, votes.clone()) };
        out.extend(self.site.nodes.iter().map(propose));
        out.push(Effect::Send { to: from, message: Message::Prepared(id, gots) });
    }

    /// What this node knows to have been decided.
    pub(super) fn decision(&self, id: TxnId) -> Option<bool> {
        self.site.known(id)?.state.decision()
    }

    /// The decision, by whoever knows it.
    pub(super) fn learn(&mut self, now: Time, id: TxnId, commit: bool, out: &mut Output) {
        // FLAW commit-applied-twice: whoever says it again means it.
        let committed = self.site.known(id).is_some_and(|known| known.state == State::Committed);
        if self.has(Flaw::CommitAppliedTwice) && commit && committed {
            self.site.again(id);
            self.site.write(now, Deed::AppliedAgain(id), out);
        }
        self.conclude(now, id, commit, out);
        self.site.decide(now, id, commit, None, out);
        self.ask_at.remove(&id);
    }

    /// Somebody is in doubt. Who has not voted never will, and so knows.
    pub(super) fn help(&mut self, now: Time, from: NodeId, id: TxnId, out: &mut Output) {
        self.site.abstain(now, id, out);
        if let Some(committed) = self.decision(id) {
            let message = if committed { Message::Commit(id) } else { Message::Abort(id) };
            out.push(Effect::Send { to: from, message });
        }
    }

    /// Asks about what is in doubt for too long; and if nobody knows, finds out itself.
    pub(super) fn inquire(&mut self, now: Time, out: &mut Output) {
        let wait = self.options.tempo.election / 2;
        for id in self.site.in_doubt().clone() {
            if self.leading.contains_key(&id) {
                continue;
            }
            let soon = now + wait + self.chance.span(Duration::ZERO, wait);
            let (due, asked) = self.ask_at.entry(id).or_insert((now, false));
            if now < *due {
                continue;
            }
            (*due, *asked) = (soon, !*asked);
            let asked = !*asked;
            let Some(txn) = self.site.known(id).and_then(|known| known.txn.clone()) else { continue };
            if asked {
                self.lead(now, txn, BTreeMap::new(), out);
            } else {
                let others = txn.nodes.iter().filter(|node| **node != self.site.me);
                out.extend(others.map(|to| Effect::Send { to: *to, message: Message::Inquire(id) }));
            }
        }
    }
}
