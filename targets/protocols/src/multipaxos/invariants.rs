//! What must hold over a whole cluster, watched while it runs: PMS's P1 and P2 with what they rest on.
//!
//! The watch sees a node's memory, which may be ahead of its disk, and what is only in memory may be lost without a fault
//! of the protocol. So that a node promised or accepted something *durably* is concluded from another's tally alone: the
//! answer that it counts stood behind the disk. The rest needs no such care: what a node accepts was proposed, and a
//! proposal stands whatever becomes of him who accepts it; and a slot is taken for chosen only by who counted durable
//! answers.

use super::part::Part;
use super::{Command, MultiPaxos};
use crate::Watch;
use crate::paxos::Ballot;
use history::{NodeId, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    nodes: BTreeMap<NodeId, Seen>,
    /// Who made each ballot, in which of its lives.
    makers: BTreeMap<Ballot, (NodeId, u64)>,
    /// What was proposed for each slot under each ballot.
    proposed: BTreeMap<(u64, Ballot), Proposed>,
    /// By slot, from 1.
    chosen: Vec<Chosen>,
    /// What each node has durably promised.
    promised: BTreeMap<NodeId, Ballot>,
    /// What each node has durably accepted for each slot.
    accepted: BTreeMap<NodeId, BTreeMap<u64, Ballot>>,
}

/// A hash of a command.
type Digest = u64;

#[derive(Debug)]
struct Proposed {
    command: Digest,
    /// Who was first seen to have accepted it.
    witness: NodeId,
    /// Who was ever seen to have accepted it.
    accepted: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Chosen {
    command: Digest,
    /// Under which ballot, and who counted.
    ballot: Ballot,
    by: NodeId,
}

/// One node as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    lives: u64,
    awake: bool,
    promised: Option<Ballot>,
    /// Under which ballot it leads, if it does.
    leads: Option<Ballot>,
    /// It knows what is chosen up to here.
    known: u64,
    accepted: BTreeMap<u64, Ballot>,
}

/// What a check says.
type Checked = Result<(), Box<Violation>>;

impl Watch<MultiPaxos> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&MultiPaxos>) -> Checked {
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
    fn step(&mut self, node: NodeId, seen: &mut Seen, state: &MultiPaxos) -> Checked {
        self.promises_are_kept(node, state)?;
        if !std::mem::replace(&mut seen.awake, true) {
            self.accepted_values_are_kept(node, state)?;
        }
        self.ballots_are_made_once(node, seen, state)?;
        for (slot, (ballot, command)) in &state.accepted {
            if seen.accepted.get(slot) != Some(ballot) {
                self.acceptance(node, seen, (*slot, *ballot), digest(command))?;
                seen.accepted.insert(*slot, *ballot);
            }
        }
        seen.promised = Some(state.promised);
        let leads = match &state.part {
            Part::Leader(leader) => Some(leader.ballot),
            _ => None,
        };
        // Who has just stepped down may have chosen something in the same step.
        let counts_under = leads.or(seen.leads);
        seen.leads = leads;
        if seen.known < state.prefix() {
            while seen.known < state.prefix() {
                let Some(command) = state.log.get(seen.known as usize) else { break };
                seen.known += 1;
                self.choice(node, seen.known, digest(command), (counts_under, state.everyone.len()))?;
            }
            seen.accepted = seen.accepted.split_off(&(seen.known + 1));
        }
        self.note_what_is_durable(state);
        Ok(())
    }

    /// An acceptor remembers the highest ballot that it promised, even if it fails and restarts (PMS §2.2, §2.5).
    fn promises_are_kept(&self, node: NodeId, state: &MultiPaxos) -> Checked {
        match self.promised.get(&node) {
            Some(before) if state.promised < *before => {
                let story = format!(
                    "{node} promised {before}, which somebody counted, and now knows {}",
                    state.promised
                );
                violated("promises are kept", "PMS §2.2", story)
            }
            _ => Ok(()),
        }
    }

    /// And what it accepted last (PMS §2.2, §2.5).
    fn accepted_values_are_kept(&self, node: NodeId, state: &MultiPaxos) -> Checked {
        let Some(debts) = self.accepted.get(&node) else { return Ok(()) };
        for (slot, ballot) in debts.range(state.prefix() + 1..) {
            let now = state.accepted.get(slot).map(|(ballot, _)| *ballot);
            if now.is_none_or(|now| now < *ballot) {
                let story = format!(
                    "{node} accepted something for slot {slot} under {ballot}, which somebody counted, and has restarted without it"
                );
                return violated("accepted values are kept", "PMS §2.2", story);
            }
        }
        Ok(())
    }

