//! What a judge says.

use crate::Link;
use history::Key;
use serde::Serialize;
use std::fmt;

/// The three answers. They combine by the worst: invalid before unknown before valid, so that nothing is ever
/// masked and doubt is never a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What happened was allowed, and enough happened to say so.
    Valid,
    /// Nobody can tell; the report says why.
    Unknown,
    /// What happened was not allowed; the report proves it.
    Invalid,
}

/// One judge's verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Who judged.
    pub checker: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line.
    pub summary: String,
    /// What was not allowed. At least one if the verdict is invalid.
    pub anomalies: Vec<Anomaly>,
    /// What was measured: name and value with unit, in the order of interest.
    pub measures: Vec<(String, String)>,
}

/// Something that was not allowed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anomaly {
    /// The field's term for it: `stale read`, `lost update`.
    pub name: String,
    /// The object it happened to, if it is about one.
    pub key: Option<Key>,
    /// What happened and why it was not allowed, in sentences.
    pub story: String,
    /// The indexes of the events that show it, ascending.
    pub events: Vec<usize>,
    /// If it is a circle of transactions: those of it. If there are several, every order closes one of them.
    #[serde(skip)]
    pub circles: Vec<Vec<Link>>,
}

impl Verdict {
    /// The verdict of several judges together; valid if there is none.
    pub fn combine(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().max().unwrap_or(Verdict::Valid)
    }
}

impl Report {
    /// Everything was allowed.
    pub fn valid(checker: &str, summary: impl Into<String>) -> Report {
        Report::new(checker, Verdict::Valid, summary)
    }

    /// Nobody can tell, because of `summary`.
    pub fn unknown(checker: &str, summary: impl Into<String>) -> Report {
        Report::new(checker, Verdict::Unknown, summary)
    }

    /// These were not allowed.
    ///
    /// # Panics
    /// If there is no anomaly: an accusation needs one.
    pub fn invalid(checker: &str, summary: impl Into<String>, anomalies: Vec<Anomaly>) -> Report {
        assert!(!anomalies.is_empty(), "{checker} accuses without an anomaly");
        Report { anomalies, ..Report::new(checker, Verdict::Invalid, summary) }
    }

    /// What was found decides: anomalies accuse, else `doubt` leaves it open, else all was as `fine` says.
    pub(crate) fn conclude(
        checker: &str,
        anomalies: Vec<Anomaly>,
        doubt: Option<String>,
        fine: impl Into<String>,
    ) -> Report {
        if anomalies.is_empty() {
            return doubt
                .map_or_else(|| Report::valid(checker, fine), |doubt| Report::unknown(checker, doubt));
        }
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for anomaly in &anomalies {
            match kinds.iter_mut().find(|(name, _)| *name == anomaly.name) {
                Some((_, count)) => *count += 1,
                None => kinds.push((&anomaly.name, 1)),
            }
        }
        let summary: Vec<String> = kinds.iter().map(|(name, count)| format!("{count} × {name}")).collect();
        Report::invalid(checker, summary.join(", "), anomalies)
    }

    /// Adds a measure.
    #[must_use]
    pub fn measure(mut self, name: &str, value: impl fmt::Display) -> Report {
        self.measures.push((name.to_owned(), value.to_string()));
        self
    }

    fn new(checker: &str, verdict: Verdict, summary: impl Into<String>) -> Report {
        let (checker, summary) = (checker.to_owned(), summary.into());
        Report { checker, verdict, summary, anomalies: Vec::new(), measures: Vec::new() }
    }
}

impl Anomaly {
    /// Of this name, about this object; `events` in any order, and more than once if need be.
    pub(crate) fn new(
        name: &str,
        key: impl Into<Option<Key>>,
        story: String,
        events: impl IntoIterator<Item = usize>,
    ) -> Anomaly {
        let mut events: Vec<usize> = events.into_iter().collect();
        events.sort_unstable();
        events.dedup();
        Anomaly { name: name.to_owned(), key: key.into(), story, events, circles: Vec::new() }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "invalid",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_counts() {
        use Verdict::{Invalid, Unknown, Valid};
        assert_eq!(Verdict::combine([Valid, Unknown, Invalid, Valid]), Invalid);
        assert_eq!(Verdict::combine([Valid, Unknown]), Unknown);
        assert_eq!(Verdict::combine([]), Valid);
    }
}
