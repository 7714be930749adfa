//! The leader: counts what was accepted. The coordinator leads ballot 0; whoever is in doubt for long leads another.

use super::{Message, Output, PaxosCommit, Record, Votes};
use crate::commit::{Gots, Txn, TxnId};
use crate::{Effect, Flaw};
use history::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A transaction that this node leads.
#[derive(Debug)]
pub(super) struct Leading {
    pub txn: Txn,
    /// Its ballot; the coordinator's is 0.
    pub ballot: u64,
    /// What each participant that is there got.
    pub gots: BTreeMap<NodeId, Gots>,
    pub phase: Phase,
    /// When it says again what was not answered.
    pub again: Time,
    /// When it tries another ballot.
    pub deadline: Time,
}

/// What acceptors have told.
pub(super) type Told = BTreeMap<NodeId, Vec<(NodeId, u64, bool)>>;

#[derive(Debug)]
pub(super) enum Phase {
    /// It has asked for promises, and has these (phase 1).
    Asking(Told),
    /// It, or the participants, have proposed this (phase 2); for each participant, who has accepted it.
    Proposing(BTreeMap<NodeId, bool>, BTreeMap<NodeId, BTreeSet<NodeId>>),
}

impl PaxosCommit {
    /// A client brings a transaction of several nodes.
    pub(super) fn begin(&mut self, now: Time, txn: Txn, out: &mut Output) {
        let prepare = |to: &NodeId| Effect::Send { to: *to, message: Message::Prepare(txn.clone()) };
        out.extend(txn.nodes.iter().map(prepare));
        let proposed = txn.nodes.iter().map(|node| (*node, true)).collect();
        let phase = Phase::Proposing(proposed, BTreeMap::new());
        let (again, deadline) = (now + self.beat(), now + 2 * self.options.tempo.election);
        let gots = BTreeMap::new();
        self.leading.insert(txn.id, Leading { txn, ballot: 0, gots, phase, again, deadline });
    }

    /// Somebody must find out what became of a transaction: it leads a ballot above all that it knows of.
    pub(super) fn lead(&mut self, now: Time, txn: Txn, gots: BTreeMap<NodeId, Gots>, out: &mut Output) {
        let (id, count) = (txn.id, self.site.nodes.len() as u64);
        let place = self.site.nodes.iter().position(|node| *node == self.site.me).unwrap_or(0) as u64;
        let promised = self.ballots.entry(id).or_default().promised;
        // Its own in the next round.
        let ballot = (promised / count + 1) * count + place;
        self.ballots.entry(id).or_default().promised = ballot;
        // No later life of this node uses the ballot again.
        out.push(Effect::Persist(Record::Promised(id, ballot)));
        // As long again as it takes, drawn, so that of two leaders one comes through.
        let wait = self.options.tempo.election;
        let deadline = now + wait + self.chance.span(Duration::ZERO, wait);
        let again = now + self.beat();
        // FLAW aborts-unread: whoever did not answer in time has not voted.
        if self.has(Flaw::AbortsUnread) {
            let proposed = txn.nodes.iter().map(|node| (*node, false)).collect();
            let phase = Phase::Proposing(proposed, BTreeMap::new());
            self.leading.insert(id, Leading { txn, ballot, gots, phase, again, deadline });
            return self.propose(id, None, out);
        }
        let phase = Phase::Asking(Told::new());
        self.leading.insert(id, Leading { txn, ballot, gots, phase, again, deadline });
        out.extend(
            self.site.nodes.iter().map(|to| Effect::Send { to: *to, message: Message::Ask(id, ballot) }),
        );
    }

    /// A majority has promised: proposes for each participant what was accepted in the highest ballot, and where nothing
    /// was, abort.
    pub(super) fn hear_promise(
        &mut self,
        from: NodeId,
        (id, ballot): (TxnId, u64),
        accepted: Vec<(NodeId, u64, bool)>,
        out: &mut Output,
    ) {
        let majority = self.majority();
        let Some(leading) = self.leading.get_mut(&id).filter(|leading| leading.ballot == ballot) else {
            return;
        };
        let Phase::Asking(told) = &mut leading.phase else { return };
        told.insert(from, accepted);
        if told.len() < majority {
            return;
        }
        let found = |node: &NodeId| {
            let all = told.values().flatten().filter(|(of, _, _)| of == node);
            let last = all.max_by_key(|(_, ballot, _)| *ballot);
            (*node, last.is_some_and(|(_, _, prepared)| *prepared))
        };
        let proposed = leading.txn.nodes.iter().map(found).collect();
        leading.phase = Phase::Proposing(proposed, BTreeMap::new());
        self.propose(id, None, out);
    }

