//! # The judges: from a history to a verdict
//!
//! A checker reads a history and says whether what happened was allowed. It knows no clock, no node, no
//! workload and no fault mechanism, and does no input or output.
//!
//! ```
//! # use tribunal_checkers as checkers;
//! use checkers::{Budget, Checker, Linearizable, Verdict};
//! use history::text;
//!
//! // p1 reads nothing after p0's write had returned.
//! let history = text::parse("p0:w k5 1[0,1]; p1:r k5 nil[2,3]").unwrap();
//! let report = Linearizable::default().check(&history, &Budget::default());
//!
//! assert_eq!(report.verdict, Verdict::Invalid);
//! assert_eq!(report.anomalies[0].name, "stale read");
//! println!("{}", report.anomalies[0].story);
//!
//! // While the write is still under way, both answers are allowed.
//! let history = text::parse("p0:w k5 1[0,3]; p1:r k5 nil[1,2]").unwrap();
//! let report = Linearizable::default().check(&history, &Budget::default());
//! assert_eq!(report.verdict, Verdict::Valid);
//! ```

mod additions;
pub mod atomicity;
mod availability;
mod bank;
mod budget;
#[cfg(test)]
mod cases;
pub mod catalog;
mod checker;
mod conditional_insert;
mod converged;
mod counter;
pub mod coverage;
mod deaths;
mod election;
mod errors;
mod flaw;
mod insert_order;
mod invariants;
mod leases;
mod linearizable;
mod log;
mod log_pattern;
mod long_fork;
mod model;
pub mod models;
mod monotonic;
mod object;
mod objects;
mod panel;
mod picture;
#[cfg(test)]
mod prefixes;
mod queue;
#[cfg(test)]
mod script;
mod sequential;
mod sessions;
mod set;
mod set_full;
pub mod stages;
mod staleness;
mod stats;
pub mod synthetic;
mod threads;
mod torn_commit;
pub mod transactions;
mod unique_ids;
mod verdict;
mod watch;

pub use atomicity::Atomicity;
pub use availability::Availability;
pub use bank::Bank;
pub use budget::Budget;
pub use checker::{Case, Checker, judge, open};
pub use conditional_insert::ConditionalInsert;
pub use converged::Converged;
pub use counter::Counter;
pub use coverage::Coverage;
pub use deaths::Deaths;
pub use election::Election;
pub use errors::Errors;
pub use flaw::Flaw;
pub use insert_order::{Earlier, InsertOrder};
pub use invariants::Invariants;
pub use leases::Leases;
pub use linearizable::Linearizable;
pub use log::Log;
pub use log_pattern::LogPattern;
pub use long_fork::LongFork;
pub use model::Model;
pub use monotonic::Monotonic;
pub use object::{Item, Meaning, NEVER, Object, Quick};
pub use panel::{Panel, weight};
pub use picture::Link;
pub use queue::Queue;
pub use sequential::Sequential;
pub use sessions::Sessions;
pub use set::Set;
pub use set_full::SetFull;
pub use staleness::Staleness;
pub use stats::Stats;
pub use torn_commit::TornCommit;
pub use transactions::{Isolation, ListAppend, RwRegister};
pub use unique_ids::{Ascent, UniqueIds};
pub use verdict::{Anomaly, Report, Verdict};
pub use watch::Watch;
