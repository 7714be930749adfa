//! What nodes say to one another.

use crate::commit::{Gots, Txn, TxnId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What nodes say to one another about a transaction.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Can you commit this?
    Prepare(Txn),
    /// I can and will if you say so, and this is what it got here.
    Yes(TxnId, Gots),
    /// I cannot.
    No(TxnId),
    /// To itself: that it is committed is on my disk.
    Resolved(TxnId),
    /// It is committed.
    Commit(TxnId),
    /// It is aborted.
    Abort(TxnId),
    /// I have committed it.
    Ack(TxnId),
    /// I voted yes: what became of it?
    Inquire(TxnId),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Prepare(txn) => write!(f, "Prepare {txn:?}"),
            Message::Yes(id, _) => write!(f, "Yes {id:?}"),
            Message::No(id) => write!(f, "No {id:?}"),
            Message::Resolved(id) => write!(f, "Resolved {id:?}"),
            Message::Commit(id) => write!(f, "Commit {id:?}"),
            Message::Abort(id) => write!(f, "Abort {id:?}"),
            Message::Ack(id) => write!(f, "Ack {id:?}"),
            Message::Inquire(id) => write!(f, "Inquire {id:?}"),
        }
    }
}
