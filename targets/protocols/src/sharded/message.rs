//! What nodes say to one another and write down.

use super::command::{Group, Txn, end};
use crate::raft;
use history::{Got, Mop};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Within a group.
    Within(Group, raft::Message),
    /// To whoever leads the group: make this ready.
    Prepare {
        /// The transaction.
        txn: Txn,
        /// Which group.
        group: Group,
        /// Who coordinates.
        coordinator: Group,
        /// The parts of the transaction that are about the group's shard.
        mops: Vec<Mop>,
    },
    /// To whoever coordinates: the group's log has prepared it, and this is what it saw; or it will not.
    Vote {
        /// The transaction.
        txn: Txn,
        /// Which group.
        group: Group,
        /// What it saw, if it is ready.
        saw: Option<Vec<Got>>,
    },
    /// To whoever leads a group in which it is prepared: the decision stands in the coordinator's log.
    Outcome {
        /// The transaction.
        txn: Txn,
        /// Whether it is carried out.
        commit: bool,
    },
    /// To whoever leads the coordinator: how did this end?
    Ask {
        /// The transaction.
        txn: Txn,
        /// Who coordinates.
        coordinator: Group,
    },
}

/// One line of a node's disk: a line of one of its groups.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record(pub Group, pub raft::Record);

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Within(group, message) => write!(f, "raft g{group} {message:?}"),
            Message::Prepare { txn, group, mops, .. } => {
                let mops: Vec<String> = mops.iter().map(ToString::to_string).collect();
                write!(f, "prepare {} at g{group} [{}]", txn.process, mops.join(", "))
            }
            Message::Vote { txn, group, saw: Some(saw) } => {
                let saw: Vec<String> = saw.iter().map(ToString::to_string).collect();
                write!(f, "vote {} of g{group}: yes, saw [{}]", txn.process, saw.join(", "))
            }
            Message::Vote { txn, group, saw: None } => write!(f, "vote {} of g{group}: no", txn.process),
            Message::Outcome { txn, commit } => write!(f, "outcome {}: {}", txn.process, end(*commit)),
            Message::Ask { txn, coordinator } => write!(f, "ask {} of g{coordinator}", txn.process),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{} {:?}", self.0, self.1)
    }
}
