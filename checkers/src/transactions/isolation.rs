//! The consistency models of transactions, and which of them imply which.

use super::phenomenon::{Order, Phenomenon};
use super::saturate::Promise;
use std::fmt;
use std::str::FromStr;

/// What a database promises about transactions: an isolation level, perhaps together with an order in which
/// clients must see one another.
///
/// After Adya, *Weak Consistency* (1999), Cerone, Bernardi and Gotsman (CONCUR 2015), and the lattice that Elle
/// (Kingsbury and Alvaro, VLDB 2020) made of them. Snapshot isolation is the generalised one: a transaction may
/// read from any older snapshot. What includes the order of sessions or of real time says so in its name; only
/// [`RcAtomicVisibility`](Isolation::RcAtomicVisibility), [`ReadAtomic`](Isolation::ReadAtomic), [`Causal`](Isolation::Causal)
/// and [`PrefixConsistency`](Isolation::PrefixConsistency) are those of Biswas and Enea (OOPSLA 2019), which include the order
/// of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// PL-1: writes do not interleave in circles.
    ReadUncommitted,
    /// PL-2: only what was committed is read, and only its last version.
    ReadCommitted,
    /// PL-2, and the order of each session is kept in every dependency.
    StrongSessionReadUncommitted,
    /// PL-2 with the order of sessions.
    StrongSessionReadCommitted,
    /// PL-1 with real time.
    StrongReadUncommitted,
    /// PL-2 with real time.
    StrongReadCommitted,
    /// Read committed of Biswas and Enea: within one transaction no read goes back before an earlier one.
    RcAtomicVisibility,
    /// PL-CS: no update through a cursor is lost.
    CursorStability,
    /// Once something of a transaction was seen, all of it is.
    MonotonicAtomicView,
    /// Read atomic: of every transaction all is seen or nothing; the order of sessions is kept.
    ReadAtomic,
    /// Causal consistency (causal convergence): what is seen includes whatever it depends on.
    Causal,
    /// PL-2+: a transaction never misses what it depends on.
    ConsistentView,
    /// PL-FCV: consistent view that may also look ahead.
    ForwardConsistentView,
    /// PL-2.99: serializable as long as nobody asks by a predicate.
    RepeatableRead,
    /// PSI: snapshot isolation in which far-away commits may be seen in different orders.
    ParallelSnapshotIsolation,
    /// Prefix consistency: every transaction sees a prefix of one order of commits, with all that its session did before.
    PrefixConsistency,
    /// PL-SI: reads from one snapshot, and the first committer wins.
    SnapshotIsolation,
    /// PL-3U: the transactions that write are serializable.
    UpdateSerializable,
    /// PL-3: as if one after another.
    Serializable,
    /// Snapshot isolation in which every session sees its own past.
    StrongSessionSnapshotIsolation,
    /// Snapshot isolation in which everybody sees all that was committed before.
    StrongSnapshotIsolation,
    /// Serializable with the order of sessions.
    StrongSessionSerializable,
    /// As if one after another, each between its call and its completion.
    StrictSerializable,
}

use Isolation::*;

