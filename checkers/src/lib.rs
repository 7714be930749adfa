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

mod availability;
mod budget;
mod checker;
pub mod coverage;
mod deaths;
mod invariants;
mod linearizable;
mod model;
pub mod models;
mod verdict;

pub use availability::Availability;
pub use budget::Budget;
pub use checker::{Checker, judge};
pub use coverage::Coverage;
pub use deaths::Deaths;
pub use invariants::Invariants;
pub use linearizable::Linearizable;
pub use model::Model;
pub use verdict::{Anomaly, Report, Verdict};