    /// No two proposals have the same number (PMS §2.2, §2.5): nobody makes a ballot twice. One that nobody has promised
    /// was never made: it may have been in a memory alone.
    fn ballots_are_made_once(&mut self, node: NodeId, seen: &Seen, state: &MultiPaxos) -> Checked {
        let ballot = match &state.part {
            Part::Candidate(scout) if scout.promised.count() > 0 => scout.ballot,
            Part::Leader(leader) => leader.ballot,
            _ => return Ok(()),
        };
        let (maker, life) = *self.makers.entry(ballot).or_insert((node, seen.lives));
        if (maker, life) == (node, seen.lives) {
            return Ok(());
        }
        let story = if maker == node {
            format!("{node} makes ballot {ballot} again after a restart")
        } else {
            format!("{maker} and {node} both make ballot {ballot}")
        };
        violated("ballots are made once", "PMS §2.5", story)
    }

    /// A node has accepted a command.
    fn acceptance(
        &mut self,
        node: NodeId,
        seen: &Seen,
        (slot, ballot): (u64, Ballot),
        command: Digest,
    ) -> Checked {
        // P1a: an acceptor accepts what is proposed under a ballot if and only if it has promised no higher one.
        if let Some(promised) = seen.promised.filter(|promised| *promised > ballot) {
            let story = format!("{node} promised {promised}, and then accepted slot {slot} under {ballot}");
            return violated("P1a", "PMS §2.2", story);
        }
        let fresh = || Proposed { command, witness: node, accepted: BTreeSet::new() };
        let proposed = self.proposed.entry((slot, ballot)).or_insert_with(fresh);
        proposed.accepted.insert(node);
        if proposed.command != command {
            let story = format!(
                "{node} and {} accepted different commands for slot {slot} under {ballot}",
                proposed.witness
            );
            return violated("one value per ballot", "PMS §2.2", story);
        }
        match self.chosen.get(slot as usize - 1) {
            Some(chosen) => higher_ballots_agree(slot, chosen, ballot, command),
            None => Ok(()),
        }
    }

    /// A node takes a command for chosen.
    fn choice(
        &mut self,
        node: NodeId,
        slot: u64,
        command: Digest,
        (ballot, nodes): (Option<Ballot>, usize),
    ) -> Checked {
        if let Some(chosen) = self.chosen.get(slot as usize - 1) {
            if chosen.command == command {
                return Ok(());
            }
            let story = format!(
                "{node} takes another command for chosen for slot {slot} than {} did, under {}",
                chosen.by, chosen.ballot
            );
            return violated("only a single value is chosen", "PMS §2.1", story);
        }
        let Some(ballot) = ballot else {
            let story =
                format!("{node} takes something for chosen for slot {slot} that no leader has chosen");
            return violated("only what is chosen is learnt", "PMS §2.1", story);
        };
        let accepted = self.proposed.get(&(slot, ballot)).map(|one| &one.accepted);
        let accepted = accepted.map_or(0, BTreeSet::len);
        if accepted <= nodes / 2 {
            let story = format!(
                "{node} takes what it proposed for slot {slot} under {ballot} for chosen, and {accepted} of {nodes} have accepted it"
            );
            return violated("chosen means accepted by a majority", "PMS §2.2", story);
        }
        let chosen = Chosen { command, ballot, by: node };
        for (&(_, higher), proposed) in self.proposed.range((slot, ballot)..(slot + 1, Ballot::NONE)) {
            higher_ballots_agree(slot, &chosen, higher, proposed.command)?;
        }
        self.chosen.push(chosen);
        Ok(())
    }

    /// Whoever is counted has said so from behind its disk.
    fn note_what_is_durable(&mut self, state: &MultiPaxos) {
        let (ballot, tally) = match &state.part {
            Part::Candidate(scout) => (scout.ballot, &scout.promised),
            Part::Leader(leader) => (leader.ballot, &leader.promised),
            Part::Follower(_) | Part::Canvasser(..) => return,
        };
        for node in tally.nodes() {
            let promised = self.promised.entry(*node).or_insert(ballot);
            *promised = ballot.max(*promised);
        }
        let Part::Leader(leader) = &state.part else { return };
        for (slot, proposal) in &leader.proposals {
            for node in proposal.accepted.nodes() {
                self.accepted.entry(*node).or_default().insert(*slot, ballot);
            }
        }
    }
}

/// P2b and P2c: if a command is chosen, then every higher-numbered proposal has that command.
fn higher_ballots_agree(slot: u64, chosen: &Chosen, ballot: Ballot, command: Digest) -> Checked {
    if ballot <= chosen.ballot || command == chosen.command {
        return Ok(());
    }
    let story = format!(
        "for slot {slot} a command was chosen under {}, and another one is proposed under {ballot}",
        chosen.ballot
    );
    violated("P2c", "PMS §2.2", story)
}

fn violated(property: &str, source: &str, story: String) -> Checked {
    Err(Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story }))
}

fn digest(command: &Command) -> Digest {
    let mut hasher = DefaultHasher::new();
    command.hash(&mut hasher);
    hasher.finish()
}
