//! What can go wrong between transactions, and which models that rules out.

use super::Isolation::{self, *};
use std::fmt;

/// A kind of anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phenomenon {
    /// An element is in a list twice, although it was appended once.
    DuplicateElements,
    /// Something was read that nobody ever wrote.
    GarbageRead,
    /// The versions of one object follow one another in a circle.
    CyclicVersions,
    /// A transaction that failed left something that a committed one built upon.
    DirtyUpdate,
    /// Two reads of one list cannot be of one history: neither begins with the other.
    IncompatibleOrder,
    /// What a failed transaction wrote was read.
    AbortedRead,
    /// What a transaction wrote and then overwrote was read by another.
    IntermediateRead,
    /// A transaction read what it only wrote later.
    FutureRead,
    /// A transaction disagrees with its own earlier reads and writes.
    Internal,
    /// Two transactions read the same version and both replaced it.
    LostUpdate,
    /// A read within a transaction went back before what an earlier one had shown.
    NonMonotonicRead,
    /// Of another transaction a part was seen and a part was missed.
    FracturedRead,
    /// Something was seen, and what it depends on was missed.
    CausalityViolation,
    /// Dependencies between transactions form a circle.
    Cycle(Class, Order),
    /// No order of the versions that were never seen leaves room for snapshots: found by search.
    NoSnapshots(Order),
    /// No order of commits lets everybody read from a prefix of it: found by search.
    NoPrefixes,
    /// No order of all transactions explains what was read: found by search.
    NoOrder(Order),
}

/// Kinds of circles, the worst first: each rules out whatever a later one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Only writes over writes.
    G0,
    /// Writes over writes, and reads of what was written.
    G1c,
    /// Exactly one read of what was overwritten.
    GSingle,
    /// Several reads of what was overwritten, never two in a row.
    GNonadjacent,
    /// Reads of what was overwritten, two of them in a row.
    G2Item,
}

/// What, beside the data, orders the transactions of a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Nothing.
    Plain,
    /// Each process does one thing after another.
    Process,
    /// What completed before another was invoked comes before it.
    Realtime,
}

impl Class {
    /// The worst first.
    pub const ALL: [Class; 5] = [Class::G0, Class::G1c, Class::GSingle, Class::GNonadjacent, Class::G2Item];
}

impl Order {
    /// Each includes what came before.
    pub const ALL: [Order; 3] = [Order::Plain, Order::Process, Order::Realtime];
}

impl Phenomenon {
    /// The weakest models that forbid it: they are ruled out, and every stronger one with them.
    pub fn refutes(self) -> &'static [Isolation] {
        match self {
            Phenomenon::DuplicateElements | Phenomenon::GarbageRead | Phenomenon::CyclicVersions => {
                &[ReadUncommitted]
            }
            Phenomenon::DirtyUpdate
            | Phenomenon::IncompatibleOrder
            | Phenomenon::AbortedRead
            | Phenomenon::IntermediateRead
            | Phenomenon::FutureRead => &[ReadCommitted],
            Phenomenon::Internal => &[ReadAtomic, ParallelSnapshotIsolation],
            Phenomenon::LostUpdate => &[CursorStability, ParallelSnapshotIsolation],
            Phenomenon::NonMonotonicRead => &[RcAtomicVisibility],
            Phenomenon::FracturedRead => &[ReadAtomic],
            Phenomenon::CausalityViolation => &[Causal],
            Phenomenon::Cycle(class, order) => cycle_refutes(class, order),
            Phenomenon::NoSnapshots(Order::Plain) => &[SnapshotIsolation],
            Phenomenon::NoSnapshots(Order::Process) => &[StrongSessionSnapshotIsolation],
            Phenomenon::NoSnapshots(Order::Realtime) => &[StrongSnapshotIsolation],
            Phenomenon::NoPrefixes => &[PrefixConsistency],
            Phenomenon::NoOrder(Order::Plain) => &[Serializable],
            Phenomenon::NoOrder(Order::Process) => &[StrongSessionSerializable],
            Phenomenon::NoOrder(Order::Realtime) => &[StrictSerializable],
        }
    }

    /// Whether a model forbids it.
    pub fn forbidden_by(self, model: Isolation) -> bool {
        self.refutes().iter().any(|weakest| model.implies(*weakest))
    }
}

fn cycle_refutes(class: Class, order: Order) -> &'static [Isolation] {
    match (class, order) {
        (Class::G0, Order::Plain) => &[ReadUncommitted],
        (Class::G1c, Order::Plain) => &[ReadCommitted],
        (Class::GSingle, Order::Plain) => &[ConsistentView, RepeatableRead, ParallelSnapshotIsolation],
        (Class::GNonadjacent, Order::Plain) => &[SnapshotIsolation, RepeatableRead],
        (Class::G2Item, Order::Plain) => &[RepeatableRead],
        (Class::G0, Order::Process) => &[StrongSessionReadUncommitted],
        (Class::G1c, Order::Process) => &[StrongSessionReadCommitted],
        (Class::GSingle | Class::GNonadjacent, Order::Process) => &[StrongSessionSnapshotIsolation],
        (Class::G2Item, Order::Process) => &[StrongSessionSerializable],
        (Class::G0, Order::Realtime) => &[StrongReadUncommitted],
        (Class::G1c, Order::Realtime) => &[StrongReadCommitted],
        (Class::GSingle | Class::GNonadjacent, Order::Realtime) => &[StrongSnapshotIsolation],
        (Class::G2Item, Order::Realtime) => &[StrictSerializable],
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::G0 => "G0",
            Class::G1c => "G1c",
            Class::GSingle => "G-single",
            Class::GNonadjacent => "G-nonadjacent",
            Class::G2Item => "G2-item",
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Plain => "",
            Order::Process => "-process",
            Order::Realtime => "-realtime",
        })
    }
}

impl fmt::Display for Phenomenon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phenomenon::DuplicateElements => "duplicate-elements",
            Phenomenon::GarbageRead => "garbage-read",
            Phenomenon::CyclicVersions => "cyclic-versions",
            Phenomenon::DirtyUpdate => "dirty-update",
            Phenomenon::IncompatibleOrder => "incompatible-order",
            Phenomenon::AbortedRead => "G1a",
            Phenomenon::IntermediateRead => "G1b",
            Phenomenon::FutureRead => "future-read",
            Phenomenon::Internal => "internal",
            Phenomenon::LostUpdate => "lost-update",
            Phenomenon::NonMonotonicRead => "non-monotonic-read",
            Phenomenon::FracturedRead => "fractured-read",
            Phenomenon::CausalityViolation => "causality-violation",
            Phenomenon::Cycle(class, order) => return write!(f, "{class}{order}"),
            Phenomenon::NoPrefixes => "no-prefixes",
            Phenomenon::NoSnapshots(order) => return write!(f, "no-snapshots{order}"),
            Phenomenon::NoOrder(order) => return write!(f, "no-order{order}"),
        })
    }
}
