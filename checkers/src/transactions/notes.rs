//! Anomalies that need no circle, as they are found.

use super::phenomenon::Phenomenon;
use std::collections::BTreeMap;

/// How many of one kind are kept to be told.
const KEPT: usize = 20;

/// Nobody, nothing.
pub(crate) const NONE: u32 = u32::MAX;

/// One anomaly. What the numbers mean depends on what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub what: Phenomenon,
    /// The object.
    pub key: u32,
    /// The transactions, the first one always there or to be looked for.
    pub txns: [u32; 2],
    /// A place: the version or the part of the transaction.
    pub at: u32,
}

/// What was found, counted by kind.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub counts: BTreeMap<Phenomenon, usize>,
    pub kept: Vec<Note>,
}

impl Notes {
    pub fn add(&mut self, note: Note) {
        let count = self.counts.entry(note.what).or_default();
        *count += 1;
        if *count <= KEPT {
            self.kept.push(note);
        }
    }
}
