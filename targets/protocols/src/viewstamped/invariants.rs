//! What must hold of a whole cluster, watched while it runs.
//!
//! There is nothing but memory here, so the watch sees all that there is.

use super::Viewstamped;
use super::message::Entry;
use super::part::Part;
use crate::Watch;
use history::{NodeId, Violation};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    replicas: BTreeMap<NodeId, Seen>,
    /// Who was the primary of each view, and in which of its lives.
    primaries: BTreeMap<u64, (NodeId, u64)>,
    /// The operations so far, by how many were committed: who executed them first, and in which view.
    committed: Vec<(Digest, NodeId, u64)>,
}

/// A hash of a log from its beginning.
type Digest = u64;

/// One replica as it was seen last.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    lives: u64,
    /// Whether it has taken part in this life.
    normal: bool,
    /// The highest view in which its status was normal, in all its lives.
    last_normal: u64,
    leads: Option<u64>,
    committed: usize,
    digest: Option<Digest>,
}

/// What a check says.
type Checked = Result<(), Box<Violation>>;

impl Watch<Viewstamped> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Viewstamped>) -> Checked {
        let seen = self.replicas.entry(node).or_default();
        let Some(replica) = state else {
            *seen = Seen { lives: seen.lives + 1, last_normal: seen.last_normal, ..Seen::default() };
            return Ok(());
        };
        let mut seen = *seen;
        let checked = self.step(node, &mut seen, replica);
        self.replicas.insert(node, seen);
        checked
    }
}

impl Invariants {
    fn step(&mut self, node: NodeId, seen: &mut Seen, replica: &Viewstamped) -> Checked {
        if replica.leader().is_some() {
            if replica.view < seen.last_normal {
                let story = format!(
                    "{node} takes part in view {}, and took part in view {} before",
                    replica.view, seen.last_normal
                );
                return violated("views ascend", "VR Revisited §8.2", story);
            }
            (seen.normal, seen.last_normal) = (true, replica.view);
        }
        self.primary(node, seen, replica)?;
        if replica.committed < seen.committed {
            let story =
                format!("{node} had executed {} operations, and now {}", seen.committed, replica.committed);
            return violated("committed prefixes agree", "VR Revisited §8.1", story);
        }
        while seen.committed < replica.committed {
            let Some(entry) = replica.log.get(seen.committed) else { break };
            let digest = digest(seen.digest, entry);
            seen.committed += 1;
            seen.digest = Some(digest);
            self.execution((node, replica.view), seen.committed, digest, entry)?;
        }
        Ok(())
    }

    /// A view has one primary, in one of its lives, and it begins with all that was committed in earlier views (§8.1).
    /// (A later one may have begun before: then it is too late for this one to commit anything.)
    fn primary(&mut self, node: NodeId, seen: &mut Seen, replica: &Viewstamped) -> Checked {
        let leads = matches!(replica.part, Part::Primary(_)).then_some(replica.view);
        if leads == seen.leads {
            return Ok(());
        }
        seen.leads = leads;
        let Some(view) = leads else { return Ok(()) };
        let life = (node, seen.lives);
        let first = *self.primaries.entry(view).or_insert(life);
        if first != life {
            let story = format!("{node} is the primary of view {view} again, in another life");
            return violated("one primary per view", "VR Revisited §4.3", story);
        }
        let Some(place) = self.committed.iter().rposition(|(_, _, earlier)| *earlier < view) else {
            return Ok(());
        };
        let (last, witness, _) = self.committed[place];
        let (mut count, mut all) = (0, None);
        for entry in replica.log.iter().take(place + 1) {
            (count, all) = (count + 1, Some(digest(all, entry)));
        }
        if count <= place || all != Some(last) {
            let story = format!(
                "{node} begins view {view} with {} operations, and they are not the {} that {witness} knew to be \
                 committed",
                replica.log.len(),
                place + 1
            );
            return violated("what was committed survives into the next view", "VR Revisited §8.1", story);
        }
        Ok(())
    }

    fn execution(
        &mut self,
        (node, view): (NodeId, u64),
        count: usize,
        digest: Digest,
        entry: &Entry,
    ) -> Checked {
        let Some((first, witness, _)) = self.committed.get(count - 1) else {
            self.committed.push((digest, node, view));
            return Ok(());
        };
        if *first == digest {
            return Ok(());
        }
        let story = format!(
            "operation {count} of {node} is {}, and {witness} executed something else, then or before",
            entry.call
        );
        violated("committed prefixes agree", "VR Revisited §8.1", story)
    }
}

fn digest(before: Option<Digest>, entry: &Entry) -> Digest {
    let mut hasher = DefaultHasher::new();
    before.hash(&mut hasher);
    entry.hash(&mut hasher);
    hasher.finish()
}

fn violated(property: &str, source: &str, story: String) -> Checked {
    Err(Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story }))
}
