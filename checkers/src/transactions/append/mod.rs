//! Transactions of lists that only grow.
//!
//! A list tells its whole past: whoever reads `[1 2 3]` says that 2 came after 1 and 3 after 2. So what comes before
//! what needs no guessing, and circles in it are decided in linear time (Kingsbury and Alvaro, *Elle: Inferring
//! Isolation Anomalies from Experimental Observations*, VLDB 14(3), 2020).

mod heard;
mod lists;
mod replay;
mod scan;
mod story;
mod versions;

use super::Isolation;
use super::dependencies::Verdicts;
use super::graph::Edge;
use super::hearing::{Hearing, Judge, Open};
use super::notes::Notes;
use super::phenomenon::Phenomenon;
use super::polygraph::{Answer, Group, Polygraph, Version};
use super::ruling::{Ruling, failed_itself};
use super::saturate::Promise;
use super::stamps::Stamps;
use super::store::Fate;
use super::{order, testimony};
use crate::{Anomaly, Budget, Case, Checker, Report};
use heard::Heard;
use history::History;
use scan::Scan;
use story::Witness;
use versions::Versions;

/// What an append or a part of a transaction takes while it is judged, in bytes.
const BYTES: usize = 70;

/// Judges transactions of reads and appends of lists against a consistency model.
///
/// Every value is to be appended at most once to each list. A pass means: for (strong, strong-session) serializable
/// models that there is an order of the transactions which explains every read, found and executed again; for snapshot
/// isolation that no circle of dependencies forbids it, whatever the order of appends that were never read; for every other
/// model that none of its anomalies was found.
///
/// ```
/// # use tribunal_checkers as checkers;
/// use checkers::{Budget, Checker, Isolation, ListAppend, Verdict};
/// use history::{Call, Event, Got, History, Key, Mop, NodeId, Outcome, ProcessId, Reply, Time, Value};
///
/// // Two transactions at once: each reads the list that the other appends to, and both find it empty.
/// let (x, y) = (Key(0), Key(1));
/// let skew = |read, append| Call::Txn { mops: vec![Mop::Read { key: read }, Mop::Append { key: append, value: Value(1) }] };
/// let empty = Outcome::Ok(Reply::Txn(vec![Got::List(vec![]), Got::Done]));
/// let mut history = History::new();
/// for (process, call) in [(0, skew(x, y)), (1, skew(y, x))] {
///     history.push(Time(0), Event::Invoke { process: ProcessId(process), node: NodeId(1), call }).unwrap();
/// }
/// for process in [0, 1] {
///     history.push(Time(1), Event::Complete { process: ProcessId(process), outcome: empty.clone() }).unwrap();
/// }
///
/// let report = ListAppend::new(Isolation::Serializable).check(&history, &Budget::default());
/// assert_eq!((report.verdict, report.anomalies[0].name.as_str()), (Verdict::Invalid, "G2-item"));
/// let report = ListAppend::new(Isolation::SnapshotIsolation).check(&history, &Budget::default());
/// assert_eq!(report.verdict, Verdict::Valid);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ListAppend {
    /// What the database promises.
    pub expect: Isolation,
}

impl Default for ListAppend {
    /// Expects strict serializability.
    fn default() -> ListAppend {
        ListAppend::new(Isolation::StrictSerializable)
    }
}

impl Judge for ListAppend {
    type Heard = Heard;

    fn judge(self, heard: &Heard, budget: &Budget) -> Report {
        if let Some(misfit) = &heard.misfit {
            return Report::unknown(self.name(), misfit.clone());
        }
        let needed = BYTES * (heard.store.len() + heard.store.all_parts().len());
        if needed > budget.bytes {
            let (txns, needed, have) = (heard.store.len(), needed >> 20, budget.bytes >> 20);
            let why = format!("{txns} transactions need {needed} MiB, and there are {have}");
            return Report::unknown(self.name(), why);
        }
        let mut notes = Notes::default();
        let versions = Versions::of(heard, &mut notes);
        let mut scan = Scan::new(heard, &versions);
        for txn in (0..heard.store.len() as u32).filter(|txn| versions.committed[*txn as usize]) {
            scan.txn(txn, &mut notes);
        }
        let vertices = order::edges(&heard.store, &versions.committed, scan.vertices, &mut scan.edges);
        let edges = std::mem::take(&mut scan.edges);
        drop(scan);
        let verdicts = Verdicts::of(vertices as usize, &edges);
        let mut found = notes.counts.clone();
        found.extend(&verdicts.counts);
        let mut ruling = Ruling { checker: self.name(), expect: self.expect, store: &heard.store, found };
        let witness = Witness { heard, versions: &versions };
        let (promise, respects) = (self.expect.promise(), self.expect.respects());
        let lists = replay::Appended::new(heard);
        let stamps = Stamps::tried(&witness, &versions.committed, promise, respects, lists);
        let report = if ruling.is_broken() {
            let notes = notes.kept.iter().filter(|note| note.what.forbidden_by(self.expect));
            let circles = verdicts.circles.iter().filter(|(what, _)| what.forbidden_by(self.expect));
            let circles = circles.map(|(what, circle)| testimony::circle(&witness, *what, circle));
            ruling.report(notes.map(|note| witness.note(note)).chain(circles).collect(), None)
        } else {
            match self.confirm(&witness, &verdicts, &stamps, (vertices, edges), budget) {
                Ok(()) => ruling.report(Vec::new(), None),
                Err(Failure::Doubt(doubt)) => ruling.report(Vec::new(), Some(doubt)),
                Err(Failure::Broken(what, anomaly)) => {
                    ruling.found.insert(what, 1);
                    ruling.report(vec![anomaly], None)
                }
            }
        };
        stamps.measure(report).measure("committed appends never read", versions.all_unseen())
    }
}

