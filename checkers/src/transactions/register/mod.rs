//! Transactions of registers.
//!
//! A register tells only its last value, so the order of its versions is known in part: the initial one was first, and
//! whoever read a version and then wrote one wrote a later one. For read committed, read atomic and causal consistency that
//! is enough ([`weak`]). For snapshot isolation and serializability everything is run again, if an order for that is found at
//! once ([`running`]); else the order of the versions is searched for ([`polygraph`](super::polygraph)).

mod heard;
mod replay;
mod running;
mod story;
mod versions;
mod weak;

use super::Isolation;
use super::dependencies::Verdicts;
use super::fan::Fan;
use super::graph::{Edge, kind};
use super::guess;
use super::hearing::{Hearing, Judge, Open};
use super::needs::Needs;
use super::notes::{NONE, Notes};
use super::phenomenon::{Order, Phenomenon};
use super::polygraph::{Answer, Group, Polygraph, Version};
use super::ruling::{Ruling, failed_itself};
use super::saturate::Promise;
use super::stamps::Stamps;
use super::store::{Fate, NEVER, Store};
use super::{order, testimony};
use crate::{Anomaly, Budget, Case, Checker, Report};
use heard::Heard;
use history::{History, Value};
use story::Witness;
use versions::Versions;
use weak::Weak;

/// What a part of a transaction takes while it is judged, in bytes.
const BYTES: usize = 200;

/// Judges transactions of reads and writes of registers against a consistency model.
///
/// Every value is to be written at most once to each register, and never the initial one. A pass means: for serializable
/// models that there is an order of the transactions which explains every read, found and executed again; for snapshot
/// isolation and the models of Biswas and Enea that there is one as well; for every other model that none of its anomalies
/// was found.
///
/// ```
/// # use tribunal_checkers as checkers;
/// use checkers::{Budget, Checker, Isolation, RwRegister, Verdict};
/// use history::text;
///
/// // p1 reads nothing after p0's write had returned: not strict, but serializable.
/// let history = text::parse("p0:w k5 1[0,1]; p1:r k5 nil[2,3]").unwrap();
/// let report = RwRegister::new(Isolation::StrictSerializable).check(&history, &Budget::default());
/// assert_eq!((report.verdict, report.anomalies[0].name.as_str()), (Verdict::Invalid, "G-single-realtime"));
/// let report = RwRegister::new(Isolation::Serializable).check(&history, &Budget::default());
/// assert_eq!(report.verdict, Verdict::Valid);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RwRegister {
    /// What the database promises.
    pub expect: Isolation,
    /// What every register holds in the beginning.
    pub initial: Option<Value>,
}

impl Default for RwRegister {
    /// Expects strict serializability of registers that hold nothing first.
    fn default() -> RwRegister {
        RwRegister::new(Isolation::StrictSerializable)
    }
}

impl Judge for RwRegister {
    type Heard = Heard;

    fn judge(self, heard: &Heard, budget: &Budget) -> Report {
        if let Some(misfit) = &heard.misfit {
            return Report::unknown(self.name(), misfit.clone());
        }
        let needed = BYTES * heard.store.all_parts().len();
        if needed > budget.bytes {
            let (txns, needed, have) = (heard.store.len(), needed >> 20, budget.bytes >> 20);
            let why = format!("{txns} transactions need {needed} MiB, and there are {have}");
            return Report::unknown(self.name(), why);
        }
        let mut notes = Notes::default();
        let versions = Versions::of(heard, self.initial, &mut notes);
        let known = Known::of(heard, &versions);
        let verdicts = Verdicts::of(known.vertices as usize, &known.edges);
        let mut found = notes.counts.clone();
        found.extend(&verdicts.counts);
        let mut ruling = Ruling { checker: self.name(), expect: self.expect, store: &heard.store, found };
        let witness = Witness { heard, versions: &versions };
        let (promise, respects) = (self.expect.promise(), self.expect.respects());
        let registers = replay::Registers::new(heard, self.initial);
        let stamps = Stamps::tried(&witness, &versions.committed, promise, respects, registers);
        if ruling.is_broken() {
            let notes = notes.kept.iter().filter(|note| note.what.forbidden_by(self.expect));
            let circles = verdicts.circles.iter().filter(|(what, _)| what.forbidden_by(self.expect));
            let circles = circles.map(|(what, circle)| testimony::circle(&witness, *what, circle));
            let report = ruling.report(notes.map(|note| witness.note(note)).chain(circles).collect(), None);
            return stamps.measure(report);
        }
        if let Some(doubt) = doubt(heard, &versions, &verdicts) {
            return stamps.measure(ruling.report(Vec::new(), Some(doubt)));
        }
        drop(verdicts);
        let searched = if stamps.prove() { Ok(()) } else { self.search(&witness, known, budget) };
        stamps.measure(match searched {
            Ok(()) => ruling.report(Vec::new(), None),
            Err(Failure::Doubt(doubt)) => ruling.report(Vec::new(), Some(doubt)),
            Err(Failure::Broken(what, anomalies)) => {
                ruling.found.insert(what, anomalies.len());
                ruling.report(anomalies, None)
            }
        })
    }
}

