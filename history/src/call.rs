//! What a client can ask.

use crate::{Key, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One request of a client. The list is closed: a workload, a system and a checker that all know a call can
/// be combined freely. An object is of one kind: a key that is asked as a register is never asked as a set.
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
    /// Do all of this at once, or nothing of it.
    Txn {
        /// What, in this order.
        mops: Vec<Mop>,
    },
    /// Let the set have this element.
    Add {
        /// Which set.
        key: Key,
        /// The element.
        value: Value,
    },
    /// Let the set not have this element.
    Remove {
        /// Which set.
        key: Key,
        /// The element.
        value: Value,
    },
    /// Does the set have this element?
    Contains {
        /// Which set.
        key: Key,
        /// The element.
        value: Value,
    },
    /// Which elements does the set, or the list, have?
    Elements {
        /// Which set or list.
        key: Key,
    },
    /// Put this at the end of the list.
    Append {
        /// Which list.
        key: Key,
        /// The new last element.
        value: Value,
    },
    /// Add to the counter.
    Increment {
        /// Which counter.
        key: Key,
        /// How much; may be negative.
        by: i64,
    },
    /// Where does the counter stand?
    Count {
        /// Which counter.
        key: Key,
    },
    /// Put this into the queue. Who comes out first is the model's: a queue, a stack, a priority queue.
    Enqueue {
        /// Which queue.
        key: Key,
        /// What.
        value: Value,
    },
    /// Take the next one out of the queue, if there is one.
    Dequeue {
        /// Which queue.
        key: Key,
    },
    /// Take everything out of the queue, in order.
    Drain {
        /// Which queue.
        key: Key,
    },
    /// Get hold of the lock.
    Acquire {
        /// Which lock.
        key: Key,
        /// For how many milliseconds; after that somebody else may get it. Until it is let go if not said. A history that
        /// was written before there were leases does not say.
        #[serde(default)]
        lease_ms: Option<u64>,
    },
    /// Let go of the lock.
    Release {
        /// Which lock.
        key: Key,
    },
    /// Let the register hold `value`, on behalf of the holder of a lock: refused once a larger token was seen.
    Guarded {
        /// Which register.
        key: Key,
        /// What it is to hold.
        value: Value,
        /// The fencing token that came with the lock.
        token: u64,
    },
    /// A number that nobody ever got before.
    NextId {
        /// From which source.
        key: Key,
    },
    /// Move money from one account to another.
    Transfer {
        /// Whose balance falls.
        from: Key,
        /// Whose balance rises.
        to: Key,
        /// By how much.
        amount: i64,
    },
    /// All balances, as of one instant.
    Balances,
    /// Who leads, and in which term?
    Leader,
    /// Every change of the register after a revision.
    Watch {
        /// Which register.
        key: Key,
        /// The last revision that is known.
        after: u64,
    },
    /// What has the node that is asked written down about transactions, after so many records?
    Ledger {
        /// How many records to leave out.
        after: u64,
    },
    /// Read these logs from now on, from where this client's group stands, and no others.
    Assign {
        /// Which.
        keys: Vec<Key>,
        /// Whether the system may give them to others of the group meanwhile (a subscription).
        shared: bool,
    },
}

/// One part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mop {
    /// What does it hold: a value or a list?
    Read {
        /// Which object.
        key: Key,
    },
    /// Let the register hold `value`.
    Write {
        /// Which register.
        key: Key,
        /// What.
        value: Value,
    },
    /// Put `value` at the end of the list.
    Append {
        /// Which list.
        key: Key,
        /// What.
        value: Value,
    },
    /// Put `value` at the end of the log, and say at which offset it stands.
    Send {
        /// Which log.
        key: Key,
        /// What.
        value: Value,
    },
    /// What is new in the logs that this client reads?
    Poll,
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
    /// [`Call::Txn`]
    Txn,
    /// [`Call::Add`]
    Add,
    /// [`Call::Remove`]
    Remove,
    /// [`Call::Contains`]
    Contains,
    /// [`Call::Elements`]
    Elements,
    /// [`Call::Append`]
    Append,
    /// [`Call::Increment`]
    Increment,
    /// [`Call::Count`]
    Count,
    /// [`Call::Enqueue`]
    Enqueue,
    /// [`Call::Dequeue`]
    Dequeue,
    /// [`Call::Drain`]
    Drain,
    /// [`Call::Acquire`]
    Acquire,
    /// [`Call::Release`]
    Release,
    /// [`Call::Guarded`]
    Guarded,
    /// [`Call::NextId`]
    NextId,
    /// [`Call::Transfer`]
    Transfer,
    /// [`Call::Balances`]
    Balances,
    /// [`Call::Leader`]
    Leader,
    /// [`Call::Watch`]
    Watch,
    /// [`Call::Ledger`]
    Ledger,
    /// [`Call::Assign`]
    Assign,
}

