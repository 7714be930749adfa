//! The properties of primary order atomic broadcast (DSN 2011), watched over a whole cluster while it runs.
//!
//! The watch sees a node's memory, which may be ahead of its disk. That makes no false alarm: a node is counted only for
//! what is durable (see the module's essay), a primary seen here was accepted by a quorum durably, and what it made and
//! then forgot in a crash it cannot make again in another guise, since it never leads that epoch again.
//!
//! Histories are compared by a running hash: equal hashes of so many transactions mean equal transactions. A step costs
//! as much as what it changed.

use super::Zab;
use super::log::{Txn, Zxid};
use crate::Watch;
use history::{NodeId, Violation};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    nodes: BTreeMap<NodeId, Seen>,
    /// Who was the primary of each epoch, and in which of its lives.
    primaries: BTreeMap<u64, (NodeId, u64)>,
    /// The history up to each zxid, and who was first seen with it.
    histories: BTreeMap<Zxid, (Digest, NodeId)>,
    /// What was delivered: the history so far, its zxid, and who was first, in which epoch.
    delivered: Vec<(Digest, Zxid, NodeId, u64)>,
}

/// A hash of a history from its beginning.
type Digest = u64;

/// One node as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    lives: u64,
    /// The epoch of which it was the primary.
    led: Option<u64>,
    applied: usize,
    cuts: u64,
    log: Vec<Digest>,
}

/// What a check says.
type Checked = Result<(), Box<Violation>>;

impl<const SYNC: bool> Watch<Zab<SYNC>> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Zab<SYNC>>) -> Checked {
        let mut seen = std::mem::take(self.nodes.entry(node).or_default());
        let checked = match state {
            Some(zab) => self.step(node, &mut seen, zab),
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
    fn step<const SYNC: bool>(&mut self, node: NodeId, seen: &mut Seen, zab: &Zab<SYNC>) -> Checked {
        let (cuts, left) = zab.log.cuts();
        if cuts != seen.cuts {
            seen.cuts = cuts;
            if left < seen.applied {
                let story = format!(
                    "{node} has delivered {} transactions and cut its history to {left}",
                    seen.applied
                );
                return violated("agreement", "DSN 2011: what was delivered stays", story);
            }
            seen.log.truncate(left);
        }
        for place in seen.log.len()..zab.log.len() {
            let Some(txn) = zab.log.get(place) else { break };
            let digest = digest(seen.log.last().copied(), txn);
            seen.log.push(digest);
            let &mut (first, witness) = self.histories.entry(txn.zxid).or_insert((digest, node));
            if first != digest {
                let zxid = txn.zxid;
                let story = format!("up to {zxid} the histories of {node} and {witness} differ");
                return violated("integrity", "DSN 2011: a zxid is one transaction", story);
            }
        }
        self.primary(node, seen, zab)?;
        while seen.applied < zab.applied {
            let Some(txn) = zab.log.get(seen.applied) else { break };
            self.delivery((node, zab.current), seen.applied, seen.log[seen.applied], txn)?;
            seen.applied += 1;
        }
        Ok(())
    }

    /// A primary is the only one of its epoch, and begins with all that was delivered in earlier ones (primary
    /// integrity). (A later one may have begun before: then it is too late for this one to commit anything.)
    fn primary<const SYNC: bool>(&mut self, node: NodeId, seen: &mut Seen, zab: &Zab<SYNC>) -> Checked {
        let led = zab.primary().filter(|(_, leader)| *leader == node).map(|(epoch, _)| epoch);
        if led == seen.led {
            return Ok(());
        }
        seen.led = led;
        let Some(epoch) = led else { return Ok(()) };
        let life = (node, seen.lives);
        let first = *self.primaries.entry(epoch).or_insert(life);
        if first != life {
            let again = if first.0 == node { " again, after a restart" } else { "" };
            let story = format!("{} was the primary of epoch {epoch}, and now {node} is{again}", first.0);
            return violated("one primary per epoch", "DSN 2011: epochs are unique", story);
        }
        if let Some(place) = self.delivered.iter().rposition(|(.., earlier)| *earlier < epoch)
            && let (last, zxid, witness, _) = &self.delivered[place]
            && seen.log.get(place) != Some(last)
        {
            let story = format!(
                "{node} is the primary of epoch {epoch}, and its history is not that which {witness} has delivered \
                 up to {zxid}"
            );
            return violated("primary integrity", "DSN 2011", story);
        }
        Ok(())
    }

    /// Everybody delivers the same, in the same order, and skips nothing of a primary.
    fn delivery(&mut self, (node, epoch): (NodeId, u64), place: usize, digest: Digest, txn: &Txn) -> Checked {
        let zxid = txn.zxid;
        let Some((first, other, witness, _)) = self.delivered.get(place) else {
            let last = self.delivered.last().map_or_else(Zxid::default, |(_, zxid, ..)| *zxid);
            if !zxid.follows(last) {
                let story = format!("{node} delivers {zxid} after {last}");
                return violated("primary order", "DSN 2011: local and global primary order", story);
            }
            self.delivered.push((digest, zxid, node, epoch));
            return Ok(());
        };
        if *first == digest {
            return Ok(());
        }
        let story = format!(
            "after {place} transactions {node} delivers {zxid}, and {witness} delivered {other}, or something else \
             before it"
        );
        violated("total order", "DSN 2011: agreement and total order", story)
    }
}

fn digest(before: Option<Digest>, txn: &Txn) -> Digest {
    let mut hasher = DefaultHasher::new();
    before.hash(&mut hasher);
    txn.hash(&mut hasher);
    hasher.finish()
}

fn violated(property: &str, source: &str, story: String) -> Checked {
    Err(Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story }))
}