impl RwRegister {
    /// Judges against this model registers that hold nothing first.
    pub fn new(expect: Isolation) -> RwRegister {
        RwRegister { expect, initial: None }
    }

    /// What the known dependencies do not decide.
    fn search(self, witness: &Witness<'_>, known: Known, budget: &Budget) -> Result<(), Failure> {
        let (heard, versions) = (witness.heard, witness.versions);
        let until = match self.expect {
            Isolation::RcAtomicVisibility => Phenomenon::NonMonotonicRead,
            Isolation::ReadAtomic => Phenomenon::FracturedRead,
            Isolation::Causal => Phenomenon::CausalityViolation,
            // What is more than causal is said of the weakest that is missing.
            Isolation::PrefixConsistency => Phenomenon::CausalityViolation,
            expect if expect.implies(Isolation::SnapshotIsolation) => {
                return self.choose(witness, known, budget);
            }
            _ => return Ok(()),
        };
        match weak::judge(heard, versions, until, budget) {
            Weak::Fine if self.expect == Isolation::PrefixConsistency => self.choose(witness, known, budget),
            Weak::Fine => Ok(()),
            Weak::Wrong(what, circles, forced) => {
                let told = circles.iter().map(|circle| witness.weak(what, circle, &forced));
                Err(Failure::Broken(what, told.collect()))
            }
            Weak::TooLarge => {
                let sessions = heard.store.processes();
                Err(Failure::Doubt(format!(
                    "the clocks of {sessions} sessions do not fit in {} MiB",
                    budget.bytes >> 20
                )))
            }
        }
    }

    /// Looks for an order of all versions.
    fn choose(self, witness: &Witness<'_>, known: Known, budget: &Budget) -> Result<(), Failure> {
        let (heard, versions) = (witness.heard, witness.versions);
        let Some(promise) = self.expect.promise() else { return Ok(()) };
        let respects = self.expect.respects();
        let needs = running::needs(heard, versions);
        if running::order(heard, versions, &needs, (self.initial, respects), budget).is_some() {
            return Ok(());
        }
        let mut groups = groups(heard, versions);
        if promise == Promise::Order || respects != Order::Realtime {
            sequence(&heard.store, &needs, &known, promise, &mut groups);
        }
        let polygraph = Polygraph::new(known.vertices as usize, &known.edges, &groups, promise, respects);
        let is_txn = |v: &u32| (*v as usize) < heard.store.len() && versions.committed[*v as usize];
        match polygraph.solve(budget) {
            Answer::Serial(mut order) => {
                order.retain(is_txn);
                let explains = replay::explains(heard, self.initial, &order, respects);
                if explains { Ok(()) } else { Err(Failure::Doubt(failed_itself())) }
            }
            Answer::Snapshots(mut steps) => {
                steps.retain(|step| is_txn(&step.txn()));
                let explains = replay::explains_snapshots(heard, self.initial, &steps, (promise, respects));
                if explains { Ok(()) } else { Err(Failure::Doubt(failed_itself())) }
            }
            Answer::Failed => Err(Failure::Doubt(failed_itself())),
            Answer::No(circles) => {
                let what = match promise {
                    Promise::Order => Phenomenon::NoOrder(respects),
                    Promise::Snapshots => Phenomenon::NoSnapshots(respects),
                    Promise::Prefixes => Phenomenon::NoPrefixes,
                };
                Err(Failure::Broken(what, vec![testimony::impossible(witness, what, &circles)]))
            }
            Answer::GaveUp { choices } => Err(Failure::Doubt(format!(
                "the search for an order of the versions was given up after {choices} choices between two"
            ))),
        }
    }
}

