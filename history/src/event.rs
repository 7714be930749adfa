//! One thing that happened.

use crate::{Call, Fault, Injection, Moment, NodeId, Outcome, ProcessId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that happened, as the harness saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A new phase of the run begins.
    Phase(Phase),
    /// A client asks. Recorded before the request is sent.
    Invoke {
        /// Who asks.
        process: ProcessId,
        /// Whom it asks first.
        node: NodeId,
        /// What it asks.
        call: Call,
    },
    /// The system said when the open call of this process took effect. Recorded before its completion.
    Stamped {
        /// Who was told.
        process: ProcessId,
        /// What it was told.
        stamp: Stamp,
    },
    /// A client knows the outcome. Recorded after the answer is received.
    Complete {
        /// Who asked.
        process: ProcessId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A moment has come that a fault waited for. Recorded before the fault.
    Noticed {
        /// Which moment.
        moment: Moment,
        /// The node that it is about.
        node: NodeId,
    },
    /// A fault is about to be made. Recorded before anything is touched.
    Inject(Box<Fault>),
    /// What became of it.
    Injected {
        /// The fault of the matching [`Event::Inject`].
        fault: Box<Fault>,
        /// Whether it happened.
        result: Box<Injection>,
    },
    /// A node died that nobody killed.
    Died {
        /// Which.
        node: NodeId,
        /// Its exit status or signal, and its last words.
        how: String,
    },
    /// The simulator saw a protocol break its own invariant.
    Violated(Box<Violation>),
}

/// When a transaction took effect, by the system's own account: numbers that order transactions, in whatever unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// As of when it read, if the system said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// From when on others see what it wrote.
    pub commit: u64,
}

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Clients ask, the nemesis breaks.
    Main,
    /// Every fault is repaired.
    Heal,
    /// The workload looks at what is left.
    Final,
    /// The run came to its end. Missing if the controller was killed.
    Done,
}

/// A protocol's own invariant, broken: a proof of a bug that needs no client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant's name, such as `election safety`.
    pub property: String,
    /// Where the invariant is stated: paper and section.
    pub source: String,
    /// What was seen, with nodes, terms and indexes.
    pub story: String,
}

/// An event with its time. Its index is its place in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the harness saw it.
    pub time: Time,
    /// What it saw.
    pub event: Event,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Main => "main",
            Phase::Heal => "heal",
            Phase::Final => "final",
            Phase::Done => "done",
        })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Some(start) => write!(f, "stamped {start} to {}", self.commit),
            None => write!(f, "stamped {}", self.commit),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Phase(phase) => write!(f, "phase {phase}"),
            Event::Invoke { process, node, call } => write!(f, "{process} → {node} {call}"),
            Event::Stamped { process, stamp } => write!(f, "{process} ← {stamp}"),
            Event::Complete { process, outcome } => write!(f, "{process} ← {outcome}"),
            Event::Noticed { moment, node } => write!(f, "{moment}: {node}"),
            Event::Inject(fault) => write!(f, "inject {fault}"),
            Event::Injected { fault, result } => write!(f, "{fault} — {result}"),
            Event::Died { node, how } => write!(f, "{node} died: {how}"),
            Event::Violated(violation) => write!(f, "{} violated: {}", violation.property, violation.story),
        }
    }
}
