//! What must hold over a whole cluster, watched while it runs: Raft's properties in every group, and atomicity.

use super::command::{Txn, end};
use super::{GROUPS, Sharded};
use crate::{Watch, raft};
use history::{NodeId, Violation};
use std::collections::BTreeMap;

/// What has been seen of a cluster since it began.
#[derive(Debug)]
pub struct Invariants {
    groups: Vec<raft::Invariants>,
    /// How each transaction ended, where it was first seen to.
    ended: BTreeMap<Txn, (bool, NodeId)>,
}

impl Default for Invariants {
    fn default() -> Invariants {
        let groups = (0..GROUPS).map(|_| raft::Invariants::default());
        Invariants { groups: groups.collect(), ended: BTreeMap::new() }
    }
}

impl Watch<Sharded> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Sharded>) -> Result<(), Box<Violation>> {
        for (at, group) in self.groups.iter_mut().enumerate() {
            group.observe(node, state.and_then(|state| state.groups.get(at)))?;
        }
        let ended = state.map_or(&[][..], |state| &state.ended);
        ended.iter().try_for_each(|(txn, commit)| self.one_end(node, *txn, *commit))
    }
}

impl Invariants {
    /// AC1: all processes that reach a decision reach the same one (Bernstein, Hadzilacos and Goodman, *Concurrency Control
    /// and Recovery in Database Systems*, 1987, chapter 7).
    fn one_end(&mut self, node: NodeId, txn: Txn, commit: bool) -> Result<(), Box<Violation>> {
        let (first, witness) = *self.ended.entry(txn).or_insert((commit, node));
        if first == commit {
            return Ok(());
        }
        let story = format!(
            "call {} of {} ended with {} at {witness}, and with {} at {node}",
            txn.number,
            txn.process,
            end(first),
            end(commit)
        );
        let source = "Bernstein, Hadzilacos and Goodman, chapter 7, AC1".to_owned();
        Err(Box::new(Violation { property: "atomic commitment".to_owned(), source, story }))
    }
}