impl Call {
    /// What kind of call this is.
    pub fn kind(&self) -> CallKind {
        match self {
            Call::Read { .. } => CallKind::Read,
            Call::Write { .. } => CallKind::Write,
            Call::Cas { .. } => CallKind::Cas,
            Call::Txn { .. } => CallKind::Txn,
            Call::Add { .. } => CallKind::Add,
            Call::Remove { .. } => CallKind::Remove,
            Call::Contains { .. } => CallKind::Contains,
            Call::Elements { .. } => CallKind::Elements,
            Call::Append { .. } => CallKind::Append,
            Call::Increment { .. } => CallKind::Increment,
            Call::Count { .. } => CallKind::Count,
            Call::Enqueue { .. } => CallKind::Enqueue,
            Call::Dequeue { .. } => CallKind::Dequeue,
            Call::Drain { .. } => CallKind::Drain,
            Call::Acquire { .. } => CallKind::Acquire,
            Call::Release { .. } => CallKind::Release,
            Call::Guarded { .. } => CallKind::Guarded,
            Call::NextId { .. } => CallKind::NextId,
            Call::Transfer { .. } => CallKind::Transfer,
            Call::Balances => CallKind::Balances,
            Call::Leader => CallKind::Leader,
            Call::Watch { .. } => CallKind::Watch,
            Call::Ledger { .. } => CallKind::Ledger,
            Call::Assign { .. } => CallKind::Assign,
        }
    }

    /// The object it is about, if it is about one alone.
    pub fn key(&self) -> Option<Key> {
        match self {
            Call::Read { key }
            | Call::Write { key, .. }
            | Call::Cas { key, .. }
            | Call::Add { key, .. }
            | Call::Remove { key, .. }
            | Call::Contains { key, .. }
            | Call::Elements { key }
            | Call::Append { key, .. }
            | Call::Increment { key, .. }
            | Call::Count { key }
            | Call::Enqueue { key, .. }
            | Call::Dequeue { key }
            | Call::Drain { key }
            | Call::Acquire { key, .. }
            | Call::Release { key }
            | Call::Guarded { key, .. }
            | Call::NextId { key }
            | Call::Watch { key, .. } => Some(*key),
            Call::Txn { .. }
            | Call::Transfer { .. }
            | Call::Balances
            | Call::Leader
            | Call::Ledger { .. }
            | Call::Assign { .. } => None,
        }
    }

    /// Whether it can change nothing, whatever becomes of it.
    pub fn is_read(&self) -> bool {
        match self {
            Call::Read { .. }
            | Call::Contains { .. }
            | Call::Elements { .. }
            | Call::Count { .. }
            | Call::Balances
            | Call::Leader
            | Call::Ledger { .. }
            | Call::Watch { .. } => true,
            Call::Txn { mops } => mops.iter().all(|mop| matches!(mop, Mop::Read { .. })),
            _ => false,
        }
    }
}

impl Call {
    /// Whether it is about the node that is asked, so that no other can answer it.
    pub fn is_about_the_node(&self) -> bool {
        matches!(self, Call::Leader | Call::Ledger { .. })
    }
}

impl CallKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            CallKind::Read => "read",
            CallKind::Write => "write",
            CallKind::Cas => "cas",
            CallKind::Txn => "txn",
            CallKind::Add => "add",
            CallKind::Remove => "remove",
            CallKind::Contains => "contains",
            CallKind::Elements => "elements",
            CallKind::Append => "append",
            CallKind::Increment => "increment",
            CallKind::Count => "count",
            CallKind::Enqueue => "enqueue",
            CallKind::Dequeue => "dequeue",
            CallKind::Drain => "drain",
            CallKind::Acquire => "acquire",
            CallKind::Release => "release",
            CallKind::Guarded => "guarded",
            CallKind::NextId => "next id",
            CallKind::Transfer => "transfer",
            CallKind::Balances => "balances",
            CallKind::Leader => "leader",
            CallKind::Watch => "watch",
            CallKind::Ledger => "ledger",
            CallKind::Assign => "assign",
        }
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Mop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mop::Read { key } => write!(f, "read {key}"),
            Mop::Write { key, value } => write!(f, "write {key} {value}"),
            Mop::Append { key, value } => write!(f, "append {key} {value}"),
            Mop::Send { key, value } => write!(f, "send {key} {value}"),
            Mop::Poll => f.write_str("poll"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Call::Cas { key, expected: Some(expected), new } => write!(f, "cas {key} {expected}→{new}"),
            Call::Cas { key, expected: None, new } => write!(f, "cas {key} nil→{new}"),
            Call::Write { key, value }
            | Call::Add { key, value }
            | Call::Remove { key, value }
            | Call::Contains { key, value }
            | Call::Append { key, value }
            | Call::Enqueue { key, value } => write!(f, "{kind} {key} {value}"),
            Call::Increment { key, by } => write!(f, "{kind} {key} by {by}"),
            Call::Guarded { key, value, token } => write!(f, "{kind} {key} {value} with token {token}"),
            Call::Acquire { key, lease_ms: Some(lease) } => write!(f, "{kind} {key} for {lease} ms"),
            Call::Transfer { from, to, amount } => write!(f, "{kind} {amount} from {from} to {to}"),
            Call::Watch { key, after } => write!(f, "{kind} {key} after {after}"),
            Call::Txn { mops } => {
                f.write_str("txn [")?;
                list(f, mops)?;
                f.write_str("]")
            }
            Call::Assign { keys, shared } => {
                f.write_str(if *shared { "subscribe " } else { "assign " })?;
                list(f, keys)
            }
            Call::Ledger { after } => write!(f, "{kind} after {after}"),
            Call::Balances | Call::Leader => write!(f, "{kind}"),
            Call::Read { key }
            | Call::Elements { key }
            | Call::Count { key }
            | Call::Dequeue { key }
            | Call::Drain { key }
            | Call::Acquire { key, lease_ms: None }
            | Call::Release { key }
            | Call::NextId { key } => write!(f, "{kind} {key}"),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}
