//! What has happened so far, in numbers.

use history::{Event, Fault, FaultKind, Injection, Outcome, Phase};
use std::collections::BTreeMap;

/// A count of everything in a history, kept while it happens.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Calls made.
    pub calls: u64,
    /// Calls that took effect.
    pub ok: u64,
    /// Calls that certainly did not.
    pub fail: u64,
    /// Calls of which nobody can tell.
    pub unknown: u64,
    /// The phase of the run.
    pub phase: Option<Phase>,
    /// What is broken now, in words, by kind.
    pub broken: BTreeMap<FaultKind, String>,
    /// By kind, how many faults (repairs apart) were installed, skipped and doubtful.
    pub faults: BTreeMap<FaultKind, [u64; 3]>,
}

impl Tally {
    /// Counts one event.
    pub fn count(&mut self, event: &Event) {
        match event {
            Event::Invoke { .. } => self.calls += 1,
            Event::Complete { outcome: Outcome::Ok(_), .. } => self.ok += 1,
            Event::Complete { outcome: Outcome::Fail(_), .. } => self.fail += 1,
            Event::Complete { outcome: Outcome::Unknown(_), .. } => self.unknown += 1,
            Event::Phase(phase) => self.phase = Some(*phase),
            Event::Injected { fault, result } => self.fault(fault, result),
            Event::Stamped { .. }
            | Event::Noticed { .. }
            | Event::Inject(_)
            | Event::Died { .. }
            | Event::Violated(_) => {}
        }
    }

    fn fault(&mut self, fault: &Fault, result: &Injection) {
        let kind = fault.kind();
        if fault.is_repair() {
            self.broken.remove(&kind);
            return;
        }
        let counts = self.faults.entry(kind).or_default();
        match result {
            Injection::Installed(_) => {
                counts[0] += 1;
                self.broken.insert(kind, fault.brief());
            }
            Injection::Skipped(_) => counts[1] += 1,
            Injection::Doubtful(_) => {
                counts[2] += 1;
                self.broken.insert(kind, format!("{} (doubtful)", fault.brief()));
            }
        }
    }
}
