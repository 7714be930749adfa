//! What a client can ask.

use crate::{Key, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One request of a client. The list is closed: a workload, a system and a checker that all know a call can
/// be combined freely.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// What does the register hold?
    Read {
        /// Which register.
        key: Key,
    },
    /// Let the register hold `value`.
    Write {
        /// Which register.
        key: Key,
        /// What it is to hold.
        value: Value,
    },
    /// If the register holds `expected`, let it hold `new`; else change nothing and say what it holds.
    Cas {
        /// Which register.
        key: Key,
        /// What it must hold; `None` is a register never written.
        expected: Option<Value>,
        /// What it is to hold then.
        new: Value,
    },
}

/// A [`Call`] without its arguments: what a system declares that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// [`Call::Read`]
    Read,
    /// [`Call::Write`]
    Write,
    /// [`Call::Cas`]
    Cas,
}

impl Call {
    /// What kind of call this is.
    pub fn kind(&self) -> CallKind {
        match self {
            Call::Read { .. } => CallKind::Read,
            Call::Write { .. } => CallKind::Write,
            Call::Cas { .. } => CallKind::Cas,
        }
    }

    /// The object it is about.
    pub fn key(&self) -> Key {
        match self {
            Call::Read { key } | Call::Write { key, .. } | Call::Cas { key, .. } => *key,
        }
    }

    /// Whether it can change nothing, whatever becomes of it.
    pub fn is_read(&self) -> bool {
        matches!(self, Call::Read { .. })
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CallKind::Read => "read",
            CallKind::Write => "write",
            CallKind::Cas => "cas",
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Read { key } => write!(f, "read {key}"),
            Call::Write { key, value } => write!(f, "write {key} {value}"),
            Call::Cas { key, expected: Some(expected), new } => write!(f, "cas {key} {expected}→{new}"),
            Call::Cas { key, expected: None, new } => write!(f, "cas {key} nil→{new}"),
        }
    }
}
