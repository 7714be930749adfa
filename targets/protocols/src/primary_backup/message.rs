//! What nodes say to one another, and what they write down.

use crate::Reading;
use history::{Call, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One change, in its place in the log.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The epoch whose primary took it.
    pub epoch: u64,
    /// Which call of whom.
    pub ticket: Ticket,
    /// What was asked.
    pub call: Call,
    /// What the primary's clock showed, if that matters to the call.
    pub at: Option<Reading>,
}

/// `write k0 5 @2`
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @{}", self.call, self.epoch)
    }
}

/// What nodes say. Places in the log are counted from 1; whatever ends at zero is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// From a primary: I lead this epoch, my log is so long, and so much of it is everywhere.
    Beat {
        /// Which epoch.
        epoch: u64,
        /// How long.
        end: u64,
        /// How much.
        stable: u64,
    },
    /// From a primary: all of its log after this place.
    Copy {
        /// Which epoch.
        epoch: u64,
        /// After which.
        after: u64,
        /// All that follows.
        entries: Vec<Entry>,
        /// How much is everywhere.
        stable: u64,
    },
    /// To a primary: I hold your log up to here, durably. Also a primary's word to itself about its own disk.
    Ack {
        /// Which epoch.
        epoch: u64,
        /// Up to where.
        end: u64,
    },
    /// To a primary: I need your log after this place.
    Lack {
        /// Which epoch.
        epoch: u64,
        /// After which.
        after: u64,
    },
    /// To one who is behind: there is a later epoch.
    Stale {
        /// Which.
        epoch: u64,
    },
}

impl Message {
    /// The epoch that it belongs to.
    pub fn epoch(&self) -> u64 {
        match self {
            Message::Beat { epoch, .. }
            | Message::Copy { epoch, .. }
            | Message::Ack { epoch, .. }
            | Message::Lack { epoch, .. }
            | Message::Stale { epoch } => *epoch,
        }
    }
}

/// What a node writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// It takes part in this epoch, under another's lead.
    Follow {
        /// Which.
        epoch: u64,
    },
    /// It leads this epoch: its log is the log.
    Lead {
        /// Which.
        epoch: u64,
    },
    /// Its log is a copy of the primary's from now on: so much of what it had, and then these.
    Align {
        /// Whose primary's.
        epoch: u64,
        /// So much of it stays.
        keep: u64,
        /// What follows.
        entries: Vec<Entry>,
        /// How much is everywhere.
        stable: u64,
    },
    /// These follow.
    Append {
        /// Which.
        entries: Vec<Entry>,
        /// How much is everywhere.
        stable: u64,
    },
}
