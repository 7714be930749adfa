//! The cluster under test.

use crate::{Abilities, HarnessError};
use history::{Call, Fault, Injection, NodeId, Outcome, ProcessId, Time, Violation};
use std::time::Duration;

/// A cluster under test. Time passes only inside [`Cluster::next`]: everything else returns at once, and what
/// it set in motion arrives there.
pub trait Cluster {
    /// Its members, in order: the nodes that are meant to run.
    fn nodes(&self) -> Vec<NodeId>;

    /// The nodes that could join it, the best first.
    fn spares(&self) -> Vec<NodeId> {
        Vec::new()
    }

    /// What it can be asked, and what can be broken.
    fn abilities(&self) -> Abilities;

    /// The nodes that lead as far as anyone can see now: none, one, or, for a while, several.
    fn primaries(&self) -> Vec<NodeId>;

    /// The nodes that run and serve as far as anyone can see now. One that stands still is still there.
    fn serving(&self) -> Vec<NodeId>;

    /// The recorder's clock.
    fn now(&self) -> Time;

    /// Deploys the cluster and waits until every node is ready.
    ///
    /// # Errors
    /// If it cannot be deployed. Nothing is left running then.
    fn start(&mut self) -> Result<(), HarnessError>;

    /// Sends a call. Its outcome arrives once, within `patience` (and a little), whatever happens.
    ///
    /// # Errors
    /// If the harness itself fails; the system's failures are outcomes.
    fn invoke(
        &mut self,
        process: ProcessId,
        node: NodeId,
        call: Call,
        patience: Duration,
    ) -> Result<(), HarnessError>;

    /// Makes a fault. What became of it arrives once.
    ///
    /// # Errors
    /// If the harness itself fails; a fault that did not take hold is [`Injection::Skipped`] or
    /// [`Injection::Doubtful`].
    fn inject(&mut self, fault: Fault) -> Result<(), HarnessError>;

    /// Lets time pass until something arrives, or until `until`, whichever is first. Arrivals of the past come
    /// at once.
    ///
    /// # Errors
    /// If the harness itself fails.
    fn next(&mut self, until: Time) -> Result<Option<Arrival>, HarnessError>;

    /// What the own clock of each node showed when it was last asked; nothing of nodes that do not say.
    fn clocks(&self) -> Vec<ClockReading> {
        Vec::new()
    }

    /// Ends everything and gathers the logs. Called on every way out; idempotent.
    ///
    /// # Errors
    /// If something may be left behind: it says what and where.
    fn stop(&mut self) -> Result<(), HarnessError>;
}

/// What a node's own wall clock showed, beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// When it was asked, in the middle between question and answer.
    pub time: Time,
    /// Whose.
    pub node: NodeId,
    /// How far it was ahead of this machine's, in nanoseconds.
    pub ahead_ns: i64,
    /// How far off that can be at most, in nanoseconds: half of the time that the answer took.
    pub within_ns: u64,
}

/// What comes back from the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A call ended.
    Completed {
        /// Whose.
        process: ProcessId,
        /// How.
        outcome: Outcome,
    },
    /// A fault was made, or was not.
    Injected {
        /// Which.
        fault: Fault,
        /// Whether it happened.
        result: Injection,
    },
    /// A node died that nobody killed.
    Died {
        /// Which.
        node: NodeId,
        /// Exit status or signal, and last words.
        how: String,
    },
    /// A protocol broke its own invariant; the run can stop.
    Violated(Violation),
}
