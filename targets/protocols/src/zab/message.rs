//! What Zab nodes say to one another.

use super::log::{Command, Txn, Zxid};
use history::{NodeId, Outcome, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;

/// For whom a node votes, and why: candidates compare by their current epoch, then by their last zxid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vote {
    /// The candidate's current epoch.
    pub current: u64,
    /// The last zxid of the candidate's history.
    pub last: Zxid,
    /// The candidate.
    pub leader: NodeId,
}

/// What the sender of a [`Message::Notify`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stance {
    /// It looks for a leader.
    Looking,
    /// It follows the one for whom it voted.
    Following,
    /// It leads, or is about to.
    Leading,
}

/// A message. `link` is the number of a follower's connection to its leader, drawn by the follower: what belongs to
/// an earlier connection is ignored, as if it had come through a socket that was closed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Phase 0: I vote for this one.
    Notify {
        /// The round of voting.
        round: u64,
        /// For whom.
        vote: Vote,
        /// Whether the election is over for the sender.
        stance: Stance,
    },
    /// Phase 1, CEPOCH: I follow you, and this is the last epoch that I accepted.
    FollowerInfo {
        /// The connection.
        link: u64,
        /// The epoch.
        accepted: u64,
    },
    /// Phase 1, NEWEPOCH: a new epoch, later than all that a quorum had accepted.
    NewEpoch {
        /// The connection.
        link: u64,
        /// The epoch.
        epoch: u64,
    },
    /// Phase 1, ACK-E: I accept no earlier epoch any more, and this is what I have.
    AckEpoch {
        /// The connection.
        link: u64,
        /// The epoch.
        epoch: u64,
        /// Whether it was new to the sender. One who has accepted it before must not be counted again.
        fresh: bool,
        /// The sender's current epoch.
        current: u64,
        /// The last zxid of each epoch in its history.
        ends: Vec<Zxid>,
    },
    /// Phase 2, NEWLEADER: this is the history with which the epoch begins.
    NewLeader {
        /// The connection.
        link: u64,
        /// The epoch.
        epoch: u64,
        /// What you have after this is not part of it …
        keep: Zxid,
        /// … and this is.
        txns: Vec<Txn>,
    },
    /// Phase 2, ACK-LD: I have it, durably.
    AckLeader {
        /// The connection.
        link: u64,
        /// The epoch.
        epoch: u64,
        /// Where my history ends.
        last: Zxid,
    },
    /// Phase 2, COMMIT-LD: a quorum has it. You may serve, once you have delivered this.
    UpToDate {
        /// The connection.
        link: u64,
        /// The epoch.
        epoch: u64,
        /// So far everything is committed.
        committed: Zxid,
    },
    /// Phase 3: the next transactions.
    Propose {
        /// The epoch.
        epoch: u64,
        /// They.
        txns: Vec<Txn>,
    },
    /// Phase 3: my history reaches so far, durably.
    Ack {
        /// The epoch.
        epoch: u64,
        /// So far.
        last: Zxid,
    },
    /// Phase 3: so far everything is committed.
    Commit {
        /// The epoch.
        epoch: u64,
        /// So far.
        zxid: Zxid,
    },
    /// The leader lives. Answered by an [`Message::Ack`].
    Ping {
        /// The epoch.
        epoch: u64,
        /// Where the leader's history ends.
        last: Zxid,
        /// So far everything is committed.
        committed: Zxid,
    },
    /// What comes after this has not reached me.
    Missing {
        /// The epoch.
        epoch: u64,
        /// What I have last.
        after: Zxid,
    },
    /// A client of mine wants this.
    Forward {
        /// The epoch.
        epoch: u64,
        /// What.
        command: Command,
    },
    /// The leader stops: look for another.
    Farewell {
        /// The epoch.
        epoch: u64,
    },
    /// What came of a request that was forwarded. No sound node says it: who forwarded a request sees what comes of it.
    Done {
        /// Which.
        ticket: Ticket,
        /// What.
        outcome: Outcome,
    },
    /// What is committed, for reads that wait. No sound node says it: a sync is broadcast.
    Synced {
        /// Of the one who asked.
        token: u64,
        /// So far everything is committed, for all that the leader knows.
        committed: Zxid,
    },
}

impl fmt::Debug for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Vote { current, last, leader } = self;
        write!(f, "{leader} (epoch {current}, last {last})")
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Notify { round, vote, stance: Stance::Looking } => {
                write!(f, "Notify round {round}: {vote:?}")
            }
            Message::Notify { round, vote, stance } => {
                write!(f, "Notify round {round}: {vote:?}, {stance:?}")
            }
            Message::FollowerInfo { accepted, .. } => write!(f, "FollowerInfo accepted {accepted}"),
            Message::NewEpoch { epoch, .. } => write!(f, "NewEpoch {epoch}"),
            Message::AckEpoch { epoch, fresh, current, ends, .. } => {
                let again = if *fresh { "" } else { " (again)" };
                write!(f, "AckEpoch {epoch}{again}: epoch {current}, history {}", Zxids(ends))
            }
            Message::NewLeader { epoch, keep, txns, .. } => {
                write!(f, "NewLeader {epoch}: after {keep} comes {}", Numbers(txns))
            }
            Message::AckLeader { epoch, last, .. } => write!(f, "AckLeader {epoch}: up to {last}"),
            Message::UpToDate { epoch, committed, .. } => {
                write!(f, "UpToDate {epoch}: committed {committed}")
            }
            Message::Propose { txns, .. } => write!(f, "Propose {}", Numbers(txns)),
            Message::Ack { last, .. } => write!(f, "Ack {last}"),
            Message::Commit { zxid, .. } => write!(f, "Commit {zxid}"),
            Message::Ping { epoch, last, committed } => {
                write!(f, "Ping epoch {epoch}: last {last}, committed {committed}")
            }
            Message::Missing { after, .. } => write!(f, "Missing after {after}"),
            Message::Forward { epoch, command: Command::Sync { .. } } => {
                write!(f, "Forward to epoch {epoch}: sync")
            }
            Message::Forward { epoch, command: Command::Call { call, .. } } => {
                write!(f, "Forward to epoch {epoch}: {call}")
            }
            Message::Farewell { epoch } => write!(f, "Farewell epoch {epoch}"),
            Message::Done { outcome, .. } => write!(f, "Done {outcome:?}"),
            Message::Synced { committed, .. } => write!(f, "Synced {committed}"),
        }
    }
}

struct Zxids<'a>(&'a [Zxid]);

impl fmt::Display for Zxids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("empty");
        }
        let ends: Vec<String> = self.0.iter().map(Zxid::to_string).collect();
        write!(f, "up to {}", ends.join(" "))
    }
}

struct Numbers<'a>(&'a [Txn]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nothing"),
            [one] => write!(f, "{one}"),
            [first, .., last] => write!(f, "{} to {}", first.zxid, last.zxid),
        }
    }
}
