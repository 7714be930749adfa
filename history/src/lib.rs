//! # The vocabulary
//!
//! A **workload** says what to ask. A **nemesis** says what to break and when. A **cluster**, simulated or
//! real, is asked and broken. What happened is a **history**. **Checkers** read the history and give a
//! **verdict**. The **harness** introduces them to one another and tells the story.
//!
//! This crate is the nouns that all of them share, and knows none of them: no clock, no node, no check.

mod call;
mod chance;
mod event;
mod fault;
pub mod formats;
mod history;
mod ids;
pub mod jsonl;
pub mod ledger;
mod members;
mod message_kind;
mod moment;
mod outcome;
mod sequence;
pub mod text;
mod time;

pub use call::{Call, CallKind, Mop};
pub use chance::Chance;
pub use event::{Entry, Event, Phase, Stamp, Violation};
pub use fault::{Damage, Evidence, Fault, FaultKind, Illness, Injection, Link, Pressure, Trouble, Unsynced};
pub use history::{Digest, History, Malformed, Op};
pub use ids::{Key, NodeId, ProcessId, Ticket, Value};
pub use members::{Change, Membership};
pub use message_kind::MessageKind;
pub use moment::Moment;
pub use outcome::{Doubt, Got, Outcome, Refusal, Reply};
pub use sequence::Sequence;
pub use time::Time;
