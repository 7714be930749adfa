//! Who follows: votes, obeys whoever leads, and finds a new leader or the truth.

use super::{Message, Output, Report, ThreePhase};
use crate::commit::{Deed, State, Txn, TxnId};
use crate::{Effect, Flaw};
use history::{NodeId, Time};
use std::collections::BTreeMap;

/// Whom this node follows in a transaction of which it is in doubt.
#[derive(Debug)]
pub(super) struct Follow {
    /// The rank of the leader.
    pub rank: u16,
    /// When the leader was last heard.
    pub heard: Time,
    /// When it asks again.
    pub again: Time,
    /// If this node was down: who else was, and how those stood.
    pub lost: BTreeMap<NodeId, Report>,
}

impl ThreePhase {
    pub(super) fn vote(&mut self, now: Time, from: NodeId, txn: &Txn, out: &mut Output) {
        if !txn.nodes.contains(&self.site.me) {
            return;
        }
        let (id, before) = (txn.id, out.len());
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
        if self.site.in_doubt().contains(&id) {
            self.follow(now, id);
        }
        out.push(Effect::Send { to: from, message });
    }

    /// Whom it follows; the coordinator, if it never heard of anybody else.
    fn follow(&mut self, now: Time, id: TxnId) -> &mut Follow {
        let again = now + self.options.tempo.election;
        let first = || Follow { rank: 0, heard: now, again, lost: BTreeMap::new() };
        self.follows.entry(id).or_insert_with(first)
    }

    /// How it stands to a transaction of which it is in doubt, and whether it has been down since it voted.
    fn stand(&self, id: TxnId) -> Option<(Report, bool)> {
        let known = self.site.known(id)?;
        match known.state {
            State::Uncertain => Some((Report::Uncertain, known.recovered)),
            State::PreCommitted => Some((Report::PreCommitted, known.recovered)),
            State::Committed | State::Aborted => None,
        }
    }

    /// Whether it obeys a leader of this rank: if it obeys none of a higher one, and has not been down meanwhile.
    fn obeys(&mut self, now: Time, from: NodeId, id: TxnId, rank: u16, out: &mut Output) -> Option<Report> {
        let Some((report, recovered)) = self.stand(id) else {
            self.tell(now, from, id, out);
            return None;
        };
        // FLAW recovered-takes-part: it is back, and stands where it stood.
        if recovered && !self.has(Flaw::RecoveredTakesPart) {
            out.push(Effect::Send { to: from, message: Message::Lost(id, report) });
            return None;
        }
        let follow = self.follow(now, id);
        if rank < follow.rank {
            return None;
        }
        (follow.rank, follow.heard) = (rank, now);
        // Whoever led until now has been taken for dead by somebody: it leads no more.
        if self.leading.get(&id).is_some_and(|leading| leading.rank < rank) {
            self.leading.remove(&id);
        }
        Some(report)
    }

    pub(super) fn hear_pre_commit(
        &mut self,
        now: Time,
        from: NodeId,
        id: TxnId,
        rank: u16,
        out: &mut Output,
    ) {
        if self.obeys(now, from, id, rank, out).is_some() {
            self.site.pre_commit(now, id, out);
            out.push(Effect::Send { to: from, message: Message::Ack(id, rank) });
        }
    }

    /// Somebody leads now. Who has not voted never will: then it is aborted.
    pub(super) fn hear_ask(&mut self, now: Time, from: NodeId, id: TxnId, rank: u16, out: &mut Output) {
        self.site.abstain(now, id, out);
        if let Some(report) = self.obeys(now, from, id, rank, out) {
            out.push(Effect::Send { to: from, message: Message::Stand(id, rank, report) });
        }
    }

    /// The decision, by whoever knows it.
    pub(super) fn learn(&mut self, now: Time, id: TxnId, commit: bool, out: &mut Output) {
        // FLAW commit-applied-twice: whoever says it again means it.
        let committed = self.site.known(id).is_some_and(|known| known.state == State::Committed);
        if self.has(Flaw::CommitAppliedTwice) && commit && committed {
            self.site.again(id);
            self.site.write(now, Deed::AppliedAgain(id), out);
        }
        if self.leading.contains_key(&id) {
            // It asked how all stand, and somebody knew.
            self.conclude(now, id, commit, out);
        }
        self.site.decide(now, id, commit, None, out);
        self.follows.remove(&id);
    }

