//! What nodes say to one another, and what they write down beside what every participant does.

use crate::commit::{self, Gots, Txn, TxnId};
use history::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is proposed for participants of a transaction: prepared, or aborted.
pub type Votes = Vec<(NodeId, bool)>;

/// What nodes say to one another about a transaction. Ballot 0 is that of the participants themselves, each for its own
/// instance; those above are each one leader's, for all instances at once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Can you commit this?
    Prepare(Txn),
    /// I can, have proposed it, and this is what it got here.
    Prepared(TxnId, Gots),
    /// Accept this (phase 2a).
    Propose(TxnId, u64, Votes),
    /// I have accepted it (phase 2b).
    Accepted(TxnId, u64, Votes),
    /// Promise me to accept nothing of lower ballots, and tell me what you have accepted (phase 1a).
    Ask(TxnId, u64),
    /// I promise, and I have accepted this, in these ballots (phase 1b).
    Promise(TxnId, u64, Vec<(NodeId, u64, bool)>),
    /// It is committed.
    Commit(TxnId),
    /// It is aborted.
    Abort(TxnId),
    /// I am in doubt: do you know what became of it?
    Inquire(TxnId),
}

fn listed(votes: &Votes) -> String {
    let one = |(node, prepared): &(NodeId, bool)| {
        format!("{node} {}", if *prepared { "prepared" } else { "aborted" })
    };
    votes.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Prepare(txn) => write!(f, "Prepare {txn:?}"),
            Message::Prepared(id, _) => write!(f, "Prepared {id:?}"),
            Message::Propose(id, ballot, votes) => {
                write!(f, "Propose {id:?} ballot {ballot}: {}", listed(votes))
            }
            Message::Accepted(id, ballot, votes) => {
                write!(f, "Accepted {id:?} ballot {ballot}: {}", listed(votes))
            }
            Message::Ask(id, ballot) => write!(f, "Ask {id:?} ballot {ballot}"),
            Message::Promise(id, ballot, accepted) => {
                let one = |(node, ballot, prepared): &(NodeId, u64, bool)| {
                    format!(" {node} {}@{ballot}", if *prepared { "prepared" } else { "aborted" })
                };
                write!(f, "Promise {id:?} ballot {ballot}:{}", accepted.iter().map(one).collect::<String>())
            }
            Message::Commit(id) => write!(f, "Commit {id:?}"),
            Message::Abort(id) => write!(f, "Abort {id:?}"),
            Message::Inquire(id) => write!(f, "Inquire {id:?}"),
        }
    }
}

/// What a node writes down.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// As a participant.
    Participant(commit::Record),
    /// As an acceptor: it accepts nothing of lower ballots.
    Promised(TxnId, u64),
    /// As an acceptor: it has accepted this.
    Accepted(TxnId, u64, Votes),
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Participant(record) => record.fmt(f),
            Record::Promised(id, ballot) => write!(f, "promised {id:?} ballot {ballot}"),
            Record::Accepted(id, ballot, votes) => {
                write!(f, "accepted {id:?} ballot {ballot}: {}", listed(votes))
            }
        }
    }
}

impl From<commit::Record> for Record {
    fn from(record: commit::Record) -> Record {
        Record::Participant(record)
    }
}
