//! What nodes say to one another.

use crate::commit::{Gots, Txn, TxnId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a participant that never failed stands, as it tells whoever leads the termination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Report {
    /// It voted yes and knows no more.
    Uncertain,
    /// It knows that everybody voted yes.
    PreCommitted,
}

/// What nodes say to one another about a transaction. A *rank* is a place in the list of participants: the coordinator's is
/// 0, and that of whoever leads the termination is higher than those of all that led before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Can you commit this?
    Prepare(Txn),
    /// I can and will if you say so, and this is what it got here.
    Yes(TxnId, Gots),
    /// I cannot.
    No(TxnId),
    /// Everybody can.
    PreCommit(TxnId, u16),
    /// I know that everybody can.
    Ack(TxnId, u16),
    /// It is committed.
    Commit(TxnId),
    /// It is aborted.
    Abort(TxnId),
    /// I am in doubt. Are you there, and do you know what became of it?
    Inquire(TxnId),
    /// I am here and was all the time, and it is not decided.
    Busy(TxnId),
    /// I have been down since I voted, and when I went down this was how I stood.
    Lost(TxnId, Report),
    /// I lead now. How do you stand?
    Ask(TxnId, u16),
    /// So.
    Stand(TxnId, u16, Report),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Prepare(txn) => write!(f, "Prepare {txn:?}"),
            Message::Yes(id, _) => write!(f, "Yes {id:?}"),
            Message::No(id) => write!(f, "No {id:?}"),
            Message::PreCommit(id, rank) => write!(f, "PreCommit {id:?} rank {rank}"),
            Message::Ack(id, rank) => write!(f, "Ack {id:?} rank {rank}"),
            Message::Commit(id) => write!(f, "Commit {id:?}"),
            Message::Abort(id) => write!(f, "Abort {id:?}"),
            Message::Inquire(id) => write!(f, "Inquire {id:?}"),
            Message::Busy(id) => write!(f, "Busy {id:?}"),
            Message::Lost(id, report) => write!(f, "Lost {id:?} {report:?}"),
            Message::Ask(id, rank) => write!(f, "Ask {id:?} rank {rank}"),
            Message::Stand(id, rank, report) => write!(f, "Stand {id:?} rank {rank} {report:?}"),
        }
    }
}
