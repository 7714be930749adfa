//! What is meant to happen, whoever it happens to.

use history::{FaultKind, Illness, NodeId, Trouble};
use serde::{Deserialize, Serialize};

/// Something to do to the cluster, without naming victims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Partition the network into this shape.
    Partition(Shape),
    /// Kill these nodes.
    Kill(Selector),
    /// Cut these nodes' power.
    Crash(Selector),
    /// Freeze these nodes.
    Pause(Selector),
    /// Impair every link from and to these nodes.
    Packets {
        /// Whose links.
        of: Selector,
        /// How.
        trouble: Trouble,
    },
    /// Change these nodes' clocks.
    Clock {
        /// Whose.
        of: Selector,
        /// Their jump, in milliseconds.
        jump_ms: i64,
        /// Their rate from now on, in parts per million; 1,000,000 is true.
        rate_ppm: u32,
    },
    /// Make these nodes' disks ill.
    Disk {
        /// Whose.
        of: Selector,
        /// How.
        illness: Illness,
    },
    /// Undo every fault of this kind; after a kill or crash, start every node that is down.
    Repair(FaultKind),
}

impl Intent {
    /// The kind of what it breaks or repairs.
    pub fn kind(&self) -> FaultKind {
        match self {
            Intent::Partition(_) => FaultKind::Partition,
            Intent::Kill(_) => FaultKind::Kill,
            Intent::Crash(_) => FaultKind::Crash,
            Intent::Pause(_) => FaultKind::Pause,
            Intent::Packets { .. } => FaultKind::Packets,
            Intent::Clock { .. } => FaultKind::Clock,
            Intent::Disk { .. } => FaultKind::Disk,
            Intent::Repair(kind) => *kind,
        }
    }

    /// Whether it undoes instead of breaking.
    pub fn is_repair(&self) -> bool {
        matches!(self, Intent::Repair(_))
    }
}

/// Which nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// Any one.
    One,
    /// As many as the system must survive: the largest number below half.
    Minority,
    /// The smallest number above half.
    Majority,
    /// A third, rounded down, at least one.
    MinorityThird,
    /// Those that lead.
    Primaries,
    /// All.
    All,
    /// These.
    These(Vec<NodeId>),
}

/// The shape of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Two halves, as equal as can be, that cannot hear each other.
    Halves,
    /// These nodes apart from the others.
    Isolate(Selector),
    /// Two halves and one node that both can hear.
    Bridge,
    /// Every node hears a majority, but no two the same one.
    MajoritiesRing,
    /// These nodes are heard by nobody, but hear everybody.
    Mute(Selector),
    /// These nodes hear nobody, but are heard by everybody.
    Deaf(Selector),
}
