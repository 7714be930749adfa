//! # What to ask, and how to judge the answers
//!
//! A workload is a generator of calls for the main phase, one for the finale, and the checkers that judge what
//! came back. It knows neither clusters nor faults and does no input or output.

mod generator;
mod workload;

pub use generator::{Context, Generator, Step};
pub use workload::Workload;