    /// Says what became of a transaction, or that it is not decided. Who has not voted never will.
    pub(super) fn tell(&mut self, now: Time, to: NodeId, id: TxnId, out: &mut Output) {
        if !self.leading.contains_key(&id) {
            self.site.abstain(now, id, out);
        }
        let message = match (self.site.known(id).map(|known| known.state), self.stand(id)) {
            (Some(State::Committed), _) => Message::Commit(id),
            (Some(State::Aborted), _) if !self.leading.contains_key(&id) => Message::Abort(id),
            (_, Some((report, true))) if !self.has(Flaw::RecoveredTakesPart) => Message::Lost(id, report),
            _ => Message::Busy(id),
        };
        out.push(Effect::Send { to, message });
    }

    pub(super) fn hear_busy(&mut self, now: Time, from: NodeId, id: TxnId) {
        let Some(nodes) = self.site.known(id).and_then(|known| known.txn.as_ref()).map(|txn| &txn.nodes)
        else {
            return;
        };
        if let Some(follow) = self.follows.get_mut(&id)
            && nodes.get(usize::from(follow.rank)) == Some(&from)
        {
            follow.heard = now;
        }
    }

    /// Somebody was down: it leads nobody, and knows nothing.
    pub(super) fn hear_lost(&mut self, now: Time, from: NodeId, id: TxnId, report: Report, out: &mut Output) {
        self.count_out(now, from, id, out);
        let Some((mine, recovered)) = self.stand(id) else { return };
        let Some(nodes) =
            self.site.known(id).and_then(|known| known.txn.as_ref()).map(|txn| txn.nodes.clone())
        else {
            return;
        };
        let me = self.site.me;
        let follow = self.follow(now, id);
        if !recovered {
            if nodes.get(usize::from(follow.rank)) == Some(&from) {
                (follow.rank, follow.heard, follow.again) = (follow.rank + 1, now, now);
            }
            return;
        }
        follow.lost.insert(from, report);
        // Total failure: all have been down, so nobody has led since, and how they stood is all that there is. Whoever
        // decided before it went down would have said so.
        if nodes.iter().all(|node| *node == me || follow.lost.contains_key(node)) {
            let sure = mine == Report::PreCommitted
                || follow.lost.values().any(|report| *report == Report::PreCommitted);
            self.learn(now, id, sure, out);
        }
    }

    /// Asks about what is in doubt, and succeeds a leader that is dead.
    pub(super) fn inquire(&mut self, now: Time, out: &mut Output) {
        let (beat, patience) = (self.beat(), self.patience());
        for id in self.site.in_doubt().clone() {
            if self.leading.contains_key(&id) {
                continue;
            }
            let Some(known) = self.site.known(id) else { continue };
            let (Some(txn), recovered) = (known.txn.clone(), known.recovered) else { continue };
            let me = self.site.me;
            if recovered {
                // FLAW recovers-alone: it was uncertain when it went down, so nobody can have committed.
                if self.has(Flaw::RecoversAlone) {
                    self.learn(now, id, false, out);
                    continue;
                }
                if !self.has(Flaw::RecoveredTakesPart) {
                    let follow = self.follows.entry(id).or_insert_with(|| Follow {
                        rank: 0,
                        heard: now,
                        again: now,
                        lost: BTreeMap::new(),
                    });
                    if now >= follow.again {
                        follow.again = now + 4 * beat;
                        let others = txn.nodes.iter().filter(|node| **node != me);
                        out.extend(others.map(|to| Effect::Send { to: *to, message: Message::Inquire(id) }));
                    }
                    continue;
                }
            }
            let follow = self.follow(now, id);
            if now < follow.again {
                continue;
            }
            follow.again = now + 2 * beat;
            if now.since(follow.heard) >= patience {
                (follow.rank, follow.heard) = (follow.rank + 1, now);
            }
            let rank = follow.rank;
            match txn.nodes.get(usize::from(rank)) {
                Some(leader) if *leader != me => {
                    out.push(Effect::Send { to: *leader, message: Message::Inquire(id) });
                }
                _ => self.succeed(now, txn, rank, out),
            }
        }
    }
}
