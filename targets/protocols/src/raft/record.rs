//! What a Raft node writes down.

use super::log::{Entry, Log, Place};
use super::members::Members;
use super::snapshot::Snapshot;
use history::NodeId;
use serde::{Deserialize, Serialize};

/// One line of a node's disk. Together, in order, they are its term, vote and log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The term, and whom the node voted for in it. Replaces all earlier ones.
    Ballot {
        /// The term.
        term: u64,
        /// The vote, if it was given.
        vote: Option<NodeId>,
    },
    /// An entry at the end of the log.
    Append {
        /// Its index.
        index: u64,
        /// The entry.
        entry: Entry,
    },
    /// This stands for the beginning of the log, and the log begins after `base`, which is no later.
    Snapshot {
        /// What was applied.
        snapshot: Box<Snapshot>,
        /// The last place of which the log no longer tells.
        base: Place,
        /// The configuration there, and the index of its entry.
        members: (u64, Members),
    },
    /// The log ends before `from`.
    Truncate {
        /// The first index that is gone.
        from: u64,
    },
}

/// What a disk holds.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) term: u64,
    pub(super) vote: Option<NodeId>,
    pub(super) log: Log,
    pub(super) snapshot: Option<Snapshot>,
}

impl Recovered {
    /// Reads the records in order, those of a cluster with these founders.
    pub(super) fn read(records: Vec<Record>, founders: Members) -> Recovered {
        let mut found = Recovered { term: 0, vote: None, log: Log::new(founders), snapshot: None };
        for record in records {
            match record {
                Record::Ballot { term, vote } => (found.term, found.vote) = (term, vote),
                Record::Snapshot { snapshot, base, members } => {
                    (found.log, found.snapshot) = (Log::after(base, members), Some(*snapshot));
                }
                Record::Truncate { from } => found.log.truncate(from),
                // Entries beyond a gap mean nothing. A sound node never writes them.
                Record::Append { index, entry } if index == found.log.last_index() + 1 => {
                    found.log.append(entry);
                }
                Record::Append { .. } => {}
            }
        }
        found
    }
}
