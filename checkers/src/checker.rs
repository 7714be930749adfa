//! What a judge is, and how several of them sit together.

use crate::{Budget, Report};
use history::History;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A judge of histories.
pub trait Checker: Send + Sync {
    /// Its name, for people: `linearizable`.
    fn name(&self) -> &'static str;

    /// Judges. Never panics on a well-formed history, and never exceeds its budget by much.
    fn check(&self, history: &History, budget: &Budget) -> Report;
}

/// Lets each checker judge. One that panics has not judged: its report is unknown, and says so.
pub fn judge(checkers: &[&dyn Checker], history: &History, budget: &Budget) -> Vec<Report> {
    let one = |checker: &&dyn Checker| {
        catch_unwind(AssertUnwindSafe(|| checker.check(history, budget))).unwrap_or_else(|panic| {
            let why = panic.downcast_ref::<String>().map(String::as_str);
            let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Report::unknown(checker.name(), format!("the checker itself failed: {why}; please report this"))
        })
    };
    checkers.iter().map(one).collect()
}
