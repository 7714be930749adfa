//! What holds of all nodes at any time, watched over a whole cluster while it runs.
//!
//! The watch sees a node's memory, which may be ahead of its disk. That makes no false alarm: a write has ended only when
//! a majority has said so from behind its disk, and what a node loses in a crash beyond that was never counted.

use super::{Abd, Tag, Version};
use crate::Watch;
use history::{Key, NodeId, Value, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    /// What each node was last seen to hold; of one that is down, what it held when it died.
    held: BTreeMap<(NodeId, Key), Tag>,
    /// Who lives.
    alive: BTreeSet<NodeId>,
    /// What was written under each tag, and who was first seen with it.
    written: BTreeMap<(Key, Tag), (Option<Value>, NodeId)>,
}

type Checked = Result<(), Box<Violation>>;

impl Watch<Abd> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Abd>) -> Checked {
        let Some(abd) = state else {
            self.alive.remove(&node);
            return Ok(());
        };
        if self.alive.insert(node) {
            // What it holds now is what was durable.
            self.held.retain(|(of, _), _| *of != node);
            for (key, version) in &abd.versions {
                self.sees(node, *key, *version)?;
            }
        } else if let Some(key) = abd.last.stored {
            self.sees(node, key, abd.version(key))?;
        }
        abd.last.written.map_or(Ok(()), |(key, tag)| self.majority_holds(node, abd, key, tag))
    }
}

impl Invariants {
    fn sees(&mut self, node: NodeId, key: Key, version: Version) -> Checked {
        let Version { tag, value } = version;
        let before = self.held.insert((node, key), tag).unwrap_or_default();
        if tag < before {
            return Err(violation(
                "versions only grow",
                "Lynch and Shvartsman (1997): a copy is replaced only by one with a larger tag",
                format!("{node} held {before:?} of {key}, and now holds {tag:?}"),
            ));
        }
        let (first, by) = *self.written.entry((key, tag)).or_insert((value, node));
        if first != value {
            let show = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
            return Err(violation(
                "a tag names one write",
                "Lynch and Shvartsman (1997): tags are unique, for they hold their writer's name",
                format!("of {key} under {tag:?}, {by} holds {}, and {node} {}", show(first), show(value)),
            ));
        }
        Ok(())
    }

    /// When a write ends, a majority holds it or something newer.
    fn majority_holds(&self, node: NodeId, abd: &Abd, key: Key, tag: Tag) -> Checked {
        let holds = |of: &&NodeId| self.held.get(&(**of, key)).is_some_and(|held| *held >= tag);
        let holders: Vec<String> = abd.nodes.iter().filter(holds).map(ToString::to_string).collect();
        if holders.len() > abd.nodes.len() / 2 {
            return Ok(());
        }
        Err(violation(
            "a majority holds what was written",
            "Attiya, Bar-Noy and Dolev (1995): a write returns when a majority has acknowledged it",
            format!(
                "{node} ended the write of {key} under {tag:?}, which only {} of {} hold: {}",
                holders.len(),
                abd.nodes.len(),
                holders.join(", ")
            ),
        ))
    }
}

fn violation(property: &str, source: &str, story: String) -> Box<Violation> {
    Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story })
}
