//! What must hold over a whole cluster, watched while it runs: PMS's P1 and P2 with what they rest on.
//!
//! The watch sees a node's memory, which may be ahead of its disk. So that a node promised or accepted something
//! *durably* is concluded from another's tally alone: the answer that it counts stood behind the disk.

use super::message::Proposal;
use super::{Ballot, Paxos};
use crate::Watch;
use history::{Key, NodeId, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    nodes: BTreeMap<NodeId, Seen>,
    instances: BTreeMap<Key, Instance>,
}

/// What has been seen of one instance.
#[derive(Debug, Default)]
struct Instance {
    /// Which life of whom made each ballot.
    makers: BTreeMap<Ballot, (NodeId, u64)>,
    /// What was accepted under each ballot, and by whom.
    accepted: BTreeMap<Ballot, (Proposal, BTreeSet<NodeId>)>,
    /// What is chosen, under which ballot.
    chosen: Option<(Ballot, Proposal)>,
    /// What each node has durably promised, and durably accepted last.
    debts: BTreeMap<NodeId, (Ballot, Ballot)>,
}

/// One node as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    lives: u64,
    awake: bool,
    /// What it promised, and under which ballot it accepted last.
    acceptors: BTreeMap<Key, (Ballot, Ballot)>,
    chosen: BTreeSet<Key>,
}

/// What a check says.
type Checked = Result<(), Box<Violation>>;

impl Watch<Paxos> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Paxos>) -> Checked {
        let mut seen = std::mem::take(self.nodes.entry(node).or_default());
        let checked = match state {
            Some(state) => self.step(node, &mut seen, state),
            None => {
                seen = Seen { lives: seen.lives + 1, ..Seen::default() };
                Ok(())
            }
        };
        self.nodes.insert(node, seen);
        checked
    }
}

impl Invariants {
    fn step(&mut self, node: NodeId, seen: &mut Seen, state: &Paxos) -> Checked {
        let boots = !std::mem::replace(&mut seen.awake, true);
        let everything = || self.instances.keys().chain(state.acceptors.keys());
        let touched: BTreeSet<Key> =
            if boots { everything().copied().collect() } else { state.touched.iter().copied().collect() };
        for key in touched {
            self.look(node, seen, state, key)?;
        }
        Ok(())
    }

    /// Looks at one instance at one node.
    fn look(&mut self, node: NodeId, seen: &mut Seen, state: &Paxos, key: Key) -> Checked {
        let instance = self.instances.entry(key).or_default();
        if let Some(debt) = instance.debts.get(&node) {
            debts_are_kept(node, key, *debt, state)?;
        }
        if let Some(acceptor) = state.acceptors.get(&key) {
            let accepted = acceptor.accepted.as_ref().map_or(Ballot::NONE, |(ballot, _)| *ballot);
            let now = (acceptor.promised, accepted);
            let before = seen.acceptors.insert(key, now).unwrap_or((Ballot::NONE, Ballot::NONE));
            if let Some(latest) = acceptor.accepted.filter(|_| accepted != before.1) {
                instance.acceptance(node, (key, before.0), latest)?;
            }
        }
        if let Some(seeker) = state.seekers.get(&key) {
            if let Some((ballot, who)) = seeker.promises().filter(|(_, who)| !who.is_empty()) {
                // One that nobody has promised was never made: it may have been in a memory alone.
                instance.ballots_are_made_once((node, seen.lives), key, ballot)?;
                who.iter().for_each(|node| instance.owes(*node, (ballot, Ballot::NONE)));
            }
            if let Some((ballot, who)) = seeker.accepted() {
                who.iter().for_each(|node| instance.owes(*node, (ballot, ballot)));
            }
        }
        match state.chosen.get(&key) {
            Some(value) if seen.chosen.insert(key) => {
                instance.choice(node, key, *value, state.everyone.len())
            }
            _ => Ok(()),
        }
    }
}

