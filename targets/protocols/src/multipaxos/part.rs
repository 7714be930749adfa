//! The parts that a node plays beside that of an acceptor, which it always is.

use super::leader::Leader;
use super::message::{Command, Pvalue};
use crate::Flaw;
use crate::paxos::{Ballot, Tally};
use history::{NodeId, Time};
use std::collections::BTreeMap;

/// A node's part, with what it knows only while it plays it.
#[derive(Debug)]
pub(super) enum Part {
    /// It learns what a leader has chosen, if there is one.
    Follower(Option<Following>),
    /// It asks whether anybody would promise it a ballot, and changes nothing.
    Canvasser(Ballot, Tally),
    /// It asks for promises: phase 1.
    Candidate(Scout),
    /// It has a majority's promises: phase 2, again and again.
    Leader(Box<Leader>),
}

/// What a follower knows of its leader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Following {
    pub(super) ballot: Ballot,
    /// When it last heard from the leader.
    pub(super) heard: Time,
    /// All slots up to this one are chosen, the leader says.
    pub(super) chosen: u64,
}

/// Phase 1 of one ballot, for all slots at once (a *scout*, PMMC §2.2).
#[derive(Debug)]
pub(super) struct Scout {
    pub(super) ballot: Ballot,
    /// Who promised.
    pub(super) promised: Tally,
    /// What they have accepted for each slot that the candidate does not know to be chosen: by the highest ballot.
    pub(super) found: BTreeMap<u64, Found>,
}

/// What must be proposed for a slot.
#[derive(Debug)]
pub(super) struct Found {
    ballot: Ballot,
    pub(super) command: Command,
    /// FLAW acks-of-any-ballot: who has accepted it, under whatever ballot.
    pub(super) by: Tally,
}

impl Scout {
    /// `node` has accepted this. Of what was accepted for a slot, that of the highest ballot counts (PMS §2.2, phase 2a).
    pub(super) fn find(&mut self, node: NodeId, pvalue: Pvalue, flaw: Option<Flaw>) {
        let Pvalue { slot, ballot, command } = pvalue;
        let best = self.found.entry(slot).or_insert_with(|| Found {
            ballot,
            command: command.clone(),
            by: Tally::default(),
        });
        if best.command == command {
            best.ballot = best.ballot.max(ballot);
        // FLAW first-value-found: one is as good as another.
        } else if ballot > best.ballot && flaw != Some(Flaw::FirstValueFound) {
            *best = Found { ballot, command, by: Tally::default() };
        } else {
            return;
        }
        best.by.add(node);
    }
}
