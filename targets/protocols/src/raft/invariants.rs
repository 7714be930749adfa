//! Raft's five safety properties (figure 3), and one more about configurations, watched over a whole cluster while it runs.
//!
//! The watch sees a node's memory, which may be ahead of its disk, and what is only in memory may be lost
//! without a fault of the protocol. That makes no false alarm, because nothing is concluded from it too early:
//! a node's own vote and a leader's own entries count only once they are durable (see the module's essay), so
//! a leader seen here was elected by durable votes, and an entry seen committed is durable on a majority. An
//! entry that a leader made and lost in a crash cannot come again in another guise, since the leader's vote for
//! itself outlives the crash and it never leads that term again.
//!
//! Logs are compared by a running hash: equal hashes at an index mean equal logs up to there. A step costs
//! as much as what it changed.

use super::log::{Entry, Place};
use super::part::Part;
use super::{Command, Log, Members, Raft};
use crate::Watch;
use history::{NodeId, Violation};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What has been seen of a cluster since it began.
#[derive(Debug, Default)]
pub struct Invariants {
    nodes: BTreeMap<NodeId, Seen>,
    /// Who led each term.
    leaders: BTreeMap<u64, Life>,
    /// The log up to each place, and who was first seen with it.
    logs: BTreeMap<Place, (Digest, NodeId)>,
    /// By index, from 1.
    committed: Vec<Committed>,
    /// The configurations that were ever seen at the end of a log. When one of them is committed, a snapshot may
    /// already stand for it.
    configurations: BTreeMap<Digest, Members>,
    /// What a snapshot up to each index says, and who was first seen with it.
    snapshots: BTreeMap<u64, (Digest, NodeId)>,
    /// The configurations that are committed, with the term of the node that first took each for committed.
    settled: Vec<(u64, Members)>,
}

/// A hash of a log from its beginning up to some entry.
type Digest = u64;

/// One life of a node, from boot to death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life {
    node: NodeId,
    number: u64,
}

/// An entry that some node took for committed.
#[derive(Debug)]
struct Committed {
    log: Digest,
    /// The term of the node that said so, and who it was.
    term: u64,
    by: NodeId,
}

/// One node as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    lives: u64,
    term: u64,
    leads: bool,
    applied: u64,
    cuts: u64,
    /// Where its latest snapshot ends.
    snapshot: u64,
    /// The configuration by which it counts, if it leads.
    members: Option<Members>,
    /// The log up to each index, from 1.
    log: Vec<Digest>,
}

/// What a check says.
type Checked = Result<(), Box<Violation>>;

