//! # The judges: from a history to a verdict
//!
//! A checker reads a history and says whether what happened was allowed. It knows no clock, no node, no
//! workload and no fault mechanism, and does no input or output.

mod budget;
mod checker;
mod linearizable;
mod model;
pub mod models;
mod verdict;

pub use budget::Budget;
pub use checker::{Checker, judge};
pub use linearizable::Linearizable;
pub use model::Model;
pub use verdict::{Anomaly, Report, Verdict};