/// Whether a run with snapshots explains a history of registers that hold nothing first.
#[cfg(test)]
pub(super) fn explains_snapshots(
    history: &History,
    steps: &[super::snapshots::Step],
    promised: (Promise, Order),
) -> bool {
    let heard = Heard::of(history);
    replay::explains_snapshots(&heard, None, steps, promised)
}

/// Whether an order is found at once in which transactions of registers that hold nothing first may have run.
#[cfg(test)]
pub(super) fn runs(history: &History, respects: Order) -> bool {
    let heard = Heard::of(history);
    let versions = Versions::of(&heard, None, &mut Notes::default());
    let needs = running::needs(&heard, &versions);
    running::order(&heard, &versions, &needs, (None, respects), &Budget::default()).is_some()
}

/// Why a promise cannot be confirmed.
enum Failure {
    Doubt(String),
    Broken(Phenomenon, Vec<Anomaly>),
}

/// Why nobody can say that the history is as expected, although nothing was found against it.
fn doubt(heard: &Heard, versions: &Versions, verdicts: &Verdicts) -> Option<String> {
    let store = &heard.store;
    if let Some(version) = versions.ambiguous.first() {
        let (key, value) = heard.versions[*version as usize];
        let value = value.map_or_else(|| "nil".to_owned(), |value| value.to_string());
        return Some(format!(
            "{value} was written to {} more than once, or is its initial value; every value must be written once at most to \
             each register",
            store.key(key)
        ));
    }
    if !(0..store.len() as u32)
        .any(|txn| store.fate(txn) == Fate::Ok && store.parts(txn).iter().any(|part| !part.is_write()))
    {
        return Some("vacuous: no transaction that is known to have committed read anything".to_owned());
    }
    let what = verdicts.unsure.first()?;
    Some(format!("the search was given up before {what} could be told from G-single"))
}

/// What certainly comes before what, under read committed and every stronger model.
struct Known {
    edges: Vec<Edge>,
    vertices: u32,
}

impl Known {
    fn of(heard: &Heard, versions: &Versions) -> Known {
        let store = &heard.store;
        let (mut edges, mut vertices) = (Vec::new(), store.len() as u32);
        // After each version: whoever read it and replaced it. After the initial one: every writer.
        let mut later: Vec<(u32, u32)> = Vec::new();
        let mut first = vec![NONE; store.keys()];
        for (version, (key, _)) in heard.versions.iter().enumerate() {
            if versions.is_initial[version] {
                first[*key as usize] = version as u32;
            }
        }
        for (version, (key, _)) in heard.versions.iter().enumerate() {
            if versions.counts(version as u32) && first[*key as usize] != NONE {
                later.push((first[*key as usize], versions.writer[version]));
            }
        }
        let updates = versions.updates.iter().filter(|(old, _, _)| !versions.is_initial[*old as usize]);
        later.extend(updates.map(|(old, _, txn)| (*old, *txn)));
        later.sort_unstable();
        later.dedup();
        let mut reads: Vec<(u32, u32)> = versions.reads.clone();
        reads.sort_unstable();
        reads.dedup();
        let mut later = later.as_slice();
        for of_version in reads.chunk_by(|one, other| one.0 == other.0) {
            let (version, writer) = (of_version[0].0, versions.writer[of_version[0].0 as usize]);
            let skip = later.partition_point(|(old, _)| *old < version);
            let count = later[skip..].iter().take_while(|(old, _)| *old == version).count();
            let members: Vec<u32> = later[skip..skip + count].iter().map(|(_, txn)| *txn).collect();
            later = &later[skip + count..];
            let fan = Fan::new(&members, &mut vertices, &mut edges);
            for (_, reader) in of_version {
                if writer != NONE && !versions.is_initial[version as usize] {
                    edges.push(Edge::new(writer, *reader, kind::WR));
                }
                fan.link(*reader, kind::RW, &mut edges);
            }
        }
        let vertices = order::edges(store, &versions.committed, vertices, &mut edges);
        Known { edges, vertices }
    }
}

