//! What is meant to happen, whoever it happens to.

use history::{Damage, Fault, FaultKind, Illness, NodeId, Pressure, Trouble, Unsynced};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something to do to the cluster, without naming victims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intent {
    /// Partition the network into this shape.
    Partition(Shape),
    /// Kill these nodes.
    Kill(Selector),
    /// Kill these nodes and start them again, so many times. Once is a restart, several times a crash loop.
    Restart {
        /// Whom.
        of: Selector,
        /// How often.
        times: u32,
        /// For how long they are down each time, in milliseconds.
        down_ms: u32,
        /// How long after a start they are killed again, in milliseconds.
        up_ms: u32,
    },
    /// Ask these nodes to end.
    Terminate(Selector),
    /// Cut these nodes' power. What was not synced is lost or torn, by chance.
    Crash(Selector),
    /// Cut these nodes' power, and say what becomes of what was not synced.
    PowerCut {
        /// Whose.
        of: Selector,
        /// What becomes of it.
        unsynced: Unsynced,
    },
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
    /// Make these nodes' clocks jump there and back, so many times. A monotonic clock cannot jump back; so that it
    /// is shaken too, clocks run fast while they are ahead and slow while they are back.
    Strobe {
        /// Whose.
        of: Selector,
        /// How far, in milliseconds.
        jump_ms: i64,
        /// How long they stay there, and then again here, in milliseconds.
        every_ms: u32,
        /// How often they go there.
        times: u32,
    },
    /// Make these nodes' disks ill.
    Disk {
        /// Whose.
        of: Selector,
        /// How.
        illness: Illness,
    },
    /// Give these nodes too little of something.
    Pressure {
        /// Whom.
        of: Selector,
        /// What they have too little of.
        pressure: Pressure,
    },
    /// Damage what these nodes have on their disks.
    Damage {
        /// Whose.
        of: Selector,
        /// How.
        damage: Damage,
    },
    /// Change who takes part.
    Members(Turnover),
    /// Undo every fault of this kind; after a kill or crash, start every node that is down.
    Repair(FaultKind),
}

impl Intent {
    /// The kind of what it breaks or repairs.
    pub fn kind(&self) -> FaultKind {
        match self {
            Intent::Partition(_) => FaultKind::Partition,
            Intent::Kill(_) | Intent::Restart { .. } | Intent::Terminate(_) => FaultKind::Kill,
            Intent::Crash(_) | Intent::PowerCut { .. } => FaultKind::Crash,
            Intent::Pause(_) => FaultKind::Pause,
            Intent::Packets { .. } => FaultKind::Packets,
            Intent::Clock { .. } | Intent::Strobe { .. } => FaultKind::Clock,
            Intent::Disk { .. } => FaultKind::Disk,
            Intent::Pressure { .. } => FaultKind::Pressure,
            Intent::Damage { .. } => FaultKind::Damage,
            Intent::Members(_) => FaultKind::Members,
            Intent::Repair(kind) => *kind,
        }
    }

    /// Whether it undoes instead of breaking.
    pub fn is_repair(&self) -> bool {
        matches!(self, Intent::Repair(_))
    }

    /// From its first to its last fault: nothing, unless it is a series.
    pub fn span(&self) -> Duration {
        let millis = |each: u32, times: u32| Duration::from_millis(u64::from(each) * u64::from(times));
        match self {
            Intent::Restart { times, down_ms, up_ms, .. } => millis(down_ms.saturating_add(*up_ms), *times),
            Intent::Strobe { every_ms, times, .. } => millis(*every_ms, times.saturating_mul(2)),
            _ => Duration::ZERO,
        }
    }

    /// The fault that it would have been, with no victim.
    pub fn nobody(&self) -> Fault {
        let nodes = Vec::new();
        match self {
            Intent::Partition(shape) => Fault::Cut { shape: shape.name().to_owned(), links: Vec::new() },
            Intent::Kill(_) | Intent::Restart { .. } => Fault::Kill { nodes },
            Intent::Terminate(_) => Fault::Terminate { nodes },
            Intent::Crash(_) => Fault::Crash { nodes, unsynced: None },
            Intent::PowerCut { unsynced, .. } => Fault::Crash { nodes, unsynced: Some(*unsynced) },
            Intent::Pause(_) => Fault::Pause { nodes },
            Intent::Packets { trouble, .. } => Fault::Impair { links: Vec::new(), trouble: *trouble },
            Intent::Clock { jump_ms, rate_ppm, .. } => {
                Fault::Skew { nodes, jump_ms: *jump_ms, rate_ppm: *rate_ppm }
            }
            Intent::Strobe { jump_ms, .. } => Fault::Skew { nodes, jump_ms: *jump_ms, rate_ppm: FAST },
            Intent::Disk { illness, .. } => Fault::Sicken { nodes, illness: *illness },
            Intent::Pressure { pressure, .. } => Fault::Press { nodes, pressure: *pressure },
            Intent::Damage { damage, .. } => Fault::Damage { nodes, damage: damage.clone() },
            Intent::Members(_) => Fault::Members { join: nodes, leave: Vec::new() },
            Intent::Repair(kind) => Fault::Repair { kind: *kind },
        }
    }
}

/// How fast a strobed clock runs while it is ahead, in parts per million.
pub(crate) const FAST: u32 = 1_250_000;
/// And while it is back: as much is lost as was won.
pub(crate) const SLOW: u32 = 750_000;

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
    /// The one that the awaited moment is about: the new leader, the node that has just started.
    Subject,
    /// These.
    These(Vec<NodeId>),
}

/// How a cluster's members change. Of several who are chosen to leave, the first does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turnover {
    /// A spare node joins.
    Grow,
    /// One of these leaves, and is stopped then.
    Shrink(Selector),
    /// A spare node joins, and one of these leaves.
    Replace(Selector),
}

/// The shape of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Two halves, as equal as can be, that cannot hear each other.
    Halves,
    /// These nodes, together, apart from the others.
    Isolate(Selector),
    /// Each of these nodes apart from everybody, one another included.
    Apart(Selector),
    /// Two halves and one node that both can hear.
    Bridge,
    /// Every node hears a majority, but no two the same one.
    MajoritiesRing,
    /// These nodes are heard by nobody, but hear everybody.
    Mute(Selector),
    /// These nodes hear nobody, but are heard by everybody.
    Deaf(Selector),
    /// Who cannot hear whom: for each hearer, the nodes that it does not hear.
    Grudge(BTreeMap<NodeId, Vec<NodeId>>),
}