    /// Phase 2a, for all instances at once. In ballot 0 the participants do it, each for itself.
    fn propose(&self, id: TxnId, but: Option<&BTreeSet<NodeId>>, out: &mut Output) {
        let Some(Leading { ballot, phase: Phase::Proposing(proposed, _), .. }) = self.leading.get(&id) else {
            return;
        };
        let votes: Votes = proposed.iter().map(|(node, prepared)| (*node, *prepared)).collect();
        let to = self.site.nodes.iter().filter(|node| !but.is_some_and(|but| but.contains(node)));
        out.extend(
            to.map(|to| Effect::Send { to: *to, message: Message::Propose(id, *ballot, votes.clone()) }),
        );
    }

    /// Phase 2b: as soon as a majority has accepted something for every participant, it is decided.
    pub(super) fn hear_accepted(
        &mut self,
        now: Time,
        from: NodeId,
        (id, ballot, votes): (TxnId, u64, Votes),
        out: &mut Output,
    ) {
        // FLAW minority-decides: one acceptor fewer will do.
        let enough = self.majority() - usize::from(self.has(Flaw::MinorityDecides));
        let Some(leading) = self.leading.get_mut(&id).filter(|leading| leading.ballot == ballot) else {
            return;
        };
        let Phase::Proposing(proposed, accepted) = &mut leading.phase else { return };
        for (node, _) in votes {
            accepted.entry(node).or_default().insert(from);
        }
        let chosen = |node: &NodeId| accepted.get(node).is_some_and(|acceptors| acceptors.len() >= enough);
        if !leading.txn.nodes.iter().all(chosen) {
            return;
        }
        let commit = proposed.values().all(|prepared| *prepared);
        // What a client read is known once every participant has said it; in ballot 0 that may come a little later.
        let missing = leading.txn.nodes.iter().any(|node| !leading.gots.contains_key(node));
        if commit && ballot == 0 && missing {
            return;
        }
        self.conclude(now, id, commit, out);
    }

    pub(super) fn hear_prepared(&mut self, now: Time, from: NodeId, id: TxnId, gots: Gots, out: &mut Output) {
        if let Some(leading) = self.leading.get_mut(&id) {
            leading.gots.insert(from, gots);
            let ballot = leading.ballot;
            // It may be the last thing that was missing.
            self.hear_accepted(now, from, (id, ballot, Votes::new()), out);
        }
    }

    /// It is decided: written down, and told to the client and to everybody.
    pub(super) fn conclude(&mut self, now: Time, id: TxnId, commit: bool, out: &mut Output) {
        let Some(Leading { txn, gots, .. }) = self.leading.remove(&id) else { return };
        let gots: Gots = gots.into_values().flatten().collect();
        self.site.decide(now, id, commit, Some(&gots), out);
        if id.node == self.site.me {
            self.site.answer(&txn, commit, Some(&gots), out);
        }
        let message = if commit { Message::Commit(id) } else { Message::Abort(id) };
        let others = txn.nodes.iter().filter(|node| **node != self.site.me);
        out.extend(others.map(|to| Effect::Send { to: *to, message: message.clone() }));
    }

    /// Says again what was not answered, and tries another ballot if that does not help.
    pub(super) fn drive(&mut self, now: Time, out: &mut Output) {
        let beat = self.beat();
        let (mut overdue, mut anew) = (Vec::new(), Vec::new());
        for (id, Leading { txn, ballot, gots, phase, again, deadline }) in &mut self.leading {
            if now >= *deadline {
                overdue.push(*id);
                continue;
            }
            if now < *again {
                continue;
            }
            *again = now + beat;
            match phase {
                Phase::Asking(told) => {
                    let silent = self.site.nodes.iter().filter(|node| !told.contains_key(node));
                    out.extend(
                        silent.map(|to| Effect::Send { to: *to, message: Message::Ask(*id, *ballot) }),
                    );
                }
                Phase::Proposing(_, accepted) if *ballot == 0 => {
                    let enough = self.site.nodes.len() / 2 + 1;
                    let done = |node: &NodeId| {
                        gots.contains_key(node) && accepted.get(node).is_some_and(|by| by.len() >= enough)
                    };
                    let silent = txn.nodes.iter().filter(|node| !done(node));
                    out.extend(
                        silent.map(|to| Effect::Send { to: *to, message: Message::Prepare(txn.clone()) }),
                    );
                }
                Phase::Proposing(_, accepted) => {
                    anew.push((*id, accepted.values().next().cloned().unwrap_or_default()));
                }
            }
        }
        for (id, accepted) in anew {
            self.propose(id, Some(&accepted), out);
        }
        for id in overdue {
            let Some(Leading { txn, gots, .. }) = self.leading.remove(&id) else { continue };
            self.site.abstain(now, id, out);
            match self.decision(id) {
                // It has not voted itself, and never will.
                Some(commit) => {
                    let (ballot, phase) = (0, Phase::Asking(Told::new()));
                    let leading = Leading { txn, ballot, gots, phase, again: now, deadline: now };
                    self.leading.insert(id, leading);
                    self.conclude(now, id, commit, out);
                }
                None => self.lead(now, txn, gots, out),
            }
        }
    }
}
