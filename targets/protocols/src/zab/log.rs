//! What has been broadcast: transactions, numbered by epoch and place.

use crate::Reading;
use history::{Call, NodeId, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a transaction: the epoch of the primary that made it, and its place among those of that epoch,
/// from 1. Later epochs come later, whatever the counters say.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Zxid {
    /// The epoch.
    pub epoch: u64,
    /// The place in it; zero before the first.
    pub counter: u64,
}

impl Zxid {
    /// Whether nothing can lie between `last` and this one.
    pub fn follows(self, last: Zxid) -> bool {
        let next = if self.epoch == last.epoch { last.counter + 1 } else { 1 };
        self.epoch >= last.epoch && self.counter == next
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}

impl fmt::Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Txn {
    /// Its number.
    pub zxid: Zxid,
    /// What it does.
    pub command: Command,
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Command::Call { call, .. } => write!(f, "{} {call}", self.zxid),
            Command::Sync { node, .. } => write!(f, "{} sync of {node}", self.zxid),
        }
    }
}

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// What a client asked for.
    Call {
        /// Who asked, and which of its calls this is.
        ticket: Ticket,
        /// For what.
        call: Call,
        /// What the leader's clock showed, if that matters to the call. It says so itself: what a follower passes on has
        /// nothing here.
        at: Option<Reading>,
    },
    /// Nothing: when it comes back to the node that asked for it, that node has seen all that was committed before.
    Sync {
        /// Who asked.
        node: NodeId,
        /// Drawn by it, so that it knows its own.
        token: u64,
    },
}

/// The history of one node (the paper's `f.h`), held in memory.
///
/// In a sound node the zxids ascend and those of an epoch have no gaps, so two histories agree up to the last zxid
/// that both hold.
#[derive(Debug, Default)]
pub struct Log {
    txns: Vec<Txn>,
    cuts: u64,
    last_cut: usize,
}

impl Log {
    /// How many transactions it holds.
    pub fn len(&self) -> usize {
        self.txns.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.txns.is_empty()
    }

    /// The last zxid; zero if it is empty.
    pub fn last(&self) -> Zxid {
        self.zxid(self.len())
    }

    /// The zxid of the transaction with which the first `length` end; zero if that is none.
    pub fn zxid(&self, length: usize) -> Zxid {
        length.checked_sub(1).and_then(|at| self.txns.get(at)).map_or_else(Zxid::default, |txn| txn.zxid)
    }

    /// The transactions after the first `length`.
    pub fn after(&self, length: usize) -> &[Txn] {
        self.txns.get(length..).unwrap_or_default()
    }

    /// The transaction in this place, from 0.
    pub fn get(&self, place: usize) -> Option<&Txn> {
        self.txns.get(place)
    }

    /// How many of its transactions are no later than `zxid`.
    pub(super) fn up_to(&self, zxid: Zxid) -> usize {
        self.txns.partition_point(|txn| txn.zxid <= zxid)
    }

    /// The last zxid of each epoch in it: this says all about it that others need to compare it with theirs.
    pub(super) fn ends(&self) -> Vec<Zxid> {
        let mut ends: Vec<Zxid> = Vec::new();
        let mut from = 0;
        while let Some(txn) = self.txns.get(from) {
            let epoch = txn.zxid.epoch;
            from += self.txns[from..].partition_point(|txn| txn.zxid.epoch <= epoch);
            ends.push(self.zxid(from));
        }
        ends
    }

    /// How many transactions from the beginning a history has in common with it whose epochs end so.
    pub(super) fn in_common(&self, theirs: &[Zxid]) -> usize {
        let mut common = 0;
        for (ours, theirs) in self.ends().into_iter().zip(theirs) {
            if ours.epoch != theirs.epoch {
                break;
            }
            common = self.up_to(ours.min(*theirs));
            if ours != *theirs {
                break;
            }
        }
        common
    }

    pub(super) fn push(&mut self, txn: Txn) {
        self.txns.push(txn);
    }

    /// Forgets all but the first `length`.
    pub(super) fn cut(&mut self, length: usize) {
        if length < self.len() {
            self.txns.truncate(length);
            (self.cuts, self.last_cut) = (self.cuts + 1, length);
        }
    }

    /// How often it has been cut, and how much was left the last time.
    pub(super) fn cuts(&self) -> (u64, usize) {
        (self.cuts, self.last_cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zxid((epoch, counter): (u64, u64)) -> Zxid {
        Zxid { epoch, counter }
    }

    fn log(zxids: &[(u64, u64)]) -> Log {
        let mut log = Log::default();
        for pair in zxids {
            log.push(Txn { zxid: zxid(*pair), command: Command::Sync { node: NodeId(1), token: 0 } });
        }
        log
    }

    #[test]
    fn zxids_follow_one_another_without_gaps() {
        let follows = |one, other| zxid(other).follows(zxid(one));
        assert!(follows((0, 0), (1, 1)) && follows((1, 1), (1, 2)) && follows((1, 7), (3, 1)));
        assert!(!follows((1, 1), (1, 1)) && !follows((1, 1), (1, 3)) && !follows((1, 1), (2, 2)));
        assert!(!follows((2, 1), (1, 2)));
    }

    #[test]
    fn histories_are_compared_epoch_by_epoch() {
        let ours = log(&[(1, 1), (1, 2), (3, 1), (3, 2)]);
        assert_eq!(ours.ends(), [zxid((1, 2)), zxid((3, 2))]);
        let common = |theirs: &[(u64, u64)]| ours.in_common(&log(theirs).ends());
        assert_eq!(common(&[]), 0);
        assert_eq!(common(&[(1, 1)]), 1);
        assert_eq!(common(&[(1, 1), (1, 2), (3, 1)]), 3);
        assert_eq!(common(&[(1, 1), (1, 2), (3, 1), (3, 2), (3, 3)]), 4);
        assert_eq!(common(&[(1, 1), (1, 2), (1, 3)]), 2, "what only they have is not common");
        assert_eq!(common(&[(1, 1), (2, 1)]), 1, "nor is what comes after another epoch");
        assert_eq!(common(&[(2, 1)]), 0);
    }

    #[test]
    fn cutting_past_the_end_cuts_nothing() {
        let mut log = log(&[(1, 1), (1, 2)]);
        log.cut(2);
        assert_eq!(log.cuts(), (0, 0));
        log.cut(1);
        assert_eq!((log.cuts(), log.last()), ((1, 1), zxid((1, 1))));
    }
}
