//! Did the protocol keep its own promises?
//!
//! The simulator looks into the nodes after every step. What it saw broken there is a proof of a bug, whether
//! or not any client could notice.

use crate::checker::Sifted;
use crate::{Anomaly, Budget, Case, Checker, Report};
use history::{Entry, Event, History};

/// Accuses for every [`Event::Violated`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Invariants;

impl Checker for Invariants {
    fn name(&self) -> &'static str {
        "invariants"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let anomaly = |(index, entry): (usize, &Entry)| match &entry.event {
            Event::Violated(violation) => {
                let (told, source) = (sentence(&violation.story), &violation.source);
                let story = format!("{}: {told} This breaks {source}.", entry.time);
                Some(Anomaly::new(&violation.property, None, story, [index]))
            }
            _ => None,
        };
        let anomalies: Vec<Anomaly> = history.entries().iter().enumerate().filter_map(anomaly).collect();
        match anomalies.first() {
            None => Report::valid(self.name(), "none was seen broken"),
            Some(first) => Report::invalid(self.name(), format!("{} was violated", first.name), anomalies),
        }
    }

    fn open(&self) -> Option<Box<dyn Case + '_>> {
        Some(Box::new(Sifted::new(self, |event| matches!(event, Event::Violated(_)))))
    }
}

/// The text with a full stop at its end.
fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use history::{Phase, Time, Violation};

    #[test]
    fn a_violation_is_told_with_its_source() {
        let mut history = History::new();
        history.push(Time(1), Event::Phase(Phase::Main)).unwrap();
        assert_eq!(Invariants.check(&history, &Budget::default()).verdict, Verdict::Valid);
        let violation = Violation {
            property: "election safety".to_owned(),
            source: "Raft §5.2".to_owned(),
            story: "n1 and n2 both lead term 3".to_owned(),
        };
        history.push(Time::from_secs(2), Event::Violated(Box::new(violation))).unwrap();
        let report = Invariants.check(&history, &Budget::default());
        assert_eq!((report.verdict, report.anomalies.len()), (Verdict::Invalid, 1));
        let anomaly = &report.anomalies[0];
        assert_eq!(anomaly.story, "2.000s: n1 and n2 both lead term 3. This breaks Raft §5.2.");
        assert_eq!(anomaly.events, [1]);
    }
}
