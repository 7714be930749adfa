//! From a history on disk to a verdict. `tribunal test` and `tribunal check` judge by the same code.

use crate::faults::{self, Attempt, Counts};
use crate::store::TestFile;
use crate::tally::Tally;
use checkers::{Availability, Budget, Checker, Coverage, Deaths, Invariants, Report, Verdict, judge};
use cluster::HarnessError;
use history::{Chance, Event, FaultKind, History, jsonl};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;
use workloads::Settings;

/// What a history is of, as far as its judges must know.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The workload, whose checkers judge.
    pub workload: String,
    /// What it is held against; the strongest that the workload knows if nobody says.
    pub expect: Option<String>,
    /// What was to be broken.
    pub nemesis: Vec<FaultKind>,
    /// Whether the run is ours, so that it can have proved too little.
    pub covered: bool,
    /// Whether somebody watched the protocol's invariants: only the simulator sees into the nodes.
    pub watched: bool,
}

/// What the judges say of a history.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// All of them together.
    pub verdict: Verdict,
    /// Each of them.
    pub reports: Vec<Report>,
    /// How many events the history has.
    pub events: usize,
    /// Its fingerprint.
    pub digest: String,
    /// What could not be read, if something could not.
    pub torn: Option<String>,
    /// By kind of fault, how many attempts became what.
    pub fault_counts: BTreeMap<FaultKind, Counts>,
    /// Every attempt to break something.
    pub faults: Vec<Attempt>,
    /// What happened, counted.
    #[serde(skip)]
    pub tally: Tally,
    /// The lines of the events that anomalies name, by index.
    pub exhibits: Vec<Exhibit>,
}

/// An event that an anomaly names.
#[derive(Debug, Clone, Serialize)]
pub struct Exhibit {
    /// Its index.
    pub index: usize,
    /// When it happened, in seconds.
    pub at: String,
    /// What happened.
    pub event: String,
}

impl Subject {
    /// The subject of a run of ours.
    pub fn of(file: &TestFile) -> Subject {
        let (workload, expect) = (file.workload.clone(), file.expect.clone());
        let nemesis = file.nemesis.clone();
        Subject { workload, expect, nemesis, covered: true, watched: file.target == "sim" }
    }

    /// A history of which nothing is known but itself.
    pub fn unknown() -> Subject {
        let workload = "register".to_owned();
        Subject { workload, expect: None, nemesis: Vec::new(), covered: false, watched: false }
    }
}

/// How much memory judging may take beside the history, if nobody says.
pub const MEMORY: usize = 2 << 30;

/// Reads a history and has it judged.
///
/// # Errors
/// If it cannot be read, or nobody knows how to judge it.
pub fn analyze(
    path: &Path,
    subject: &Subject,
    time: Duration,
    bytes: usize,
) -> Result<Judgement, HarnessError> {
    analyze_and_keep(path, subject, time, bytes).map(|(judgement, _)| judgement)
}

/// As [`analyze`], and hands over the history as well.
///
/// # Errors
/// As [`analyze`].
pub fn analyze_and_keep(
    path: &Path,
    subject: &Subject,
    time: Duration,
    bytes: usize,
) -> Result<(Judgement, History), HarnessError> {
    let doing = || format!("judge {}", path.display());
    let file = File::open(path).map_err(|error| HarnessError::new(doing(), error))?;
    let reading = jsonl::read(BufReader::with_capacity(1 << 20, file))
        .map_err(|error| HarnessError::new(doing(), error))?;
    let torn = reading.torn.map(|torn| {
        format!("line {} was torn off after {} bytes; everything before it was judged", torn.line, torn.bytes)
    });
    let mut judgement = judge_history(&reading.history, subject, time, bytes)?;
    judgement.torn = torn;
    Ok((judgement, reading.history))
}

/// Has a history judged.
///
/// # Errors
/// If nobody knows how to judge it.
pub fn judge_history(
    history: &History,
    subject: &Subject,
    time: Duration,
    bytes: usize,
) -> Result<Judgement, HarnessError> {
    let workload = workloads::lookup(&subject.workload)
        .and_then(|entry| entry.workload(&Settings::default(), subject.expect.as_deref(), Chance::new(0)))
        .map_err(|why| HarnessError::new(format!("judge by the workload {:?}", subject.workload), why))?;
    let coverage = Coverage { planned: subject.nemesis.clone(), calls: workload.calls.clone() };
    let mut checkers: Vec<&dyn Checker> = workload.checkers.iter().map(AsRef::as_ref).collect();
    let violated = || history.entries().iter().any(|entry| matches!(entry.event, Event::Violated(_)));
    if subject.watched || violated() {
        checkers.push(&Invariants);
    }
    checkers.push(&Deaths);
    if subject.covered {
        checkers.push(&coverage);
    }
    checkers.push(&Availability);
    let reports = judge(&checkers, history, &Budget::new(time, bytes));
    let mut tally = Tally::default();
    history.entries().iter().for_each(|entry| tally.count(&entry.event));
    let faults = faults::attempts(history);
    Ok(Judgement {
        fault_counts: faults::counts(&faults),
        faults,
        verdict: Verdict::combine(reports.iter().map(|report| report.verdict)),
        exhibits: exhibits(&reports, history),
        reports,
        events: history.len(),
        digest: history.digest().to_string(),
        torn: None,
        tally,
    })
}

fn exhibits(reports: &[Report], history: &History) -> Vec<Exhibit> {
    let anomalies = reports.iter().flat_map(|report| &report.anomalies);
    let mut indexes: Vec<usize> = anomalies.flat_map(|anomaly| anomaly.events.iter().copied()).collect();
    indexes.sort_unstable();
    indexes.dedup();
    let exhibit = |index: usize| {
        let entry = history.entries().get(index)?;
        Some(Exhibit { index, at: entry.time.to_string(), event: entry.event.to_string() })
    };
    indexes.into_iter().filter_map(exhibit).collect()
}
