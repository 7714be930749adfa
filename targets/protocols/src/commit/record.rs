//! What a node of any of the protocols writes down.

use super::shard::Gots;
use super::txn::{Txn, TxnId};
use history::{Mop, Outcome, Ticket, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a node writes down, and when, by its clock of the time that it was up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What.
    pub deed: Deed,
    /// When.
    pub at: Time,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deed {
            Deed::Booted => f.write_str("booted"),
            Deed::Alone { id, .. } => write!(f, "did {id:?} alone"),
            Deed::Voted(txn) => write!(f, "voted yes to {txn:?}"),
            Deed::Refused(id) => write!(f, "refused {id:?}"),
            Deed::Resolved(id, _) => write!(f, "{id:?} is committed"),
            Deed::Ended(id) => write!(f, "all know of {id:?}"),
            Deed::PreCommitted(id) => write!(f, "pre-committed {id:?}"),
            Deed::Decided(id, true) => write!(f, "committed {id:?}"),
            Deed::Decided(id, false) => write!(f, "aborted {id:?}"),
            Deed::AppliedAgain(id) => write!(f, "carried out {id:?} again"),
        }
    }
}

/// What a node did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// It came to life.
    Booted,
    /// It did something that is about its own keys alone, and answered this.
    Alone {
        /// Which.
        id: TxnId,
        /// Whose call it is.
        ticket: Ticket,
        /// What it changed.
        mops: Vec<Mop>,
        /// The answer.
        outcome: Outcome,
        /// Whether it was asked for as a transaction.
        txn: bool,
    },
    /// It promised to commit this if told so, and locked its keys.
    Voted(Txn),
    /// It will never promise that.
    Refused(TxnId),
    /// As the coordinator it has heard every yes, and what everybody got: the transaction is committed.
    Resolved(TxnId, Gots),
    /// As the coordinator it has heard that everybody knows.
    Ended(TxnId),
    /// It will commit unless the others decided otherwise while it was down.
    PreCommitted(TxnId),
    /// It carried out the transaction's changes, or forgot them, and released its locks.
    Decided(TxnId, bool),
    /// FLAW commit-applied-twice: it carried them out again.
    AppliedAgain(TxnId),
}
