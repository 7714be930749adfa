//! A register, with its last few writes: whoever watches it is told of each.

use history::{Refusal, Value};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// So many writes are remembered for those who watch: few, for they are in every snapshot.
pub(super) const REMEMBERED: usize = 16;

/// One register.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Register {
    /// The last writes with their revisions, in order.
    writes: VecDeque<(u64, Value)>,
    /// The revision of the last write before those.
    forgotten: u64,
    /// The largest fencing token that it saw.
    token: u64,
}

impl Register {
    pub(super) fn value(&self) -> Option<Value> {
        self.writes.back().map(|(_, value)| *value)
    }

    /// FLAW cas-compares-old: what it held before it was written last.
    pub(super) fn before(&self) -> Option<Value> {
        self.writes.iter().rev().nth(1).map(|(_, value)| *value)
    }

    /// FLAW snapshot-forgets-changes: what it holds is kept, and that it held anything else is not.
    pub(super) fn forget_changes(&mut self) {
        self.writes.drain(..self.writes.len().saturating_sub(1));
        self.forgotten = 0;
    }

    pub(super) fn write(&mut self, revision: u64, value: Value) {
        self.writes.push_back((revision, value));
        if self.writes.len() > REMEMBERED
            && let Some((revision, _)) = self.writes.pop_front()
        {
            self.forgotten = revision;
        }
    }

    /// Every write after this revision; refused if they are not all known any more.
    pub(super) fn changes(&self, after: u64) -> Result<Vec<(u64, Value)>, Refusal> {
        if after < self.forgotten {
            return Err(Refusal::Other("what changed so long ago is forgotten".to_owned()));
        }
        Ok(self.writes.iter().copied().filter(|(revision, _)| *revision > after).collect())
    }

    /// A holder of a lock wants to write. Who comes with a smaller token than was seen has lost the lock meanwhile
    /// (Kleppmann, *How to do distributed locking*, 2016).
    pub(super) fn admit(&mut self, token: u64) -> Result<(), Refusal> {
        if token < self.token {
            return Err(Refusal::NotHeld);
        }
        self.token = token;
        Ok(())
    }
}
