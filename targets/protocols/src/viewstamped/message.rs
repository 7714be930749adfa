//! What replicas say to one another.

use super::lives::Lives;
use crate::Reading;
use history::{Call, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One operation: an entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Who asked, and which of its calls this is.
    pub ticket: Ticket,
    /// For what.
    pub call: Call,
    /// What the primary's clock showed, if that matters to the call.
    pub at: Option<Reading>,
}

/// A message, and how often each replica has lived, for all that its sender knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The crash vector.
    pub lives: Lives,
    /// What it says.
    pub body: Body,
}

/// The end of a log: what comes after the first `after` operations, which the receiver has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// So many come before.
    pub after: usize,
    /// The rest.
    pub entries: Vec<Entry>,
}

impl Tail {
    /// How long the log is.
    pub fn length(&self) -> usize {
        self.after + self.entries.len()
    }
}

/// What a message says. `op` is always a number of operations, `commit` how many of them are committed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// From the primary: this is operation number `op` (§4.1).
    Prepare {
        /// The view.
        view: u64,
        /// Its number.
        op: usize,
        /// The operation.
        entry: Entry,
        /// How many are committed.
        commit: usize,
    },
    /// I hold all operations of this view up to `op`.
    PrepareOk {
        /// The view.
        view: u64,
        /// So many.
        op: usize,
    },
    /// From the primary, now and then: so many are committed.
    Commit {
        /// The view.
        view: u64,
        /// How many are committed.
        commit: usize,
        /// How many there are.
        op: usize,
    },
    /// This view is over; let us begin `view` (§4.2).
    StartViewChange {
        /// The new view.
        view: u64,
        /// How many operations the sender knows to be committed.
        commit: usize,
    },
    /// To the primary of the new view: a quorum wants it, and this is what I have.
    DoViewChange {
        /// The new view.
        view: u64,
        /// The last view in which the sender's status was normal.
        last_normal: u64,
        /// Its log.
        log: Tail,
        /// How many operations it knows to be committed.
        commit: usize,
    },
    /// From the primary of the new view: it has begun, with this log.
    StartView {
        /// The view.
        view: u64,
        /// The log.
        log: Tail,
        /// How many operations are committed.
        commit: usize,
    },
    /// I have lost my memory: what is yours (§4.3)?
    Recovery {
        /// Never used before by this replica.
        nonce: u64,
        /// How often it has asked in this life.
        round: u64,
    },
    /// From a replica whose status is normal.
    RecoveryResponse {
        /// Its view.
        view: u64,
        /// Of the one who asked.
        nonce: u64,
        /// From the primary only: its log, and how many operations are committed.
        state: Option<(Vec<Entry>, usize)>,
    },
    /// I cannot tell you: I have lost my own.
    Forgot {
        /// Of the one who asked.
        nonce: u64,
        /// The round of the question.
        round: u64,
    },
    /// A majority lost its memory at once. Nobody will ever know what it knew.
    Unrecoverable,
    /// I lack what comes after the first `op` operations (§5.2).
    GetState {
        /// The view.
        view: u64,
        /// So many I have.
        op: usize,
    },
    /// Here it is.
    NewState {
        /// The view.
        view: u64,
        /// The log.
        log: Tail,
        /// How many operations are committed.
        commit: usize,
    },
    /// The primary stops: begin the next view now.
    Farewell {
        /// The view that it leaves.
        view: u64,
    },
    /// To itself, behind its only record: it will know that it has lived.
    Born,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.after, self.entries.len()) {
            (after, 0) => write!(f, "log of {after}"),
            (0, count) => write!(f, "log 1–{count}"),
            (after, _) => write!(f, "log {}–{}", after + 1, self.length()),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.body, self.lives)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Prepare { view, op, entry, commit } => {
                write!(f, "Prepare view {view}: {op} is {}, commit {commit}", entry.call)
            }
            Body::PrepareOk { view, op } => write!(f, "PrepareOk view {view}: up to {op}"),
            Body::Commit { view, commit, op } => write!(f, "Commit view {view}: {commit} of {op}"),
            Body::StartViewChange { view, .. } => write!(f, "StartViewChange to view {view}"),
            Body::DoViewChange { view, last_normal, log, commit } => {
                write!(f, "DoViewChange to view {view}: {log:?} of view {last_normal}, commit {commit}")
            }
            Body::StartView { view, log, commit } => {
                write!(f, "StartView {view}: {log:?}, commit {commit}")
            }
            Body::Recovery { nonce, .. } => write!(f, "Recovery nonce {nonce}"),
            Body::RecoveryResponse { view, nonce, state: None } => {
                write!(f, "RecoveryResponse nonce {nonce}: view {view}")
            }
            Body::RecoveryResponse { view, nonce, state: Some((log, commit)) } => {
                write!(
                    f,
                    "RecoveryResponse nonce {nonce}: view {view}, log of {}, commit {commit}",
                    log.len()
                )
            }
            Body::Forgot { nonce, .. } => write!(f, "Forgot (nonce {nonce})"),
            Body::Unrecoverable => write!(f, "Unrecoverable"),
            Body::GetState { view, op } => write!(f, "GetState view {view}: after {op}"),
            Body::NewState { view, log, commit } => {
                write!(f, "NewState view {view}: {log:?}, commit {commit}")
            }
            Body::Farewell { view } => write!(f, "Farewell view {view}"),
            Body::Born => write!(f, "Born"),
        }
    }
}
