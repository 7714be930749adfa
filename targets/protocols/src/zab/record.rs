//! What a Zab node writes down.

use super::log::{Log, Txn, Zxid};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One line of a node's disk. Together, in order, they are its two epochs and its history.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The last epoch for which it acknowledged a NEWEPOCH (`f.p`).
    Accepted {
        /// The epoch.
        epoch: u64,
    },
    /// It has the history of this epoch's primary, and this is its current epoch (`f.a`). One record, for it must not
    /// have the one without the other.
    Entered {
        /// The epoch.
        epoch: u64,
        /// What comes after this in its own history is gone …
        keep: Zxid,
        /// … and this comes instead.
        txns: Vec<Txn>,
    },
    /// The next transaction.
    Append {
        /// It.
        txn: Txn,
    },
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Accepted { epoch } => write!(f, "accepted epoch {epoch}"),
            Record::Entered { epoch, keep, txns } => {
                write!(f, "epoch {epoch}: after {keep} comes ")?;
                let txns: Vec<String> = txns.iter().map(Txn::to_string).collect();
                f.write_str(if txns.is_empty() { "nothing" } else { "" })?;
                f.write_str(&txns.join(", "))
            }
            Record::Append { txn } => write!(f, "{txn}"),
        }
    }
}

/// What a disk holds.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) accepted: u64,
    pub(super) current: u64,
    pub(super) log: Log,
}

impl Recovered {
    /// Reads the records in order.
    pub(super) fn read(records: Vec<Record>) -> Recovered {
        let mut found = Recovered::default();
        for record in records {
            match record {
                Record::Accepted { epoch } => found.accepted = epoch,
                Record::Entered { epoch, keep, txns } => {
                    found.current = epoch;
                    found.log.cut(found.log.up_to(keep));
                    txns.into_iter().for_each(|txn| found.log.push(txn));
                }
                Record::Append { txn } => found.log.push(txn),
            }
        }
        found
    }
}
