//! Which kinds of fault get in one another's way.

use history::FaultKind;

/// Kinds of which one at a time is enough: a dead process cannot be paused, and starting the killed also
/// starts the crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Links,
    Processes,
    Packets,
    Clocks,
    Disks,
    Groups,
    Members,
}

impl Family {
    pub(crate) fn of(kind: FaultKind) -> Family {
        match kind {
            FaultKind::Partition => Family::Links,
            FaultKind::Kill | FaultKind::Crash | FaultKind::Pause | FaultKind::Damage => Family::Processes,
            FaultKind::Packets => Family::Packets,
            FaultKind::Clock => Family::Clocks,
            FaultKind::Disk => Family::Disks,
            FaultKind::Pressure => Family::Groups,
            FaultKind::Members => Family::Members,
        }
    }
}
