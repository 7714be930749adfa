//! From what was found to a report.

use super::Isolation;
use super::phenomenon::Phenomenon;
use super::store::{Fate, Store};
use super::testimony;
use crate::{Anomaly, Report, Verdict};
use std::collections::BTreeMap;

/// What was found about some transactions, held against what was promised.
pub(crate) struct Ruling<'r> {
    pub checker: &'static str,
    pub expect: Isolation,
    pub store: &'r Store,
    /// Each kind of anomaly, and how often it was found.
    pub found: BTreeMap<Phenomenon, usize>,
}

impl Ruling<'_> {
    /// Whether what was promised is ruled out.
    pub fn is_broken(&self) -> bool {
        self.found.keys().any(|what| what.forbidden_by(self.expect))
    }

    /// The report, with these anomalies if the promise is broken, or else with this doubt if there is one.
    pub fn report(&self, anomalies: Vec<Anomaly>, doubt: Option<String>) -> Report {
        let forbidden = self.found.iter().filter(|(what, _)| what.forbidden_by(self.expect));
        let names: Vec<String> = forbidden.map(|(what, count)| counted(*what, *count)).collect();
        let report = match doubt {
            _ if !names.is_empty() => {
                let summary = format!("not {}: {}", self.expect, names.join(", "));
                Report::invalid(self.checker, summary, anomalies)
            }
            Some(doubt) => Report::unknown(self.checker, doubt),
            None => {
                let (txns, keys) = (self.store.len(), self.store.keys());
                Report::valid(self.checker, format!("{}: {txns} transactions on {keys} keys", self.expect))
            }
        };
        self.measure(report)
    }

    fn measure(&self, report: Report) -> Report {
        let txns = 0..self.store.len() as u32;
        let unknown = txns.filter(|txn| self.store.fate(*txn) == Fate::Unknown).count();
        let share = 100.0 * unknown as f64 / self.store.len().max(1) as f64;
        let mut report = report
            .measure("expected", self.expect)
            .measure("transactions", self.store.len())
            .measure("unknown outcomes", format!("{unknown} ({share:.1} %)"))
            .measure("keys", self.store.keys());
        let allowed = self.found.iter().filter(|(what, _)| !what.forbidden_by(self.expect));
        let allowed: Vec<String> = allowed.map(|(what, count)| counted(*what, *count)).collect();
        if !allowed.is_empty() {
            report = report.measure("anomalies that it allows", allowed.join(", "));
        }
        if report.verdict != Verdict::Unknown || !self.found.is_empty() {
            let names = |models: Vec<Isolation>| match models.is_empty() {
                true => "none".to_owned(),
                false => models.iter().map(|model| model.name()).collect::<Vec<_>>().join(", "),
            };
            let all = self.found.keys().copied();
            report = report
                .measure("models ruled out", names(testimony::refuted(all.clone())))
                .measure("strongest models left", names(testimony::left(all)));
        }
        report
    }
}

fn counted(what: Phenomenon, count: usize) -> String {
    if count == 1 { what.to_string() } else { format!("{what} ×{count}") }
}

/// That a checker does not trust itself.
pub(crate) fn failed_itself() -> String {
    "the checker itself failed: the order that it found explains nothing; please report this".to_owned()
}
