//! What Raft nodes say to one another.

use super::log::{Entry, Place};
use serde::{Deserialize, Serialize};

/// A message. `term` is the sender's term, or the asker's in an answer that echoes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Would you vote for me in the term after `term`? Changes nothing at either end (pre-vote, thesis 9.6).
    Canvass {
        /// The asker's term, which it has not left.
        term: u64,
        /// Where the asker's log ends.
        last: Place,
    },
    /// The answer to a [`Message::Canvass`].
    Support {
        /// The asker's term, echoed.
        term: u64,
        /// Whether it would.
        granted: bool,
    },
    /// Vote for me (RequestVote, §5.2).
    RequestVote {
        /// The term to lead.
        term: u64,
        /// Where the candidate's log ends.
        last: Place,
    },
    /// The answer to a [`Message::RequestVote`]. A candidate also sends it to itself, behind the
    /// [`crate::Effect::Persist`] of its own vote.
    Vote {
        /// The term.
        term: u64,
        /// Whether it votes for the candidate.
        granted: bool,
    },
    /// Hold these entries (AppendEntries, §5.3). Without entries it is a heartbeat, and a check of the place
    /// before the next entry all the same.
    Append {
        /// The leader's term.
        term: u64,
        /// The place just before the entries.
        previous: Place,
        /// The entries, in order.
        entries: Vec<Entry>,
        /// How far the leader knows the log to be committed.
        commit: u64,
        /// The leader's latest heartbeat round (see `read.rs`).
        round: u64,
    },
    /// The log agrees with the leader's up to `matched`, and is durable so far.
    Ack {
        /// The leader's term.
        term: u64,
        /// Up to here.
        matched: u64,
        /// The round of the message that this answers.
        round: u64,
    },
    /// The log does not hold the place before the entries.
    Reject {
        /// The leader's term.
        term: u64,
        /// The index of that place, so that a late answer can be told from a fresh one.
        rejected: u64,
        /// Where to look next: the first entry of the conflicting term, or just past the end with term zero.
        conflict: Place,
        /// The round of the message that this answers.
        round: u64,
    },
    /// Hold this piece of a snapshot (InstallSnapshot, §7).
    Install {
        /// The leader's term.
        term: u64,
        /// The last place for which the snapshot stands.
        last: Place,
        /// Where in its bytes the piece begins.
        offset: u64,
        /// The piece.
        data: Vec<u8>,
        /// Whether it is the last.
        done: bool,
        /// The leader's latest heartbeat round.
        round: u64,
    },
    /// So much of the snapshot is here. The whole of it is answered by an [`Message::Ack`].
    Received {
        /// The leader's term.
        term: u64,
        /// The last place for which the snapshot stands.
        last: Place,
        /// So many of its bytes.
        bytes: u64,
        /// The round of the message that this answers.
        round: u64,
    },
    /// Your term is over.
    Stale {
        /// The term of the one who says so.
        term: u64,
    },
    /// Begin an election now: you are to lead (thesis 3.10).
    TimeoutNow {
        /// The term of the leader that goes.
        term: u64,
    },
    /// From a leader to itself, behind the [`crate::Effect::Persist`] of its entries: they are durable.
    Persisted {
        /// The leader's term.
        term: u64,
        /// Up to here.
        index: u64,
    },
}

impl Message {
    /// The term it carries.
    pub(super) fn term(&self) -> u64 {
        match *self {
            Message::Canvass { term, .. }
            | Message::Support { term, .. }
            | Message::RequestVote { term, .. }
            | Message::Vote { term, .. }
            | Message::Append { term, .. }
            | Message::Ack { term, .. }
            | Message::Reject { term, .. }
            | Message::Install { term, .. }
            | Message::Received { term, .. }
            | Message::Stale { term }
            | Message::TimeoutNow { term }
            | Message::Persisted { term, .. } => term,
        }
    }

    /// Whether its sender is of that term now, so that a receiver with a lower term must take it over. A
    /// canvass must not disturb anyone, and an echo proves nothing.
    pub(super) fn raises_term(&self) -> bool {
        !matches!(self, Message::Canvass { .. } | Message::Support { .. })
    }

    /// Whether a sender with an old term should be told so.
    pub(super) fn wants_answer(&self) -> bool {
        matches!(
            self,
            Message::Canvass { .. }
                | Message::RequestVote { .. }
                | Message::Append { .. }
                | Message::Install { .. }
        )
    }
}
