//! What holds of all nodes at any time, in both modes, watched over a whole cluster while it runs.
//!
//! The watch sees a node's memory, which may be ahead of its disk. That makes no false alarm: what is called stable was said
//! to be durable by everyone, from behind their disks, and a node leads when its disk knows of it.
//!
//! Logs are compared by a running hash: equal hashes in one place mean equal logs up to there.

use super::{Log, Part, PrimaryBackup};
use crate::Watch;
use history::{NodeId, Violation};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    nodes: BTreeMap<NodeId, Seen>,
    /// Which life of whom led each epoch.
    primaries: BTreeMap<u64, (NodeId, u64)>,
    /// The log up to each place that anybody has called stable, and who was first.
    stable: Vec<(u64, NodeId)>,
}

/// One node as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    lives: u64,
    alive: bool,
    epoch: u64,
    /// The log up to each place.
    log: Vec<u64>,
}

type Checked = Result<(), Box<Violation>>;

impl<const SYNC: bool> Watch<PrimaryBackup<SYNC>> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&PrimaryBackup<SYNC>>) -> Checked {
        let mut seen = std::mem::take(self.nodes.entry(node).or_default());
        let Some(state) = state else {
            self.nodes.insert(node, Seen { alive: false, ..seen });
            return Ok(());
        };
        let log = &state.log;
        let booted = !std::mem::replace(&mut seen.alive, true);
        seen.lives += u64::from(booted);
        let kept = if booted { 0 } else { log.kept };
        seen.log.truncate(kept as usize);
        for index in seen.log.len() as u64 + 1..=log.end() {
            let Some(entry) = log.get(index) else { break };
            let mut hasher = DefaultHasher::new();
            (seen.log.last(), entry).hash(&mut hasher);
            seen.log.push(hasher.finish());
        }
        let life = seen.lives;
        let went_back = !booted && log.epoch < seen.epoch;
        seen.epoch = log.epoch;
        self.nodes.insert(node, seen);
        if went_back {
            return Err(violation(
                "epochs only grow",
                PACIFICA,
                format!("{node} went back to epoch {}", log.epoch),
            ));
        }
        if matches!(&state.part, Part::Primary(primary) if primary.leads()) {
            self.one_primary(node, life, log.epoch)?;
        }
        self.holds_what_is_stable(node, log)?;
        self.is_everywhere(node, log)
    }
}

const PACIFICA: &str =
    "Lin and others, PacificA (2008): a configuration's version only grows, and is durable";

impl Invariants {
    fn one_primary(&mut self, node: NodeId, life: u64, epoch: u64) -> Checked {
        let first = *self.primaries.entry(epoch).or_insert((node, life));
        if first == (node, life) {
            return Ok(());
        }
        Err(violation(
            "one primary",
            "Budhiraja and others (1993), Pb1: at any time there is at most one server that is the primary",
            format!(
                "{node} leads epoch {epoch}, which {} has led{}",
                first.0,
                if first.0 == node { " in an earlier life" } else { "" }
            ),
        ))
    }

    /// Nobody ever lacks what has been called stable.
    fn holds_what_is_stable(&self, node: NodeId, log: &Log) -> Checked {
        let ours = &self.nodes[&node].log;
        let Some((there, by)) = self.stable.last() else { return Ok(()) };
        if ours.get(self.stable.len() - 1) == Some(there) {
            return Ok(());
        }
        Err(violation(
            "what is everywhere stays",
            "Lin and others, PacificA (2008), commit invariant: what is committed is in every replica's prepared list",
            format!(
                "{by} has called the log stable up to {}, but {node} holds something else there; its own log ends at {}",
                self.stable.len(),
                log.end()
            ),
        ))
    }

    /// What a node calls stable is in everyone's log.
    fn is_everywhere(&mut self, node: NodeId, log: &Log) -> Checked {
        let known = self.stable.len();
        let end = log.stable as usize;
        if end <= known {
            return Ok(());
        }
        let news = self.nodes[&node].log[known..end].to_vec();
        let lacks = |(_, seen): &(&NodeId, &Seen)| seen.log.get(end - 1) != news.last();
        if let Some((other, _)) = self.nodes.iter().find(lacks) {
            return Err(violation(
                "stable is everywhere",
                "Alsberg and Day (1976): a change is acknowledged when all hosts that it must survive on hold it",
                format!("{node} calls its log stable up to {end}, but {other} does not hold that"),
            ));
        }
        self.stable.extend(news.into_iter().map(|digest| (digest, node)));
        Ok(())
    }
}

fn violation(property: &str, source: &str, story: String) -> Box<Violation> {
    Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story })
}
