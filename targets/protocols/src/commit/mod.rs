//! # Atomic commitment: what its protocols have in common
//!
//! The keys are divided among the nodes ([`txn::owner`]), and each is at one node only: nothing is replicated. What a
//! transaction does at keys of several nodes is to happen at all of them or at none, although nodes crash and messages
//! are lost: *atomic commitment* (Bernstein, Hadzilacos and Goodman, *Concurrency Control and Recovery in Database
//! Systems*, 1987, chapter 7: "BHG"). The protocols differ in how the decision is made and found out again:
//! [`crate::two_phase`], [`crate::three_phase`], [`crate::paxos_commit`]. This is the rest.
//!
//! ## Who does what
//!
//! The *coordinator* of a transaction is the node of its first key, as the record of a transaction stands at the range
//! of its first key in the databases that came after Spanner. A client that asks another node is sent there. So whoever
//! asks again for the same call (its [`history::Ticket`]) asks the same coordinator, and that one knows what became of the
//! first attempt: it takes part itself, and nothing commits without its own vote, which is on its disk. If no vote is
//! there, no attempt ever commits, and a new one may begin.
//!
//! Every *participant* votes. Its yes is a promise: it has locked the transaction's keys, and written down what it is to
//! do with them ([`record::Deed::Voted`]), before it says it. From then on it cannot abort on its own (it is *uncertain*),
//! until it learns the decision, which it writes down, carries out and so releases the locks ([`record::Deed::Decided`]).
//!
//! ## Isolation
//!
//! Strict two-phase locking at every node (`shard.rs`). Who finds a key locked is refused; nobody waits, so there is no
//! deadlock, and a refusal certainly had no effect. A client is told that its transaction committed when that is decided,
//! while some of its keys may still be locked; nobody can see them in between. Together: transactions are strictly
//! serializable, and single reads, writes and compare-and-sets, which are transactions of one node, are linearizable.
//!
//! ## The ledger
//!
//! A node tells whoever asks ([`history::Call::Ledger`]) what it wrote down about transactions that write: a judge that
//! has heard all nodes can tell whether each was atomic, and how long nodes were in doubt, by clocks that stand still
//! while their node is down (`site.rs`).
//!
//! ## What we left out
//!
//! * Forgetting: tickets, votes and decisions are kept for ever. A participant that had forgotten a commit could be
//!   taken for one that never voted.
//! * Waiting for locks, and so deadlocks; read-only participants that need no second phase (Mohan, Lindsay and Obermarck
//!   1986); trees of coordinators.
//! * Members that come and go: the keys are divided once and for all.

pub mod record;
pub mod shard;
pub mod site;
pub mod txn;
mod watch;

pub use record::{Deed, Record};
pub use shard::{Gots, Shard};
pub use site::{Known, Site, State};
pub use txn::{Txn, TxnId};
pub use watch::{Invariants, OfSite};

use history::CallKind;

/// What all of them serve.
pub const SERVES: [CallKind; 5] =
    [CallKind::Txn, CallKind::Read, CallKind::Write, CallKind::Cas, CallKind::Ledger];

/// What a protocol that blocks claims.
pub const CLAIMS: [&str; 3] = ["linearizable", "strict-serializable", "atomic"];
