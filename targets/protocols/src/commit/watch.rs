//! What must hold of every node at every step.

use super::site::Site;
use super::txn::TxnId;
use crate::{Protocol, Watch};
use history::{NodeId, Violation};
use std::collections::BTreeMap;

/// A core that is a [`Site`].
pub trait OfSite {
    /// Which.
    fn site(&self) -> &Site;
}

/// What is true of each node whatever the others do: that all decide alike is for those to judge who hear what every
/// node wrote down, since that is what a protocol may fail at by design.
///
/// * **Decisions stand** (AC2: Bernstein, Hadzilacos and Goodman 1987, §7.3): while a node lives it reverses none.
/// * **Strict two-phase locking** (the same, §3.5): whoever is in doubt holds locks, and nobody else does.
#[derive(Debug, Default)]
pub struct Invariants {
    /// By node, what it decided in this life, and how many of its decisions have been looked at.
    decided: BTreeMap<NodeId, (BTreeMap<TxnId, bool>, usize)>,
}

impl<P: Protocol + OfSite> Watch<P> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&P>) -> Result<(), Box<Violation>> {
        let Some(site) = state.map(OfSite::site) else {
            // What it had decided may not have reached its disk.
            self.decided.remove(&node);
            return Ok(());
        };
        let (decided, seen) = self.decided.entry(node).or_default();
        for (id, decision) in &site.decided()[*seen..] {
            if *decided.entry(*id).or_insert(*decision) != *decision {
                return violated(
                    "a decision stands",
                    "Bernstein, Hadzilacos and Goodman 1987, §7.3, AC2",
                    format!("{node} reversed its decision on {id}"),
                );
            }
        }
        *seen = site.decided().len();
        let holders = site.shard.holders();
        if holders != *site.in_doubt() {
            let (held, doubt) = (holders.len(), site.in_doubt().len());
            return violated(
                "locks are held until the decision, and no longer",
                "Bernstein, Hadzilacos and Goodman 1987, §3.5",
                format!("{node} is in doubt about {doubt} transactions, and {held} hold locks"),
            );
        }
        Ok(())
    }
}

fn violated(property: &str, source: &str, story: String) -> Result<(), Box<Violation>> {
    Err(Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story }))
}
