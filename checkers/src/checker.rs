//! What a judge is, and how several of them sit together.

use crate::{Budget, Report, Verdict};
use history::{Entry, Event, History, Malformed};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A judge of histories.
pub trait Checker: Send + Sync {
    /// Its name, for people: `linearizable`.
    fn name(&self) -> &'static str;

    /// Judges. Never panics on a well-formed history, and never exceeds its budget by much.
    fn check(&self, history: &History, budget: &Budget) -> Report;

    /// Whether there are accusations of it that stand whatever follows: if it makes one of a history in which some calls are
    /// still open, it finds every continuation invalid that keeps to what it asks of histories, such as that values are
    /// unique. Only such a judge can be asked while a run goes on.
    fn stands(&self) -> bool {
        false
    }

    /// Whether an accusation of this name stands, if any do.
    fn stands_by(&self, _anomaly: &str) -> bool {
        true
    }

    /// Opens a case, if this judge can hear a history event by event and keep only what matters to it.
    fn open(&self) -> Option<Box<dyn Case + '_>> {
        None
    }
}

/// A judge who is hearing a history, event by event, while it happens or while it is read: what it keeps may be
/// much smaller than the history.
pub trait Case {
    /// Hears the event at `index`. The events come in order, none left out, and only those of a well-formed
    /// history (see [`History::push`]).
    fn hear(&mut self, index: usize, entry: &Entry);

    /// Whether what was heard so far already cannot be allowed, whatever may follow (see [`Checker::stands`]): why, in one
    /// line. May take as long as judging what was heard.
    fn objection(&mut self, _: &Budget) -> Option<String> {
        None
    }

    /// Judges what was heard.
    fn close(self: Box<Self>, budget: &Budget) -> Report;
}

/// Opens a case with any judge. One that cannot hear event by event is read the whole history at the end.
pub fn open<'c>(checker: &'c dyn Checker) -> Box<dyn Case + 'c> {
    checker
        .open()
        .unwrap_or_else(|| Box::new(Collected { checker, history: History::new(), malformed: None }))
}

struct Collected<'c> {
    checker: &'c dyn Checker,
    history: History,
    malformed: Option<Malformed>,
}

impl Case for Collected<'_> {
    fn hear(&mut self, _: usize, entry: &Entry) {
        if self.malformed.is_none() {
            self.malformed = self.history.push(entry.time, entry.event.clone()).err();
        }
    }

    fn objection(&mut self, budget: &Budget) -> Option<String> {
        let asked = self.checker.stands() && self.malformed.is_none();
        asked.then(|| objection(self.checker, self.checker.check(&self.history, budget)))?
    }

    fn close(self: Box<Self>, budget: &Budget) -> Report {
        match &self.malformed {
            Some(malformed) => Report::unknown(self.checker.name(), malformed.to_string()),
            None => self.checker.check(&self.history, budget),
        }
    }
}

/// What of a report on the beginning of a history stands, in one line.
pub(crate) fn objection(checker: &dyn Checker, report: Report) -> Option<String> {
    if !checker.stands() || report.verdict != Verdict::Invalid {
        return None;
    }
    let standing = report.anomalies.iter().find(|anomaly| checker.stands_by(&anomaly.name))?;
    let key = standing.key.map(|key| format!(" on {key}")).unwrap_or_default();
    Some(format!("{}: {}{key}", checker.name(), standing.name))
}

/// A case of a judge to whom only some events matter: what passed between them is forgotten.
pub(crate) struct Sifted<'c> {
    checker: &'c dyn Checker,
    matters: fn(&Event) -> bool,
    history: History,
    /// Where each event of it stands in the whole history.
    indexes: Vec<usize>,
}

impl<'c> Sifted<'c> {
    /// For a judge who looks at nothing but events that `matter`, none of which is a call or a completion.
    pub fn new(checker: &'c dyn Checker, matters: fn(&Event) -> bool) -> Sifted<'c> {
        Sifted { checker, matters, history: History::new(), indexes: Vec::new() }
    }
}

impl Case for Sifted<'_> {
    fn hear(&mut self, index: usize, entry: &Entry) {
        if (self.matters)(&entry.event) && self.history.push(entry.time, entry.event.clone()).is_ok() {
            self.indexes.push(index);
        }
    }

    fn close(self: Box<Self>, budget: &Budget) -> Report {
        let mut report = self.checker.check(&self.history, budget);
        for event in report.anomalies.iter_mut().flat_map(|anomaly| &mut anomaly.events) {
            *event = self.indexes[*event];
        }
        report
    }
}

/// Lets each checker judge. One that panics has not judged: its report is unknown, and says so.
pub fn judge(checkers: &[&dyn Checker], history: &History, budget: &Budget) -> Vec<Report> {
    let one = |checker: &&dyn Checker| {
        caught(*checker, || checker.check(history, budget)).unwrap_or_else(|report| report)
    };
    checkers.iter().map(one).collect()
}

/// What the judge said, or a report that it failed.
pub(crate) fn caught<T>(checker: &dyn Checker, judge: impl FnOnce() -> T) -> Result<T, Report> {
    catch_unwind(AssertUnwindSafe(judge)).map_err(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str);
        let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Report::unknown(checker.name(), format!("the checker itself failed: {why}; please report this"))
    })
}
