//! What stands in the logs of the groups.

use history::{Call, Mop, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One group of nodes, and the shard that it keeps.
pub type Group = u16;

/// A transaction, by the call that asked for it: no call is carried out under two names, for nobody sends one twice here.
pub type Txn = Ticket;

/// An entry of a group's log.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// This is about keys of one shard alone: do it at once, if none of them is locked.
    Do {
        /// Whose wish it is.
        txn: Txn,
        /// What.
        call: Call,
    },
    /// Lock these keys, see what they hold, and be ready for both ends.
    Prepare {
        /// The transaction.
        txn: Txn,
        /// In whose log the decision will stand.
        coordinator: Group,
        /// The parts of it that are about this shard, in order.
        mops: Vec<Mop>,
    },
    /// In the coordinator's log: this is how it ends, unless it was decided before.
    Decide {
        /// The transaction.
        txn: Txn,
        /// Whether it is carried out.
        commit: bool,
    },
    /// This is how it ended.
    Finish {
        /// The transaction.
        txn: Txn,
        /// Whether it is carried out.
        commit: bool,
    },
}

/// How a transaction ends, in a word.
pub(super) fn end(commit: bool) -> &'static str {
    if commit { "commit" } else { "abort" }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Do { txn, call } => write!(f, "do {} {call}", txn.process),
            Command::Prepare { txn, mops, .. } => {
                let mops: Vec<String> = mops.iter().map(ToString::to_string).collect();
                write!(f, "prepare {} [{}]", txn.process, mops.join(", "))
            }
            Command::Decide { txn, commit } => write!(f, "decide {} {}", txn.process, end(*commit)),
            Command::Finish { txn, commit } => write!(f, "finish {} {}", txn.process, end(*commit)),
        }
    }
}
