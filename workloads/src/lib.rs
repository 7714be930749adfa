//! # What to ask, and how to judge the answers
//!
//! A workload is a generator of calls for the main phase, one for the finale, and the checkers that judge what
//! came back. It knows neither clusters nor faults and does no input or output.

mod append;
mod asking;
mod atomic;
pub mod bank;
pub mod catalog;
mod causal;
pub mod combinators;
mod commit;
mod consensus;
mod counter;
mod election;
mod fenced;
mod finale;
mod generator;
mod keys;
mod list;
mod lock;
mod long_fork;
mod mix;
mod monotonic;
mod multi_register;
mod queue;
mod register;
mod rw;
mod sessions;
mod set;
mod set_full;
mod set_remove;
mod simulate;
mod txns;
mod unique_ids;
mod watch;
mod workload;
mod write_skew;

pub use catalog::{Entry, WORKLOADS, first_served, lookup};
pub use generator::{Context, Generator, Step};
pub use keys::{KeyDistribution, KeyUse};
pub use simulate::{Manners, Service, simulate};
pub use workload::{Settings, Workload};
