//! Trouble of our own.

use std::fmt;

/// The harness itself failed. It is never the system's fault, and never an outcome, an injection or a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct HarnessError {
    /// What was being done: "start node n3".
    pub doing: String,
    /// Why it failed.
    pub why: String,
    /// What the user can do about it, if we know.
    pub advice: Option<String>,
}

impl HarnessError {
    /// Failed at `doing`, because of `why`.
    pub fn new(doing: impl Into<String>, why: impl fmt::Display) -> HarnessError {
        HarnessError { doing: doing.into(), why: why.to_string(), advice: None }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> HarnessError {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.doing, self.why)?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n  {advice}"))
    }
}
