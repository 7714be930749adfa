//! The ways in which a kind of fault can be made: the words after `partition:`, `kill:`, ….

use history::FaultKind;
use std::fmt;

/// A way to make a fault of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// A partition into two halves.
    Halves,
    /// A partition of some nodes, together, from the others.
    Isolate,
    /// A partition of some nodes, each from everybody.
    Apart,
    /// A partition into two halves that share one node.
    Bridge,
    /// A partition in which every node hears another majority.
    Ring,
    /// A partition in one direction, either.
    OneWay,
    /// A partition of some nodes that nobody hears.
    Mute,
    /// A partition of some nodes that hear nobody.
    Deaf,
    /// A partition that is written down.
    Grudge,
    /// Killed and started again at once.
    Restart,
    /// Killed and started again several times.
    Loop,
    /// Asked to end.
    Terminate,
    /// A power cut that takes all that was not synced.
    Lost,
    /// A power cut in the middle of writing back.
    Torn,
    /// Late messages.
    Delay,
    /// Lost messages.
    Loss,
    /// Messages that come twice.
    Duplicate,
    /// Messages that overtake others.
    Reorder,
    /// Messages of which a bit is flipped.
    Corrupt,
    /// Narrow links.
    Narrow,
    /// Messages that wait for the repair.
    Hold,
    /// A clock that jumps.
    Jump,
    /// A clock that runs fast or slow.
    Drift,
    /// A clock that jumps there and back.
    Strobe,
    /// A disk that cannot be read.
    ReadErrors,
    /// A disk that cannot be written.
    WriteErrors,
    /// A disk that cannot sync.
    SyncErrors,
    /// A disk without room.
    Full,
    /// A disk that syncs slowly.
    Slow,
    /// Little processor time.
    Cpu,
    /// Little memory.
    Memory,
    /// Frozen by the control group.
    Freeze,
    /// A bit of the data flipped.
    FlipBit,
    /// A bit flipped where more was written after it, in a minority of the nodes.
    Rot,
    /// The end of the data cut off.
    Truncate,
    /// Old data put back.
    Rollback,
    /// A node joins.
    Grow,
    /// A node leaves.
    Shrink,
    /// One node joins, another leaves.
    Replace,
}

/// Everything that is to be known of a way.
struct Row(FaultKind, How, &'static str, &'static str);

const TABLE: &[Row] = &[
    Row(FaultKind::Partition, How::Halves, "halves", "two halves that cannot hear each other"),
    Row(FaultKind::Partition, How::Isolate, "isolate", "some nodes, together, apart from the others"),
    Row(FaultKind::Partition, How::Apart, "apart", "some nodes, each apart from everybody"),
    Row(FaultKind::Partition, How::Bridge, "bridge", "two halves, and one node that both can hear"),
    Row(FaultKind::Partition, How::Ring, "ring", "every node hears a majority, no two the same one"),
    Row(FaultKind::Partition, How::OneWay, "one-way", "some nodes mute or deaf"),
    Row(FaultKind::Partition, How::Mute, "mute", "some nodes hear everybody and nobody hears them"),
    Row(FaultKind::Partition, How::Deaf, "deaf", "everybody hears some nodes and they hear nobody"),
    Row(FaultKind::Partition, How::Grudge, "grudge", "who cannot hear whom, written in a file"),
    Row(FaultKind::Kill, How::Restart, "restart", "killed and started again after a moment"),
    Row(FaultKind::Kill, How::Loop, "loop", "killed and started again several times"),
    Row(FaultKind::Kill, How::Terminate, "terminate", "asked to end in good order (SIGTERM)"),
    Row(FaultKind::Crash, How::Lost, "lost", "all that was not synced is gone"),
    Row(FaultKind::Crash, How::Torn, "torn", "any part of what was not synced is there: torn writes"),
    Row(FaultKind::Packets, How::Delay, "delay", "messages come late"),
    Row(FaultKind::Packets, How::Loss, "loss", "messages are lost"),
    Row(FaultKind::Packets, How::Duplicate, "duplicate", "messages come twice"),
    Row(FaultKind::Packets, How::Reorder, "reorder", "messages overtake others"),
    Row(FaultKind::Packets, How::Corrupt, "corrupt", "a bit of messages is flipped, which checksums notice"),
    Row(FaultKind::Packets, How::Narrow, "narrow", "links carry few bytes a second"),
    Row(FaultKind::Packets, How::Hold, "hold", "messages wait for the repair"),
    Row(FaultKind::Clock, How::Jump, "jump", "a clock jumps ahead"),
    Row(FaultKind::Clock, How::Drift, "drift", "a clock runs fast or slow"),
    Row(FaultKind::Clock, How::Strobe, "strobe", "a clock jumps there and back, again and again"),
    Row(FaultKind::Disk, How::ReadErrors, "read-errors", "reads fail"),
    Row(FaultKind::Disk, How::WriteErrors, "write-errors", "writes fail"),
    Row(FaultKind::Disk, How::SyncErrors, "sync-errors", "syncs fail"),
    Row(FaultKind::Disk, How::Full, "full", "no room is left"),
    Row(FaultKind::Disk, How::Slow, "slow", "syncs take longer"),
    Row(FaultKind::Pressure, How::Cpu, "cpu", "little processor time"),
    Row(FaultKind::Pressure, How::Memory, "memory", "little memory"),
    Row(FaultKind::Pressure, How::Freeze, "freeze", "frozen by the control group"),
    Row(FaultKind::Damage, How::FlipBit, "flip-bit", "a bit of some file is flipped"),
    Row(FaultKind::Damage, How::Rot, "rot", "a bit rots before the end of a log: in a minority over the run"),
    Row(FaultKind::Damage, How::Truncate, "truncate", "the end of the last file is cut off"),
    Row(FaultKind::Damage, How::Rollback, "rollback", "what was learned in the last moments is forgotten"),
    Row(FaultKind::Members, How::Grow, "grow", "a node joins that stood by"),
    Row(FaultKind::Members, How::Shrink, "shrink", "a member leaves, and is stopped"),
    Row(FaultKind::Members, How::Replace, "replace", "a node joins, and a member leaves"),
];

impl How {
    /// The ways in which a kind can be made, each with its name and a line for people. None if there is but one.
    pub fn of(kind: FaultKind) -> impl Iterator<Item = (How, &'static str, &'static str)> {
        TABLE.iter().filter(move |row| row.0 == kind).map(|Row(_, how, name, about)| (*how, *name, *about))
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.1 == self).map_or("", |row| row.2)
    }

    /// Whether it takes hold wherever its kind does, with nothing more said. Nobody may read an ill disk, a
    /// grudge has to be written, and not every target has memory to take away.
    pub(crate) fn is_sure(self) -> bool {
        !matches!(self, How::Grudge | How::ReadErrors | How::Memory | How::Shrink)
    }

    /// Whether somebody has to be chosen.
    pub(crate) fn has_victims(self) -> bool {
        !matches!(self, How::Halves | How::Bridge | How::Ring | How::Grudge | How::Grow)
    }

    /// Whether it is a series of faults, which takes its time.
    pub(crate) fn is_series(self) -> bool {
        matches!(self, How::Restart | How::Loop | How::Strobe)
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