/// An acceptor remembers what it promised and what it accepted, even if it fails and restarts (PMS §2.2, §2.5).
fn debts_are_kept(node: NodeId, key: Key, (promised, accepted): (Ballot, Ballot), state: &Paxos) -> Checked {
    let now = state.acceptors.get(&key);
    let knows = now.map_or(Ballot::NONE, |now| now.promised);
    if knows < promised {
        let story =
            format!("{node} promised {promised} for {key}, which somebody counted, and now knows {knows}");
        return violated("promises are kept", "PMS §2.2", story);
    }
    let has = now.and_then(|now| now.accepted).map_or(Ballot::NONE, |(ballot, _)| ballot);
    if has < accepted {
        let story = format!(
            "{node} accepted a value for {key} under {accepted}, which somebody counted, and has restarted without it"
        );
        return violated("accepted values are kept", "PMS §2.2", story);
    }
    Ok(())
}

impl Instance {
    /// A node has promised and accepted no less, durably.
    fn owes(&mut self, node: NodeId, (promised, accepted): (Ballot, Ballot)) {
        let debt = self.debts.entry(node).or_insert((promised, accepted));
        *debt = (debt.0.max(promised), debt.1.max(accepted));
    }

    /// No two proposals have the same number (PMS §2.2, §2.5): nobody makes a ballot twice.
    fn ballots_are_made_once(&mut self, maker: (NodeId, u64), key: Key, ballot: Ballot) -> Checked {
        let before = *self.makers.entry(ballot).or_insert(maker);
        if before == maker {
            return Ok(());
        }
        let story =
            format!("{} makes ballot {ballot} for {key}, which {} has made before", maker.0, before.0);
        violated("ballots are made once", "PMS §2.5", story)
    }

    /// A node, which had promised, has accepted a value.
    fn acceptance(
        &mut self,
        node: NodeId,
        (key, promised): (Key, Ballot),
        (ballot, value): (Ballot, Proposal),
    ) -> Checked {
        // P1a: an acceptor accepts a proposal if and only if it has responded to no prepare request with a higher number.
        if ballot < promised {
            let story =
                format!("{node} promised {promised} for {key}, and then accepted {value:?} under {ballot}");
            return violated("P1a", "PMS §2.2", story);
        }
        let (first, who) = self.accepted.entry(ballot).or_insert_with(|| (value, BTreeSet::new()));
        who.insert(node);
        if *first != value {
            let story = format!("both {first:?} and {value:?} were accepted for {key} under {ballot}");
            return violated("one value per ballot", "PMS §2.2", story);
        }
        match self.chosen {
            Some(chosen) => higher_ballots_agree(key, chosen, (ballot, value)),
            None => Ok(()),
        }
    }

    /// A node takes a value for chosen.
    fn choice(&mut self, node: NodeId, key: Key, value: Proposal, nodes: usize) -> Checked {
        if let Some((_, chosen)) = self.chosen {
            if chosen == value {
                return Ok(());
            }
            let story = format!("{node} takes {value:?} for chosen for {key}, and {chosen:?} was");
            return violated("only a single value is chosen", "PMS §2.1", story);
        }
        let majority = |who: &BTreeSet<NodeId>| who.len() > nodes / 2;
        let mut under =
            self.accepted.iter().filter(|(_, (accepted, who))| *accepted == value && majority(who));
        let Some((&ballot, _)) = under.next() else {
            let story = format!(
                "{node} takes {value:?} for chosen for {key}, and no majority accepted it under one ballot"
            );
            return violated("chosen means accepted by a majority", "PMS §2.2", story);
        };
        self.chosen = Some((ballot, value));
        for (higher, (accepted, _)) in self.accepted.range(ballot..) {
            higher_ballots_agree(key, (ballot, value), (*higher, *accepted))?;
        }
        Ok(())
    }
}

/// P2b and P2c: if a value is chosen, then every higher-numbered proposal has that value.
fn higher_ballots_agree(
    key: Key,
    chosen: (Ballot, Proposal),
    (ballot, value): (Ballot, Proposal),
) -> Checked {
    if ballot <= chosen.0 || value == chosen.1 {
        return Ok(());
    }
    let story = format!(
        "for {key}, {:?} was chosen under {}, and {value:?} is accepted under {ballot}",
        chosen.1, chosen.0
    );
    violated("P2c", "PMS §2.2", story)
}

fn violated(property: &str, source: &str, story: String) -> Checked {
    Err(Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story }))
}
