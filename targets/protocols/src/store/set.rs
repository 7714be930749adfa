//! A set that knows when each of its elements was added.

use history::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Set {
    /// Each element with the revision of its addition.
    elements: BTreeMap<Value, u64>,
}

impl Set {
    /// Whether it is new.
    pub(super) fn add(&mut self, revision: u64, value: Value) -> bool {
        let new = !self.contains(value);
        self.elements.entry(value).or_insert(revision);
        new
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, value: Value) -> bool {
        self.elements.remove(&value).is_some()
    }

    pub(super) fn contains(&self, value: Value) -> bool {
        self.elements.contains_key(&value)
    }

    /// Ascending.
    pub(super) fn elements(&self) -> Vec<Value> {
        self.elements.keys().copied().collect()
    }

    /// What was added after this revision and is still there, in the order of its addition.
    pub(super) fn additions(&self, after: u64) -> Vec<(u64, Value)> {
        let all = self.elements.iter().map(|(value, revision)| (*revision, *value));
        let mut later: Vec<(u64, Value)> = all.filter(|(revision, _)| *revision > after).collect();
        later.sort_unstable();
        later
    }
}
