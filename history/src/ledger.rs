//! What a node wrote down about transactions, for those who judge them.

use crate::{NodeId, Time, Value};
use serde::{Deserialize, Serialize};

/// What a node wrote down about a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A coordinator began it with these participants.
    Began(Vec<NodeId>),
    /// The node promised to commit if told so.
    VotedYes,
    /// The node refused.
    VotedNo,
    /// A coordinator heard a node's yes.
    HeardYes(NodeId),
    /// The node will commit unless told otherwise in time (three-phase commit).
    PreCommitted,
    /// The node committed.
    Committed,
    /// The node aborted.
    Aborted,
    /// The node carried out the transaction's changes.
    Applied,
}

/// One record of a node's log. The records of one node come in the order of its log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose log.
    pub node: NodeId,
    /// Which transaction, by the value that it alone writes.
    pub txn: Value,
    /// Which of the attempts at it: a client that heard nothing may ask for the same transaction again.
    #[serde(default)]
    pub attempt: u64,
    /// What.
    pub step: Step,
    /// When, as far as that is known, by a clock of the node's own that stands still while it is down; for measures
    /// only.
    #[serde(default)]
    pub time: Option<Time>,
}

/// A part of a node's ledger: its records, from the one on that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Page {
    /// Whose ledger it is.
    pub node: NodeId,
    /// What stands there.
    pub records: Vec<Record>,
    /// Whether there is more behind it.
    pub more: bool,
}

impl Page {
    /// How many records a page has at most.
    pub const LONGEST: usize = 1000;

    /// The page of a whole ledger that begins after so many records.
    pub fn of(node: NodeId, ledger: &[Record], after: u64) -> Page {
        let begin = usize::try_from(after).unwrap_or(usize::MAX).min(ledger.len());
        let rest = &ledger[begin..];
        let records = rest[..rest.len().min(Page::LONGEST)].to_vec();
        Page { node, more: records.len() < rest.len(), records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_together_are_the_ledger() {
        let record =
            |txn| Record { node: NodeId(2), txn: Value(txn), attempt: 0, step: Step::VotedYes, time: None };
        let ledger: Vec<Record> = (0..2500).map(record).collect();
        let mut read = Vec::new();
        loop {
            let page = Page::of(NodeId(2), &ledger, read.len() as u64);
            read.extend(page.records);
            if !page.more {
                break;
            }
        }
        assert_eq!(read, ledger);
        let beyond = Page::of(NodeId(2), &ledger, 9999);
        assert!(beyond.records.is_empty() && !beyond.more);
    }
}
