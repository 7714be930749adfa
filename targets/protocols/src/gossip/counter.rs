//! A counter that everyone counts on their own: a PN-counter (specification 7 of the report).

use history::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How much one node has added, and how much it has taken away. Both only grow.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Added.
    pub up: u64,
    /// Taken away.
    pub down: u64,
}

/// By node, what it has counted. Only the node itself changes its slot; the others have copies of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub(super) slots: BTreeMap<NodeId, Slot>,
}

impl Slot {
    /// Both directions are G-counters: of two copies, the larger number is the later one.
    fn join(&mut self, other: Slot) {
        self.up = self.up.max(other.up);
        self.down = self.down.max(other.down);
    }

    /// Counts this, if it can count so far.
    pub(super) fn count(self, by: i64) -> Option<Slot> {
        let amount = by.unsigned_abs();
        Some(match by > 0 {
            true => Slot { up: self.up.checked_add(amount)?, ..self },
            false => Slot { down: self.down.checked_add(amount)?, ..self },
        })
    }
}

impl Counter {
    /// All that either has counted.
    pub(super) fn join(&mut self, other: &Counter) {
        for (node, slot) in &other.slots {
            self.slots.entry(*node).or_default().join(*slot);
        }
    }

    /// FLAW merge-adds: what another says was counted is added to what is there.
    pub(super) fn add(&mut self, other: &Counter) {
        for (node, slot) in &other.slots {
            let ours = self.slots.entry(*node).or_default();
            ours.up = ours.up.saturating_add(slot.up);
            ours.down = ours.down.saturating_add(slot.down);
        }
    }

    /// Where it stands.
    pub fn value(&self) -> i64 {
        let sum: i128 = self.slots.values().map(|slot| i128::from(slot.up) - i128::from(slot.down)).sum();
        i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
    }
}

/// `+5-2`
impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.up, self.down) {
            (up, 0) => write!(f, "+{up}"),
            (0, down) => write!(f, "-{down}"),
            (up, down) => write!(f, "+{up}-{down}"),
        }
    }
}

/// `{n1 +5, n2 +3-2}`
impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots: Vec<String> = self.slots.iter().map(|(node, slot)| format!("{node} {slot:?}")).collect();
        write!(f, "{{{}}}", slots.join(", "))
    }
}
