//! What a Raft node writes down.

use super::log::{Entry, Log};
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
    /// The log ends before `from`.
    Truncate {
        /// The first index that is gone.
        from: u64,
    },
}

/// What a disk holds.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) term: u64,
    pub(super) vote: Option<NodeId>,
    pub(super) log: Log,
}

impl Recovered {
    /// Reads the records in order.
    pub(super) fn read(records: Vec<Record>) -> Recovered {
        let mut found = Recovered::default();
        for record in records {
            match record {
                Record::Ballot { term, vote } => (found.term, found.vote) = (term, vote),
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