impl Isolation {
    /// All of them, no stronger one before a weaker one.
    pub const ALL: [Isolation; 23] = [
        ReadUncommitted,
        ReadCommitted,
        StrongSessionReadUncommitted,
        StrongSessionReadCommitted,
        StrongReadUncommitted,
        StrongReadCommitted,
        RcAtomicVisibility,
        CursorStability,
        MonotonicAtomicView,
        ReadAtomic,
        Causal,
        ConsistentView,
        ForwardConsistentView,
        RepeatableRead,
        ParallelSnapshotIsolation,
        PrefixConsistency,
        SnapshotIsolation,
        UpdateSerializable,
        Serializable,
        StrongSessionSnapshotIsolation,
        StrongSnapshotIsolation,
        StrongSessionSerializable,
        StrictSerializable,
    ];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            ReadUncommitted => "read-uncommitted",
            ReadCommitted => "read-committed",
            StrongSessionReadUncommitted => "strong-session-read-uncommitted",
            StrongSessionReadCommitted => "strong-session-read-committed",
            StrongReadUncommitted => "strong-read-uncommitted",
            StrongReadCommitted => "strong-read-committed",
            RcAtomicVisibility => "rc-atomic-visibility",
            CursorStability => "cursor-stability",
            MonotonicAtomicView => "monotonic-atomic-view",
            ReadAtomic => "read-atomic",
            Causal => "causal",
            ConsistentView => "consistent-view",
            ForwardConsistentView => "forward-consistent-view",
            RepeatableRead => "repeatable-read",
            ParallelSnapshotIsolation => "parallel-snapshot-isolation",
            PrefixConsistency => "prefix",
            SnapshotIsolation => "snapshot-isolation",
            UpdateSerializable => "update-serializable",
            Serializable => "serializable",
            StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            StrongSnapshotIsolation => "strong-snapshot-isolation",
            StrongSessionSerializable => "strong-session-serializable",
            StrictSerializable => "strict-serializable",
        }
    }

    /// The strongest of the models that it implies.
    pub fn weaker(self) -> &'static [Isolation] {
        match self {
            ReadUncommitted => &[],
            ReadCommitted | StrongSessionReadUncommitted => &[ReadUncommitted],
            StrongSessionReadCommitted => &[ReadCommitted, StrongSessionReadUncommitted],
            StrongReadUncommitted => &[StrongSessionReadUncommitted],
            StrongReadCommitted => &[StrongSessionReadCommitted, StrongReadUncommitted],
            RcAtomicVisibility => &[StrongSessionReadCommitted],
            CursorStability | MonotonicAtomicView => &[ReadCommitted],
            ReadAtomic => &[RcAtomicVisibility, MonotonicAtomicView],
            Causal => &[ReadAtomic],
            ConsistentView => &[CursorStability],
            ForwardConsistentView => &[ConsistentView],
            RepeatableRead => &[CursorStability, MonotonicAtomicView],
            ParallelSnapshotIsolation => &[MonotonicAtomicView],
            PrefixConsistency => &[Causal],
            SnapshotIsolation => &[ForwardConsistentView, ParallelSnapshotIsolation],
            UpdateSerializable => &[ForwardConsistentView],
            Serializable => &[RepeatableRead, SnapshotIsolation, UpdateSerializable],
            StrongSessionSnapshotIsolation => {
                &[SnapshotIsolation, StrongSessionReadCommitted, PrefixConsistency]
            }
            StrongSnapshotIsolation => &[StrongSessionSnapshotIsolation, StrongReadCommitted],
            StrongSessionSerializable => &[Serializable, StrongSessionSnapshotIsolation],
            StrictSerializable => &[StrongSessionSerializable, StrongSnapshotIsolation],
        }
    }

    /// Whether whatever satisfies this also satisfies `other`.
    pub fn implies(self, other: Isolation) -> bool {
        self == other || self.weaker().iter().any(|weaker| weaker.implies(other))
    }

    /// What it respects beside the data.
    pub(crate) fn respects(self) -> Order {
        match self {
            StrongReadUncommitted | StrongReadCommitted | StrongSnapshotIsolation | StrictSerializable => {
                Order::Realtime
            }
            StrongSessionReadUncommitted
            | StrongSessionReadCommitted
            | StrongSessionSnapshotIsolation
            | StrongSessionSerializable
            | RcAtomicVisibility
            | ReadAtomic
            | Causal
            | PrefixConsistency => Order::Process,
            _ => Order::Plain,
        }
    }

    /// Whether a judge of it can object while a history goes on. What was seen of committed transactions only grows, and one
    /// that was seen and fails later makes a dirty read of it, which every model from read committed on forbids.
    pub(crate) fn stands(self) -> bool {
        self.implies(ReadCommitted)
    }

    /// Whether this anomaly stands whatever follows. What nobody wrote may be written later, which is wrong only if real time
    /// counts, and what a transaction reads after a write of its own.
    pub(crate) fn stands_by(self, anomaly: &str) -> bool {
        let timely = self.respects() == Order::Realtime && self.implies(SnapshotIsolation);
        timely || anomaly != Phenomenon::GarbageRead.to_string()
    }

    /// What must be possible for a history to be as it promises, if that is one run of all transactions.
    pub(crate) fn promise(self) -> Option<Promise> {
        match self {
            PrefixConsistency => Some(Promise::Prefixes),
            model if model.implies(Serializable) => Some(Promise::Order),
            model if model.implies(SnapshotIsolation) => Some(Promise::Snapshots),
            _ => None,
        }
    }

    /// Of `models`, those that imply no other of them.
    pub fn weakest(models: &[Isolation]) -> Vec<Isolation> {
        let is_weakest = |one: &Isolation| !models.iter().any(|other| other != one && one.implies(*other));
        Isolation::ALL.into_iter().filter(|one| models.contains(one) && is_weakest(one)).collect()
    }

    /// Of `models`, those that no other of them implies.
    pub fn strongest(models: &[Isolation]) -> Vec<Isolation> {
        let is_strongest = |one: &Isolation| !models.iter().any(|other| other != one && other.implies(*one));
        Isolation::ALL.into_iter().filter(|one| models.contains(one) && is_strongest(one)).collect()
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Isolation, String> {
        let same = |model: &Isolation| model.name() == text;
        let other = match text.to_ascii_lowercase().as_str() {
            "pl-1" => Some(ReadUncommitted),
            "pl-2" => Some(ReadCommitted),
            "pl-cs" => Some(CursorStability),
            "pl-2+" => Some(ConsistentView),
            "pl-2.99" => Some(RepeatableRead),
            "pl-si" | "si" => Some(SnapshotIsolation),
            "pl-3u" => Some(UpdateSerializable),
            "pl-3" => Some(Serializable),
            "pl-ss" | "strong-serializable" => Some(StrictSerializable),
            "psi" => Some(ParallelSnapshotIsolation),
            _ => None,
        };
        Isolation::ALL.into_iter().find(same).or(other).ok_or_else(|| {
            let names: Vec<&str> = Isolation::ALL.into_iter().map(Isolation::name).collect();
            format!("{text:?} is not a consistency model: there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for model in Isolation::ALL {
            assert_eq!(model.name().parse(), Ok(model));
        }
        assert_eq!("PL-3".parse(), Ok(Serializable));
        assert!("pl-9".parse::<Isolation>().unwrap_err().contains("strict-serializable"));
    }

    #[test]
    fn stronger_models_come_later_and_imply_nothing_above_them() {
        for (place, model) in Isolation::ALL.into_iter().enumerate() {
            assert!(model.implies(ReadUncommitted) && StrictSerializable.implies(model), "{model}");
            assert!(Isolation::ALL[place + 1..].iter().all(|later| !model.implies(*later)), "{model}");
        }
        assert!(!Serializable.implies(Causal), "serializability knows no sessions");
        assert!(!RepeatableRead.implies(SnapshotIsolation) && !SnapshotIsolation.implies(RepeatableRead));
    }

    #[test]
    fn the_ends_of_a_set_are_found() {
        assert_eq!(Isolation::weakest(&Isolation::ALL), [ReadUncommitted]);
        assert_eq!(Isolation::strongest(&Isolation::ALL), [StrictSerializable]);
        let some = [SnapshotIsolation, RepeatableRead, CursorStability];
        assert_eq!(Isolation::weakest(&some), [CursorStability]);
        assert_eq!(Isolation::strongest(&some), [RepeatableRead, SnapshotIsolation]);
    }
}