/// The versions of each register, with what tells when they came.
fn groups(heard: &Heard, versions: &Versions) -> Vec<Group> {
    let store = &heard.store;
    let mut groups = vec![Group::default(); store.keys()];
    let mut place = vec![NONE; heard.versions.len()];
    for (version, (key, _)) in heard.versions.iter().enumerate() {
        if versions.counts(version as u32) && !versions.is_ambiguous(*key) {
            let own = &mut groups[*key as usize].versions;
            place[version] = own.len() as u32;
            own.push(Version { writer: versions.writer[version], ..Version::default() });
        }
    }
    for (version, reader) in versions.reads.iter().filter(|(version, _)| place[*version as usize] != NONE) {
        let key = heard.versions[*version as usize].0;
        groups[key as usize].versions[place[*version as usize] as usize].readers.push(*reader);
    }
    for (old, new, _) in &versions.updates {
        let (from, to) = (place[*old as usize], place[*new as usize]);
        if from != NONE && to != NONE {
            groups[heard.versions[*old as usize].0 as usize].certain.push((from, to));
        }
    }
    for group in &mut groups {
        group.certain.sort_unstable();
        group.certain.dedup();
        for version in &mut group.versions {
            // Certainly there from the first return to the last call (Gibbons and Korach 1997): that orders what can be.
            let involved = || version.readers.iter().chain([&version.writer]);
            let end = |txn: &u32| if store.fate(*txn) == Fate::Ok { store.completed(*txn) } else { NEVER };
            let first = involved().map(end).min().unwrap_or(NEVER);
            let last = involved().map(|txn| store.invoked(*txn)).max().unwrap_or(0);
            version.guess = u64::from(first.min(last)) << 32 | u64::from(version.writer);
        }
    }
    groups.retain(|group| group.versions.len() > 1);
    groups
}

/// Guesses when each version came from an order in which everything might have run: by time, or if it tells nothing, by the
/// place in the session.
fn sequence(store: &Store, needs: &Needs, known: &Known, promise: Promise, groups: &mut [Group]) {
    let places = running::session_places(store);
    let time = |txn: u32| u64::from(store.completed(txn).max(store.invoked(txn)));
    let rank = |txn: u32| places.as_ref().map_or_else(|| time(txn), |places| places[txn as usize].into());
    let mut rank: Vec<u64> = (0..store.len() as u32).map(rank).collect();
    // With snapshots what is replaced may still be read.
    let binds = |kind: u32| kind != kind::REALTIME && !(promise != Promise::Order && kind == kind::RW);
    let mut edges: Vec<Edge> = known.edges.iter().copied().filter(|edge| binds(edge.ends().2)).collect();
    if places.is_none() && promise == Promise::Order {
        let mut timed = known.edges.clone();
        outlived(store, needs, groups, &mut timed);
        if let Some(deadlines) = guess::deadlines(known.vertices as usize, &timed, &rank) {
            (edges, rank) = (timed, deadlines);
        }
    }
    let places = guess::places(known.vertices as usize, &edges, &rank, needs);
    for version in groups.iter_mut().flat_map(|group| &mut group.versions) {
        version.guess = u64::from(places[version.writer as usize]);
    }
}

/// How many writers at once are compared with one another, at most: this is only for a guess.
const AT_ONCE: usize = 64;

/// Adds an edge to each writer of a version from other writers of the object that must have come first, as far as that is
/// seen at once: somebody read the version who was invoked only after they had completed, or to whom what they wrote came
/// otherwise.
fn outlived(store: &Store, needs: &Needs, groups: &[Group], edges: &mut Vec<Edge>) {
    for group in groups {
        let mut writers: Vec<u32> = group.versions.iter().map(|version| version.writer).collect();
        writers.sort_unstable();
        let ok = writers.iter().filter(|writer| store.fate(**writer) == Fate::Ok);
        let mut ended: Vec<(u32, u32)> = ok.map(|writer| (store.completed(*writer), *writer)).collect();
        ended.sort_unstable();
        for version in &group.versions {
            let last = version.readers.iter().map(|reader| store.invoked(*reader)).max().unwrap_or(0);
            let before = ended.partition_point(|(end, _)| *end < last);
            let overlap = ended[..before].iter().rev().take(AT_ONCE);
            let overlap = overlap.take_while(|(end, _)| *end > store.invoked(version.writer));
            let early = overlap.map(|(_, writer)| *writer);
            let direct = version.readers.iter().flat_map(|reader| needs.sources(*reader));
            let indirect = direct.clone().flat_map(|writer| needs.sources(writer));
            let seen = direct.chain(indirect).filter(|writer| writers.binary_search(writer).is_ok());
            let others = early.chain(seen).filter(|writer| *writer != version.writer);
            edges.extend(others.map(|writer| Edge::new(writer, version.writer, kind::WW)));
        }
    }
}

impl Checker for RwRegister {
    fn name(&self) -> &'static str {
        "rw-register"
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