impl ListAppend {
    /// Judges against this model.
    pub fn new(expect: Isolation) -> ListAppend {
        ListAppend { expect }
    }

    /// Nothing was found against the history. Is it as expected?
    fn confirm(
        self,
        witness: &Witness<'_>,
        verdicts: &Verdicts,
        stamps: &Stamps,
        (vertices, edges): (u32, Vec<Edge>),
        budget: &Budget,
    ) -> Result<(), Failure> {
        let (heard, versions) = (witness.heard, witness.versions);
        if let Some(doubt) = doubt(heard, versions, verdicts) {
            return Err(Failure::Doubt(doubt));
        }
        if stamps.prove() || !self.expect.implies(Isolation::SnapshotIsolation) {
            return Ok(());
        }
        let respects = self.expect.respects();
        if let Some(order) = verdicts.order(&heard.store, &versions.committed, respects) {
            let explains = replay::explains(heard, &order, respects);
            return if explains { Ok(()) } else { Err(Failure::Doubt(failed_itself())) };
        }
        // Not serializable, so the order of appends that nobody saw may matter.
        let groups = unseen(heard, versions);
        match Polygraph::new(vertices as usize, &edges, &groups, Promise::Snapshots, respects).solve(budget) {
            Answer::Serial(_) | Answer::Failed => Err(Failure::Doubt(failed_itself())),
            Answer::Snapshots(mut steps) => {
                let is_txn = |v: u32| (v as usize) < heard.store.len() && versions.committed[v as usize];
                steps.retain(|step| is_txn(step.txn()));
                let explains = replay::explains_snapshots(heard, &steps, respects);
                if explains { Ok(()) } else { Err(Failure::Doubt(failed_itself())) }
            }
            Answer::No(circles) => {
                let what = Phenomenon::NoSnapshots(respects);
                Err(Failure::Broken(what, testimony::impossible(witness, what, &circles)))
            }
            Answer::GaveUp { choices } => Err(Failure::Doubt(format!(
                "the search for an order of the appends that were never read was given up after {choices} choices; a last \
                 read of every key would tell it"
            ))),
        }
    }
}

/// Why a promise cannot be confirmed.
enum Failure {
    Doubt(String),
    Broken(Phenomenon, Anomaly),
}

/// Why nobody can say that the history is as expected, although nothing was found against it.
fn doubt(heard: &Heard, versions: &Versions, verdicts: &Verdicts) -> Option<String> {
    let store = &heard.store;
    if let Some((key, one, other)) = versions.ambiguous.first() {
        let event = |append: &u32| store.invoked(heard.by[*append as usize]);
        return Some(format!(
            "duplicate appends: {} was appended to {} at event {} and again at event {}; every value must be appended once \
             at most to each list",
            heard.values[*one as usize],
            store.key(*key),
            event(one),
            event(other)
        ));
    }
    let read = |txn: u32| store.fate(txn) == Fate::Ok && store.parts(txn).iter().any(|part| !part.is_write());
    if !(0..store.len() as u32).any(read) {
        return Some("vacuous: no transaction that is known to have committed read anything".to_owned());
    }
    let what = verdicts.unsure.first()?;
    Some(format!("the search was given up before {what} could be told from G-single"))
}

/// The appends to each key that nobody saw: in some order, but nobody knows in which.
fn unseen(heard: &Heard, versions: &Versions) -> Vec<Group> {
    let several = (0..heard.store.keys() as u32).filter(|key| versions.unseen(*key).len() > 1);
    let group = |key: u32| {
        let guess = |txn: u32| u64::from(heard.store.completed(txn)) << 32 | u64::from(txn);
        let version = |txn: &u32| Version { writer: *txn, guess: guess(*txn), readers: Vec::new() };
        Group { versions: versions.unseen(key).iter().map(version).collect(), certain: Vec::new() }
    };
    several.map(group).collect()
}

impl Checker for ListAppend {
    fn name(&self) -> &'static str {
        "list-append"
    }

    fn stands(&self) -> bool {
        self.expect.stands()
    }

    fn stands_by(&self, anomaly: &str) -> bool {
        self.expect.stands_by(anomaly)
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        self.judge(&Hearing::of(history), budget)
    }

    fn open(&self) -> Option<Box<dyn Case + '_>> {
        Some(Box::new(Open::new(*self)))
    }
}
