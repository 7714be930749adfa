//! The compact notation for people: `p0:w k1 5[3,7]` is "p0 wrote 5 to k1, from event 3 to event 7".
//!
//! ```text
//! history = op { (";" | newline) op }                       "#" begins a comment
//! op      = process ":" call [ "[" index "," (index | "?") "]" ] ["!" [held]]
//! process = "p" number | a capital letter (A is p0) | "T" number ["@" letter] (T1 is p101, T1@A is p0)
//! key     = " k" number " " | "x" | "y" | "z" (k0, k1, k2); k0 if left out
//! held    = value | "nil"
//!
//! call    = "w" key value                                    write
//!         | "r" key (held | "?")                             read a register, or count a counter
//!         | "cas" key "(" held "," value ")"                 compare and set
//!         | "[" mop { " " mop } "]"                          transaction; T1: does without the brackets
//!         | "add" key value | "rem" key value                add to a set, or to a counter; remove
//!         | "has" key value (" yes" | " no" | "?")           contains
//!         | "r" key "{" (values | "?") "}"                   all elements
//!         | "app" key value                                  append
//!         | "inc" key [number] | "count" key (number | "?")  increment (by 1), count
//!         | "enq" key value | "deq" key (value | "∅" | "?")  enqueue, dequeue
//!         | "drain" key ("[" values "]" | "?")               drain
//!         | "acq" key ["for " ms] ["@" token] | "rel" key    acquire (for so long), release
//!         | "guard" key value "@" token                      write with a fencing token
//!         | "id" key (value | "?")                           next id
//!         | "move" key key number                            transfer from the first to the second
//!         | "balances" ("{" key ":" number, … "}" | "?")
//!         | "leader " (node "@" term | "nil" | "?")
//!         | "watch" key "@" revision ("{" revision ":" value, … "}" | "?")
//!         | ("assign" | "subscribe") "[" key, … "]"
//! mop     = "r" key ("=" held | "[" values "]" | "?" | held | values)
//!         | "w" key value | "a" key value                    write, append
//!         | "s" key value ["@" offset]                       send
//!         | "poll" ("{" key "@" offset ":" value, … "}" | "?")
//! ```
//!
//! `?` in place of an index means that the outcome is unknown, `!` that the call certainly failed. The indexes are
//! those of the events; events that are not named are not there, only the order of the indexes counts. An
//! operation without indexes happens after everything that is written before it. A failed `cas` that says what it
//! found ends in `!value`. What nodes wrote down (`ledger`) has no place in this notation.
//!
//! What an object is follows from how it is used. `add5` adds to a counter if the key is also asked by `inc`,
//! `count` or `r7`, else to a set. In a transaction `rx1,2` and `rx` read lists, `rx=1` a register, and `rx1` a
//! list unless x is written as a register; if x is neither written nor appended to, unless another key is written.

mod parser;
mod resolve;
mod show;

use crate::{Event, History, Malformed, NodeId, Time};
use std::collections::BTreeMap;

pub use show::show;

/// Why a text is not a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// An operation cannot be understood.
    #[error("cannot read {op:?}: {why}")]
    Unreadable {
        /// The operation as written.
        op: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The operations contradict one another.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Reads a history in the compact notation.
///
/// # Errors
/// If an operation cannot be read, or two of them contradict one another.
pub fn parse(text: &str) -> Result<History, TextError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    let written = lines.flat_map(|line| line.split(';')).map(str::trim);
    let written: Vec<&str> = written.filter(|op| !op.is_empty() && *op != "(empty)").collect();
    let unreadable = |op: &str, why| TextError::Unreadable { op: op.to_owned(), why };
    let parsed = written.iter().map(|op| parser::op(op).map_err(|why| unreadable(op, why)));
    let mut parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    resolve::resolve(&mut parsed);

    let mut events = BTreeMap::new();
    for (op, text) in parsed.into_iter().zip(&written) {
        let next = events.last_key_value().map_or(0, |(at, _)| at + 1);
        let (invoked, completed) = op.interval.unwrap_or((next, Some(next + 1)));
        let outcome = op.outcome();
        let (process, node) = (op.process, NodeId(1));
        let invoke = (invoked, Event::Invoke { process, node, call: op.call });
        let complete = completed.map(|at| (at, Event::Complete { process, outcome }));
        for (at, event) in [invoke].into_iter().chain(complete) {
            if events.insert(at, event).is_some() {
                return Err(unreadable(text, "its index is taken"));
            }
        }
    }
    let mut history = History::new();
    for (at, event) in events {
        history.push(Time(at), event)?;
    }
    Ok(history)
}

#[cfg(test)]
mod tests;
