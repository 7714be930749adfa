//! # What to break, and when
//!
//! A plan is a list of intents with times: a value that can be printed, saved, replayed on another target and
//! shrunk. An intent ("isolate a leader") is portable; resolving it against the cluster of the moment makes
//! faults, which name their victims. Wishes say what may be broken, how often and in which way; plans are drawn
//! from them, or written by hand.

mod check;
mod course;
mod draw;
mod family;
mod file;
mod grudge;
mod how;
mod intent;
mod plan;
mod planner;
mod resolve;
mod rotten;
mod selector;
mod span;
mod swarm;
mod wish;

pub use course::{Act, Course, Sight};
pub use how::How;
pub use intent::{Intent, Selector, Shape, Turnover};
pub use plan::{Plan, Step};
pub use planner::plan;
pub use resolve::{Series, View, resolve};
pub use span::{Span, duration};
pub use swarm::{swarm, swarm_interval, swarm_size};
pub use wish::{Numbers, Range, Wish, Wishes};
