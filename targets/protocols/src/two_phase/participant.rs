//! The participant: votes, and finds out.

use super::{Message, Output, TwoPhase};
use crate::commit::{Deed, State, Txn, TxnId};
use crate::{Effect, Flaw};
use history::{NodeId, Time};

impl TwoPhase {
    pub(super) fn vote(&mut self, now: Time, from: NodeId, txn: &Txn, out: &mut Output) {
        if !txn.nodes.contains(&self.site.me) {
            return;
        }
        let id = txn.id;
        let before = out.len();
        let message = match self.site.vote(now, txn, out) {
            Some(gots) => Message::Yes(id, gots),
            None => Message::No(id),
        };
        // FLAW prepare-not-persisted: it promises, and does not write it down.
        if self.has(Flaw::PrepareNotPersisted) {
            let mut place = 0;
            out.retain(|effect| {
                place += 1;
                place <= before || !matches!(effect, Effect::Persist(_))
            });
        }
        self.ask_at.entry(id).or_insert(now + self.options.tempo.election);
        out.push(Effect::Send { to: from, message });
    }

    /// The decision, by whoever knows it.
    pub(super) fn learn(&mut self, now: Time, id: TxnId, commit: bool, out: &mut Output) {
        // FLAW commit-applied-twice: whoever says it again means it.
        let committed = self.site.known(id).is_some_and(|known| known.state == State::Committed);
        if self.has(Flaw::CommitAppliedTwice) && commit && committed {
            self.site.again(id);
            self.site.write(now, Deed::AppliedAgain(id), out);
        }
        self.site.decide(now, id, commit, None, out);
        self.ask_at.remove(&id);
        if commit {
            out.push(Effect::Send { to: id.node, message: Message::Ack(id) });
        }
    }

    /// Somebody is in doubt. The coordinator knows; another participant may (cooperative termination, BHG §7.4): if it
    /// has decided, or if it has not voted, for then it never will, and so has decided that nobody commits.
    pub(super) fn help(&mut self, now: Time, from: NodeId, id: TxnId, out: &mut Output) {
        if id.node == self.site.me {
            return self.tell(from, id, out);
        }
        self.site.abstain(now, id, out);
        let decision = self.site.known(id).and_then(|known| known.state.decision());
        if let Some(committed) = decision {
            let message = if committed { Message::Commit(id) } else { Message::Abort(id) };
            out.push(Effect::Send { to: from, message });
        }
    }

    /// Asks about what is in doubt for too long. If nobody knows but a coordinator that is down, this goes on until that
    /// one is back: two-phase commit blocks.
    pub(super) fn inquire(&mut self, now: Time, out: &mut Output) {
        let soon = now + 4 * self.options.tempo.heartbeat;
        for id in self.site.in_doubt().clone() {
            let due = self.ask_at.entry(id).or_insert(now);
            if now < *due {
                continue;
            }
            *due = soon;
            if id.node == self.site.me {
                if !self.coordinating.contains_key(&id) {
                    // It coordinates this itself and does not remember: then it was not committed.
                    self.learn(now, id, false, out);
                }
                continue;
            }
            // FLAW aborts-after-yes: the coordinator had its time.
            if self.has(Flaw::AbortsAfterYes) {
                self.learn(now, id, false, out);
                continue;
            }
            let nodes = self.site.known(id).and_then(|known| known.txn.as_ref()).map(|txn| txn.nodes.clone());
            let others = nodes.into_iter().flatten().filter(|node| *node != self.site.me);
            out.extend(others.map(|to| Effect::Send { to, message: Message::Inquire(id) }));
        }
    }
}
