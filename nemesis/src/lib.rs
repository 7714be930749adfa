//! # What to break, and when
//!
//! A plan is a list of intents with times: a value that can be printed, saved, replayed on another target and
//! shrunk. An intent ("isolate a leader") is portable; resolving it against the cluster of the moment makes a
//! fault, which names its victims.

mod draw;
mod grudge;
mod intent;
mod kinds;
mod plan;
mod resolve;
mod selector;

pub use intent::{Intent, Selector, Shape};
pub use kinds::kinds;
pub use plan::{Plan, plan};
pub use resolve::resolve;
