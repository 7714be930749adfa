//! What nodes keep, say to one another, and write down.

use super::counter::{Counter, Slot};
use super::set::{Dot, Set};
use history::{Key, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which object. Counters and sets do not know each other, even if their keys are equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Name {
    /// A counter.
    Counter(Key),
    /// A set.
    Set(Key),
}

/// What a node knows of an object. States are a semilattice: any two have a join, the least state that knows all that
/// either does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Of a counter.
    Counter(Counter),
    /// Of a set.
    Set(Set),
}

/// What nodes say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// This I know, and you may not.
    Push {
        /// In which of the sender's lives.
        boot: u64,
        /// All that had changed up to this change of its own is in here, or was acknowledged before.
        change: u64,
        /// The objects.
        states: Vec<(Name, State)>,
    },
    /// I know all that, durably.
    Got {
        /// Of the [`Message::Push`].
        boot: u64,
        /// Of the same.
        change: u64,
    },
}

/// What a node writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// It begins its life of this number.
    Boot {
        /// Which; from 1.
        number: u64,
    },
    /// Its own slot of a counter is this from now on.
    Counted {
        /// Of which.
        key: Key,
        /// What.
        slot: Slot,
    },
    /// It added this.
    Added {
        /// To which set.
        key: Key,
        /// What.
        value: Value,
        /// The addition's name.
        dot: Dot,
    },
    /// It removed what it had of this.
    Removed {
        /// From which set.
        key: Key,
        /// What.
        value: Value,
    },
    /// It joined this with what it knew.
    Joined {
        /// Of which object.
        name: Name,
        /// What.
        state: State,
    },
}

/// `counter k0`
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Counter(key) => write!(f, "counter {key}"),
            Name::Set(key) => write!(f, "set {key}"),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Counter(counter) => counter.fmt(f),
            State::Set(set) => set.fmt(f),
        }
    }
}