impl Watch<Raft> for Invariants {
    fn observe(&mut self, node: NodeId, state: Option<&Raft>) -> Checked {
        // What is left in its place leads nothing, so it is no one's witness meanwhile.
        let mut seen = std::mem::take(self.nodes.entry(node).or_default());
        let checked = match state {
            Some(raft) => self.step(node, &mut seen, raft),
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
    fn step(&mut self, node: NodeId, seen: &mut Seen, raft: &Raft) -> Checked {
        let leads = matches!(raft.part, Part::Leader(_));
        if leads && seen.leads && seen.term == raft.term {
            leader_append_only(node, seen, raft)?;
        }
        let mut known = seen.forget_cut(&raft.log);
        if known < raft.log.base().index {
            self.snapshot_stands_for_committed(node, seen, raft.log.base())?;
            known = raft.log.base().index;
        }
        self.snapshots_agree(node, seen, raft)?;
        for index in known + 1..=raft.log.last_index() {
            let Some(entry) = raft.log.get(index) else { break };
            let log = digest(seen.log.last().copied(), entry);
            seen.log.push(log);
            if let Command::Members(members) = &entry.command {
                self.configurations.insert(log, members.clone());
            }
            self.log_matching(node, Place { term: entry.term, index }, log)?;
        }
        let elected = leads && !(seen.leads && seen.term == raft.term);
        (seen.leads, seen.term) = (leads, raft.term);
        self.quorum_overlap_of_leader(node, seen, raft)?;
        if elected {
            self.election_safety(Life { node, number: seen.lives }, raft.term)?;
            self.leader_completeness_of_new_leader(node, seen)?;
        }
        while seen.applied < raft.applied {
            seen.applied += 1;
            self.state_machine_safety(node, seen)?;
        }
        Ok(())
    }

    /// A node's log begins after a place that the watch has not seen there: it was brought a snapshot, or has booted
    /// from one. That may stand only for what is committed (§7), so what it stands for is known.
    fn snapshot_stands_for_committed(&mut self, node: NodeId, seen: &mut Seen, base: Place) -> Checked {
        let Some(committed) = self.committed.get(..base.index as usize) else {
            let story = format!(
                "{node} has a snapshot up to index {}, which nobody knew to be committed",
                base.index
            );
            return violated("state machine safety", "Raft §7", story);
        };
        seen.log.clear();
        seen.log.extend(committed.iter().map(|entry| entry.log));
        match seen.log.last() {
            Some(&log) => self.log_matching(node, base, log),
            None => Ok(()),
        }
    }

    /// State Machine Safety again (§5.4.3): what two nodes made of the same entries is the same.
    fn snapshots_agree(&mut self, node: NodeId, seen: &mut Seen, raft: &Raft) -> Checked {
        let Some(parcel) = raft.parcel.as_ref().filter(|parcel| parcel.last.index != seen.snapshot) else {
            return Ok(());
        };
        seen.snapshot = parcel.last.index;
        let mut hasher = DefaultHasher::new();
        parcel.bytes.hash(&mut hasher);
        let state = hasher.finish();
        let &mut (first, witness) = self.snapshots.entry(parcel.last.index).or_insert((state, node));
        if first == state {
            return Ok(());
        }
        let story = format!("the snapshots of {node} and {witness} up to index {} differ", parcel.last.index);
        violated("state machine safety", "Raft §5.4.3", story)
    }

    /// Quorum Overlap: a leader and whoever knew the latest configuration to be committed when the leader was
    /// elected, or later in its term, count by configurations whose majorities meet; so no two of them can decide
    /// without one another (thesis 4.1, figure 4.3). Here: the leader is new, or counts by another configuration.
    fn quorum_overlap_of_leader(&self, node: NodeId, seen: &mut Seen, raft: &Raft) -> Checked {
        let leads = seen.leads.then(|| raft.members());
        if seen.members.as_ref() == leads {
            return Ok(());
        }
        seen.members = leads.cloned();
        let known = self.settled.iter().rev().find(|(term, _)| *term <= seen.term);
        match known {
            Some((_, settled)) => quorum_overlap(node, seen, settled),
            None => Ok(()),
        }
    }

    /// A configuration is known to be committed now: every leader of that term or a later one must meet it.
    fn settle(&mut self, term: u64, members: Members) -> Checked {
        for (&leader, seen) in self.nodes.iter().filter(|(_, other)| other.leads && other.term >= term) {
            quorum_overlap(leader, seen, &members)?;
        }
        self.settled.push((term, members));
        Ok(())
    }

    /// Election Safety: at most one leader can be elected in a given term (§5.2).
    fn election_safety(&mut self, life: Life, term: u64) -> Checked {
        let before = *self.leaders.entry(term).or_insert(life);
        if before == life {
            return Ok(());
        }
        let story = if before.node == life.node {
            format!("{} leads term {term} again after a restart, so votes were given twice", life.node)
        } else {
            format!("{} and {} both lead term {term}", before.node, life.node)
        };
        violated("election safety", "Raft §5.2", story)
    }

    /// Log Matching: if two logs contain an entry with the same index and term, then the logs are identical in
    /// all entries up through the given index (§5.3).
    fn log_matching(&mut self, node: NodeId, place: Place, log: Digest) -> Checked {
        let &mut (first, witness) = self.logs.entry(place).or_insert((log, node));
        if first == log {
            return Ok(());
        }
        let Place { term, index } = place;
        let story = format!(
            "{node} has an entry of term {term} at index {index}, and so had {witness}, but their logs differ up to there"
        );
        violated("log matching", "Raft §5.3", story)
    }

    /// Leader Completeness: if a log entry is committed in a given term, then that entry will be present in the
    /// logs of the leaders of all higher-numbered terms (§5.4). Here: a leader is elected after the commit.
    fn leader_completeness_of_new_leader(&self, node: NodeId, seen: &Seen) -> Checked {
        let Some(last) = self.committed.iter().rposition(|entry| entry.term < seen.term) else {
            return Ok(());
        };
        leader_completeness(node, seen, last, &self.committed[last])
    }

    /// State Machine Safety: if a server has applied a log entry at a given index to its state machine, no other
    /// server will ever apply a different log entry for the same index (§5.4.3).
    fn state_machine_safety(&mut self, node: NodeId, seen: &Seen) -> Checked {
        let offset = seen.applied as usize - 1;
        let Some(&log) = seen.log.get(offset) else { return Ok(()) };
        match self.committed.get(offset) {
            Some(first) if first.log == log => Ok(()),
            Some(first) => {
                let story = format!(
                    "{node} applied another entry at index {} than {} did, or other entries before it",
                    seen.applied, first.by
                );
                violated("state machine safety", "Raft §5.4.3", story)
            }
            None => {
                let committed = Committed { log, term: seen.term, by: node };
                let later = |other: &Seen| other.leads && other.term > seen.term;
                for (&leader, seen) in self.nodes.iter().filter(|(_, other)| later(other)) {
                    leader_completeness(leader, seen, offset, &committed)?;
                }
                self.committed.push(committed);
                match self.configurations.get(&log).cloned() {
                    Some(members) => self.settle(seen.term, members),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Leader Append-Only: a leader never overwrites or deletes entries in its log; it only appends new entries
/// (§5.3).
fn leader_append_only(node: NodeId, seen: &Seen, raft: &Raft) -> Checked {
    let (cuts, at) = raft.log.cuts();
    if cuts == seen.cuts && raft.log.last_index() >= seen.log.len() as u64 {
        return Ok(());
    }
    let story = format!("{node} leads term {} and cut its log at index {at}", raft.term);
    violated("leader append-only", "Raft §5.3", story)
}

/// Leader Completeness (§5.4): a leader of a later term has the committed entry, and all before it.
fn leader_completeness(node: NodeId, seen: &Seen, offset: usize, committed: &Committed) -> Checked {
    if seen.log.get(offset) == Some(&committed.log) {
        return Ok(());
    }
    let Committed { term, by, .. } = committed;
    let story = format!(
        "{node} leads term {} without all entries up to index {}, which {by} knew to be committed in term {term}",
        seen.term,
        offset + 1
    );
    violated("leader completeness", "Raft §5.4", story)
}

/// Quorum Overlap (thesis 4.1): a leader counts by a configuration whose majorities meet those of one that is
/// committed.
fn quorum_overlap(node: NodeId, seen: &Seen, settled: &Members) -> Checked {
    let Some(members) = seen.members.as_ref().filter(|members| !members.overlaps(settled)) else {
        return Ok(());
    };
    let story = format!(
        "{node} leads term {} and counts by members {members}, but {settled} are committed: their majorities need not meet",
        seen.term
    );
    violated("quorum overlap", "Raft thesis 4.1", story)
}

fn violated(property: &str, source: &str, story: String) -> Checked {
    Err(Box::new(Violation { property: property.to_owned(), source: source.to_owned(), story }))
}

/// The digest of a log that ends with `entry`, after one with the digest `before`.
fn digest(before: Option<Digest>, entry: &Entry) -> Digest {
    let mut hasher = DefaultHasher::new();
    (before, entry).hash(&mut hasher);
    hasher.finish()
}

impl Seen {
    /// Forgets what the log no longer holds, and says how many entries are known.
    fn forget_cut(&mut self, log: &Log) -> u64 {
        let (cuts, at) = log.cuts();
        if cuts != self.cuts {
            // One step cuts at most once; after more, nothing is taken for known.
            let kept = if cuts == self.cuts + 1 { at - 1 } else { 0 };
            self.log.truncate(kept as usize);
            self.cuts = cuts;
        }
        self.log.truncate(log.last_index() as usize);
        self.log.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effect, Input, Options, Protocol, RequestId};
    use history::{Call, Chance, Key, ProcessId, Ticket, Time, Value};

    const ME: NodeId = NodeId(1);

    /// A leader of one, with two entries, that the watch has seen.
    fn watched_leader() -> (Raft, Invariants) {
        let (mut raft, mut watch) = (boot(), Invariants::default());
        let write = Call::Write { key: Key(0), value: Value(1) };
        let ticket = Ticket { process: ProcessId(0), number: 1 };
        let mut inputs = vec![Input::Request { id: RequestId(1), ticket, call: write }, Input::Wake];
        let now = Time::from_secs(1);
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            raft.handle(now, input, &mut out);
            watch.observe(ME, Some(&raft)).unwrap();
            for effect in out {
                if let Effect::Send { message, .. } = effect {
                    inputs.push(Input::Message { from: ME, message });
                }
            }
        }
        assert_eq!((raft.log.last_index(), raft.applied()), (2, 2));
        (raft, watch)
    }

    fn boot() -> Raft {
        Raft::boot(ME, &[ME], Vec::new(), Options::default(), Time::ZERO, Chance::new(1))
    }

    #[test]
    fn a_leader_that_cuts_its_log_is_seen() {
        let (mut raft, mut watch) = watched_leader();
        raft.log.truncate(2);
        let violation = watch.observe(ME, Some(&raft)).unwrap_err();
        assert_eq!(violation.property, "leader append-only");
    }

    #[test]
    fn a_leader_that_replaces_an_entry_is_seen() {
        let (mut raft, mut watch) = watched_leader();
        raft.log.truncate(2);
        raft.log.append(Entry { term: 1, command: crate::raft::Command::Nothing });
        let violation = watch.observe(ME, Some(&raft)).unwrap_err();
        assert_eq!(violation.property, "leader append-only");
    }

    #[test]
    fn a_node_that_comes_back_with_less_is_no_violation_until_it_leads() {
        let (_, mut watch) = watched_leader();
        watch.observe(ME, None).unwrap();
        let mut raft = boot();
        watch.observe(ME, Some(&raft)).unwrap();
        // With an empty disk it begins again at term 1, which it led before.
        for _ in 0..2 {
            let mut out = Vec::new();
            raft.handle(Time::from_secs(1), Input::Wake, &mut out);
            watch.observe(ME, Some(&raft)).unwrap();
        }
        let message = crate::raft::Message::Vote { term: 1, granted: true };
        raft.handle(Time::from_secs(1), Input::Message { from: ME, message }, &mut Vec::new());
        let violation = watch.observe(ME, Some(&raft)).unwrap_err();
        assert_eq!(violation.property, "election safety");
    }
}
