//! What holds of all nodes at any time, watched over a whole cluster while it runs.
//!
//! The watch sees a node's memory, which may be ahead of its disk. That makes no false alarm: what a node has told others
//! was durable before.

use super::{Gossip, Name};
use crate::Watch;
use history::{NodeId, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    alive: BTreeSet<NodeId>,
    /// How much each node knows of each node's part in each object.
    known: BTreeMap<(NodeId, Name, NodeId), Part>,
    /// How much anybody else knows of it.
    heard: BTreeMap<(Name, NodeId), (Part, NodeId)>,
}

/// How much a node has counted up and down, or the number of its last dot.
type Part = [u64; 2];

type Checked = Result<(), Box<Violation>>;

impl Watch<Gossip> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Gossip>) -> Checked {
        let Some(gossip) = state else {
            self.alive.remove(&node);
            return Ok(());
        };
        if self.alive.insert(node) {
            // What it knows now is what was durable.
            self.known.retain(|(of, _, _), _| *of != node);
            let own = self.heard.iter().filter(|((_, of), _)| *of == node);
            for ((name, _), (heard, by)) in own {
                let knows = parts(gossip, *name).into_iter().find(|(of, _)| *of == node);
                knows_most(node, *name, knows.map_or([0; 2], |(_, part)| part), *heard, *by)?;
            }
        }
        for name in &gossip.last {
            for (of, part) in parts(gossip, *name) {
                self.knows(node, *name, of, part)?;
            }
        }
        Ok(())
    }
}

fn parts(gossip: &Gossip, name: Name) -> Vec<(NodeId, Part)> {
    let objects = gossip.objects();
    match name {
        Name::Counter(key) => {
            let slots = objects.counters.get(&key).into_iter().flat_map(|counter| &counter.slots);
            slots.map(|(of, slot)| (*of, [slot.up, slot.down])).collect()
        }
        Name::Set(key) => {
            let seen = objects.sets.get(&key).into_iter().flat_map(|set| &set.seen);
            seen.map(|(of, number)| (*of, [*number, 0])).collect()
        }
    }
}

/// Whether one knows as much as the other.
fn covers(one: Part, other: Part) -> bool {
    one[0] >= other[0] && one[1] >= other[1]
}

fn knows_most(node: NodeId, name: Name, knows: Part, heard: Part, by: NodeId) -> Checked {
    if covers(knows, heard) {
        return Ok(());
    }
    Err(violation(
        "nobody knows more of a node than itself",
        "Shapiro and others, RR-7506 (2011), specification 6: a replica increments its own entry and no other",
        format!("of {name:?}, {by} has heard {heard:?} from {node}, which itself knows of {knows:?}"),
    ))
}

impl Invariants {
    fn knows(&mut self, node: NodeId, name: Name, of: NodeId, part: Part) -> Checked {
        let before = self.known.insert((node, name, of), part).unwrap_or_default();
        if !covers(part, before) {
            return Err(violation(
                "states only grow",
                "Shapiro and others (2011), definition 2.3: a state-based object's state never decreases",
                format!("of {name:?}, {node} knew {before:?} from {of}, and now knows {part:?}"),
            ));
        }
        if node == of {
            let heard = self.heard.get(&(name, of)).copied();
            return heard.map_or(Ok(()), |(heard, by)| knows_most(of, name, part, heard, by));
        }
        let heard = self.heard.entry((name, of)).or_insert((part, node));
        if !covers(heard.0, part) {
            *heard = ([heard.0[0].max(part[0]), heard.0[1].max(part[1])], node);
        }
        let own = self.known.get(&(of, name, of)).copied().unwrap_or_default();
        // Of one that is down, only what it knew when it died can be told.
        if self.alive.contains(&of) { knows_most(of, name, own, part, node) } else { Ok(()) }
    }
}

fn violation(property: &str, source: &str, story: String) -> Box<Violation> {
    Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story })
}
