//! Does a transaction commit everywhere or nowhere?
//!
//! The properties of atomic commitment (Bernstein, Hadzilacos and Goodman, *Concurrency Control and Recovery in Database
//! Systems*, 1987, §7.3), judged from what the nodes' logs say after the run and from what clients were told:
//!
//! * **AC1** all decisions on a transaction are equal, the client's included;
//! * **AC2** nobody reverses a decision;
//! * **AC3** commit only if every participant had durably voted yes before;
//! * **AC4** if all vote yes and nothing fails, commit;
//! * **AC5** once everything is repaired, everybody decides.
//!
//! A protocol that is said not to block is also held to **NB** (§7.4): nobody has aborted while another is past the point
//! from which it can only commit. A wait for a dead coordinator is no violation of two-phase commit; it is measured.
//! Beside these: a vote that was heard and that its node no longer knows (*forgotten prepare*), and a commit that was
//! applied twice (*duplicate effect*). Wall clocks decide nothing: within one log order is the order of its records.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, Event, FaultKind, History, Mop, NodeId, Outcome, Phase, Time, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a node wrote down about a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A coordinator began it with these participants.
    Began(Vec<NodeId>),
    /// The node promised to commit if told so.
    VotedYes,
    /// The node refused.
    VotedNo,
    /// A coordinator heard a node's yes.
    HeardYes(NodeId),
    /// The node will commit unless told otherwise in time (three-phase commit).
    PreCommitted,
    /// The node committed.
    Committed,
    /// The node aborted.
    Aborted,
    /// The node carried out the transaction's changes.
    Applied,
}

/// One record of a node's log. The records of one node come in the order of its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose log.
    pub node: NodeId,
    /// Which transaction, by the value that it alone writes.
    pub txn: Value,
    /// What.
    pub step: Step,
    /// When, as far as that is known; for measures only.
    #[serde(default)]
    pub time: Option<Time>,
}

/// Judges atomic commitment.
#[derive(Debug, Clone, Default)]
pub struct Atomicity {
    /// What was found in the logs after the run.
    pub records: Vec<Record>,
    /// Whether the protocol promises not to block.
    pub nonblocking: bool,
    /// How long after the final phase began a node may still be undecided.
    pub grace: Duration,
}

/// Everything known about one transaction.
#[derive(Default)]
struct Dossier<'r> {
    participants: BTreeSet<NodeId>,
    steps: Vec<&'r Record>,
    client: Option<(bool, usize)>,
    /// When its client called, and when the call ended.
    span: Option<(Time, Option<Time>)>,
}

impl Checker for Atomicity {
    fn name(&self) -> &'static str {
        "atomicity"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let dossiers = self.dossiers(history);
        let mut anomalies = Vec::new();
        for (txn, dossier) in &dossiers {
            let mut accuse = |name: &str, story: String| {
                let events = dossier.client.map(|(_, at)| at);
                anomalies.push(Anomaly::new(name, None, format!("Transaction {txn}: {story}"), events));
            };
            dossier.agreement(&mut accuse);
            dossier.stability(&mut accuse);
            dossier.validity(&mut accuse);
            dossier.memory(&mut accuse);
            if self.nonblocking {
                dossier.nonblocking(&mut accuse);
            }
            if quiet(history, dossier.span) {
                dossier.nontriviality(&mut accuse);
            }
            if self.all_had_time(history) {
                dossier.termination(&mut accuse);
            }
        }
        let committed =
            dossiers.values().filter(|dossier| !dossier.nodes(&Step::Committed).is_empty()).count();
        let open: usize = dossiers.values().map(|dossier| dossier.undecided().len()).sum();
        let doubt = match (committed, open) {
            (0, _) => Some("no transaction was seen to commit".to_owned()),
            (_, 0) => None,
            (_, open) => {
                Some(format!("{open} votes are undecided, and it was not seen that all had time to decide"))
            }
        };
        let fine =
            format!("{} transactions, {committed} committed, each everywhere or nowhere", dossiers.len());
        let report = Report::conclude(self.name(), anomalies, doubt, fine)
            .measure("transactions", dossiers.len())
            .measure("committed", committed)
            .measure("votes undecided at the end", open);
        let mut waits: Vec<u64> = dossiers.values().flat_map(Dossier::waits).collect();
        waits.sort_unstable();
        let at = |part: usize| waits.get((waits.len().saturating_sub(1)) * part / 100).copied().unwrap_or(0);
        report.measure("time in doubt, 50/99/100 %, in ms", format!("{} {} {}", at(50), at(99), at(100)))
    }
}

impl Atomicity {
    fn dossiers<'r>(&'r self, history: &History) -> BTreeMap<Value, Dossier<'r>> {
        let mut dossiers: BTreeMap<Value, Dossier<'r>> = BTreeMap::new();
        for record in &self.records {
            let dossier = dossiers.entry(record.txn).or_default();
            if let Step::Began(participants) = &record.step {
                dossier.participants.extend(participants);
            }
            dossier.steps.push(record);
        }
        let time = |index: usize| history.entries()[index].time;
        for op in history.ops() {
            let Call::Txn { mops } = op.call else { continue };
            let written = mops.iter().find_map(|mop| match mop {
                Mop::Write { value, .. } | Mop::Append { value, .. } => Some(*value),
                _ => None,
            });
            let Some(dossier) = written.and_then(|value| dossiers.get_mut(&value)) else { continue };
            dossier.span = Some((time(op.invoked), op.completed.map(time)));
            dossier.client = match op.outcome {
                Outcome::Ok(_) => Some((true, op.invoked)),
                Outcome::Fail(_) => Some((false, op.invoked)),
                Outcome::Unknown(_) => None,
            };
        }
        dossiers
    }

    /// Whether the run healed everything and went on for long enough after it.
    fn all_had_time(&self, history: &History) -> bool {
        let (Some(healed), Some(last)) = (history.began(Phase::Final), history.entries().last()) else {
            return false;
        };
        last.time.0.saturating_sub(healed.0) >= self.grace.as_nanos() as u64
    }
}

/// Whether no fault was there from the call of a transaction to its end, and everybody could answer in that time.
fn quiet(history: &History, span: Option<(Time, Option<Time>)>) -> bool {
    let Some((begin, Some(end))) = span else { return false };
    let mut broken: BTreeMap<FaultKind, Time> = BTreeMap::new();
    for entry in history.entries() {
        match &entry.event {
            Event::Inject(fault) if !fault.is_repair() => {
                broken.entry(fault.kind()).or_insert(entry.time);
            }
            Event::Injected { fault, .. }
                if fault.is_repair()
                    && broken
                        .remove(&fault.kind())
                        .is_some_and(|since| since <= end && entry.time >= begin) =>
            {
                return false;
            }
            Event::Died { .. } if entry.time <= end => return false,
            _ => {}
        }
    }
    broken.values().all(|since| *since > end)
}

impl Dossier<'_> {
    /// Who took this step.
    fn nodes(&self, step: &Step) -> BTreeSet<NodeId> {
        self.steps.iter().filter(|record| record.step == *step).map(|record| record.node).collect()
    }

    fn agreement(&self, accuse: &mut impl FnMut(&str, String)) {
        let (committed, aborted) = (self.nodes(&Step::Committed), self.nodes(&Step::Aborted));
        if let (Some(yes), Some(no)) =
            (committed.iter().next(), aborted.iter().find(|node| !committed.contains(node)))
        {
            accuse("AC1", format!("{yes} committed and {no} aborted."));
        }
        match self.client {
            Some((true, _)) if committed.is_empty() && !aborted.is_empty() => {
                accuse(
                    "AC1",
                    format!("its client was told that it committed, but {} aborted.", names(&aborted)),
                );
            }
            Some((false, _)) if !committed.is_empty() => {
                accuse(
                    "AC1",
                    format!("its client was told that it aborted, but {} committed.", names(&committed)),
                );
            }
            _ => {}
        }
        let forgot: BTreeSet<NodeId> = self.forgotten().difference(&committed).copied().collect();
        if !committed.is_empty() && !forgot.is_empty() {
            accuse(
                "AC1",
                format!("{} committed, and {} does not know of it.", names(&committed), names(&forgot)),
            );
        }
    }

    fn stability(&self, accuse: &mut impl FnMut(&str, String)) {
        for node in self.nodes(&Step::Committed).intersection(&self.nodes(&Step::Aborted)) {
            let first = self.steps.iter().find(|record| {
                record.node == *node && matches!(record.step, Step::Committed | Step::Aborted)
            });
            let (was, is) = match first.map(|record| &record.step) {
                Some(Step::Committed) => ("committed", "aborted"),
                _ => ("aborted", "committed"),
            };
            accuse("AC2", format!("{node} {was} and then {is}."));
        }
    }

    /// The participants whose yes is not in their log, or only after the given place of it.
    fn validity(&self, accuse: &mut impl FnMut(&str, String)) {
        let committed = self.nodes(&Step::Committed);
        if committed.is_empty() {
            return;
        }
        let voted = self.nodes(&Step::VotedYes);
        let missing: BTreeSet<NodeId> = self.participants.difference(&voted).copied().collect();
        if !missing.is_empty() {
            accuse("AC3", format!("{} committed without a yes of {}.", names(&committed), names(&missing)));
        }
        for node in committed.intersection(&voted) {
            let place = |step: &Step| self.steps.iter().position(|r| r.node == *node && r.step == *step);
            if place(&Step::Committed) < place(&Step::VotedYes) {
                accuse("AC3", format!("{node} committed before it voted."));
            }
        }
    }

    fn nontriviality(&self, accuse: &mut impl FnMut(&str, String)) {
        let (voted, aborted) = (self.nodes(&Step::VotedYes), self.nodes(&Step::Aborted));
        let all_yes = !self.participants.is_empty() && self.participants.is_subset(&voted);
        if all_yes && !aborted.is_empty() && self.nodes(&Step::Committed).is_empty() {
            let who = names(&aborted);
            accuse("AC4", format!("every participant voted yes and nothing failed, but {who} aborted."));
        }
    }

    /// Who voted yes and has decided nothing.
    fn undecided(&self) -> BTreeSet<NodeId> {
        let decided = &self.nodes(&Step::Committed) | &self.nodes(&Step::Aborted);
        self.nodes(&Step::VotedYes).difference(&decided).copied().collect()
    }

    fn termination(&self, accuse: &mut impl FnMut(&str, String)) {
        let undecided = self.undecided();
        if !undecided.is_empty() {
            let who = names(&undecided);
            accuse(
                "AC5",
                format!("{who} voted yes and is undecided, though everything was repaired long ago."),
            );
        }
    }

    fn nonblocking(&self, accuse: &mut impl FnMut(&str, String)) {
        let (sure, aborted) = (self.nodes(&Step::PreCommitted), self.nodes(&Step::Aborted));
        if let (Some(one), Some(other)) =
            (sure.iter().find(|node| !aborted.contains(node)), aborted.iter().next())
        {
            accuse("NB", format!("{one} had pre-committed, and {other} aborted."));
        }
    }

    /// Whose yes was heard, and who does not know of it.
    fn forgotten(&self) -> BTreeSet<NodeId> {
        let heard = self.steps.iter().filter_map(|record| match record.step {
            Step::HeardYes(node) => Some(node),
            _ => None,
        });
        let voted = self.nodes(&Step::VotedYes);
        heard.filter(|node| !voted.contains(node)).collect()
    }

    fn memory(&self, accuse: &mut impl FnMut(&str, String)) {
        for node in self.forgotten() {
            accuse("forgotten prepare", format!("{node} was heard to vote yes, and its log does not know."));
        }
        for node in self.nodes(&Step::Applied) {
            let times = self.steps.iter().filter(|r| r.node == node && r.step == Step::Applied).count();
            if times > 1 {
                accuse("duplicate effect", format!("{node} carried it out {times} times."));
            }
        }
    }

    /// How long each node that decided was in doubt, in milliseconds.
    fn waits(&self) -> Vec<u64> {
        let when = |node: NodeId, wanted: &dyn Fn(&Step) -> bool| {
            self.steps.iter().find(|r| r.node == node && wanted(&r.step)).and_then(|record| record.time)
        };
        let wait = |node: NodeId| {
            let voted = when(node, &|step| *step == Step::VotedYes)?;
            let decided = when(node, &|step| matches!(step, Step::Committed | Step::Aborted))?;
            Some(decided.0.saturating_sub(voted.0) / 1_000_000)
        };
        self.nodes(&Step::VotedYes).into_iter().filter_map(wait).collect()
    }
}

fn names(nodes: &BTreeSet<NodeId>) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};
    use history::{Fault, Injection};

    /// `1:began(2,3) 2:yes 1:heard2 2:commit`, all about transaction 7.
    fn records(text: &str) -> Vec<Record> {
        let record = |(place, word): (usize, &str)| {
            let (node, step) = word.split_once(':').unwrap();
            let list = |text: &str| text.split(',').map(|node| NodeId(node.parse().unwrap())).collect();
            let step = match step {
                "yes" => Step::VotedYes,
                "no" => Step::VotedNo,
                "pre" => Step::PreCommitted,
                "commit" => Step::Committed,
                "abort" => Step::Aborted,
                "applied" => Step::Applied,
                other => match other.strip_prefix("heard") {
                    Some(node) => Step::HeardYes(NodeId(node.parse().unwrap())),
                    None => Step::Began(list(&other[6..other.len() - 1])),
                },
            };
            let time = Some(Time::from_millis(place as u64 * 10));
            Record { node: NodeId(node.parse().unwrap()), txn: Value(7), step, time }
        };
        text.split_whitespace().enumerate().map(record).collect()
    }

    fn with_final(text: &str) -> History {
        let mut history = script(text);
        history.push(Time::from_secs(50), Event::Phase(Phase::Final)).unwrap();
        history.push(Time::from_secs(60), Event::Phase(Phase::Done)).unwrap();
        history
    }

    #[test]
    fn the_rules_of_atomic_commitment() {
        let sound = "1:began(2,3) 2:yes 3:yes 1:heard2 1:heard3 1:commit 2:commit 3:commit";
        for (name, log, client, verdict, anomalies) in [
            ("sound", sound, "A txn w1=7 w2=7", Verdict::Valid, ""),
            ("D1", "1:began(2,3) 2:yes 3:yes 2:commit 3:abort", "A txn w1=7 ?", Verdict::Invalid, "AC1"),
            ("D2", "1:began(2) 2:yes 2:commit 2:abort", "A txn w1=7 ?", Verdict::Invalid, "AC2"),
            ("D3", "1:began(2,3) 2:yes 1:commit 2:commit", "A txn w1=7 ?", Verdict::Invalid, "AC3"),
            ("late yes", "1:began(2) 2:commit 2:yes", "A txn w1=7 ?", Verdict::Invalid, "AC3"),
            ("D4", "1:began(2) 2:yes 1:abort 2:abort", "A txn w1=7 !", Verdict::Invalid, "AC4"),
            ("a no", "1:began(2,3) 2:yes 3:no 1:abort 2:abort 3:abort", "A txn w1=7 !", Verdict::Unknown, ""),
            ("D5", "1:began(2,3) 2:yes 3:yes 1:commit 3:commit", "A txn w1=7 ?", Verdict::Invalid, "AC5"),
            ("D6", sound, "A txn w1=7 w2=7 ?", Verdict::Valid, ""),
            ("D7", "1:began(2) 2:no 1:abort 2:abort", "A txn w1=7", Verdict::Invalid, "AC1"),
            ("told no", sound, "A txn w1=7 w2=7 !", Verdict::Invalid, "AC1"),
            (
                "D10",
                "1:began(2,3) 3:yes 1:heard2 1:abort 3:abort",
                "A txn w1=7 ?",
                Verdict::Invalid,
                "forgotten prepare",
            ),
            (
                "D10c",
                "1:began(2,3) 3:yes 1:heard2 1:commit 3:commit",
                "A txn w1=7 ?",
                Verdict::Invalid,
                "AC1,AC3,forgotten prepare",
            ),
            ("D11", "1:began(2,3) 2:yes 3:yes 2:pre 3:abort", "A txn w1=7 ?", Verdict::Invalid, "AC4,NB"),
            (
                "D12",
                &format!("{sound} 2:applied 2:applied"),
                "A txn w1=7",
                Verdict::Invalid,
                "duplicate effect",
            ),
        ] {
            let checker =
                Atomicity { records: records(log), nonblocking: true, grace: Duration::from_secs(5) };
            let report = checker.check(&with_final(client), &Budget::default());
            let mut names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            names.sort_unstable();
            // What D4 to D12 leave undecided on purpose is not what they are about.
            names.retain(|found| *found != "AC5" || anomalies == "AC5");
            assert_eq!(
                (report.verdict, names.join(",").as_str()),
                (verdict, anomalies),
                "{name}: {}",
                report.summary
            );
        }
    }

    #[test]
    fn a_coordinator_that_is_away_blocks_and_violates_nothing() {
        // D5: in doubt while the coordinator is down, then decided.
        let log = records("1:began(2) 2:yes 1:heard2 1:commit 2:commit");
        let checker = Atomicity { records: log, ..Atomicity::default() };
        let report = checker.check(&with_final("A txn w1=7 ?"), &Budget::default());
        assert_eq!(report.verdict, Verdict::Valid);
        assert_eq!(report.measures.last().unwrap().1, "30 30 30");
        // Without a final phase nobody can say that there was time enough.
        let log = records("1:began(2,3) 2:yes 3:yes 1:commit 3:commit");
        let checker = Atomicity { records: log, ..Atomicity::default() };
        assert_eq!(checker.check(&script("A txn w1=7 ?"), &Budget::default()).verdict, Verdict::Unknown);
    }

    #[test]
    fn an_abort_under_a_fault_is_no_violation() {
        let mut history = History::new();
        let fault = || Box::new(Fault::Kill { nodes: vec![NodeId(1)] });
        history.push(Time(0), Event::Inject(fault())).unwrap();
        let result = Box::new(Injection::Skipped(String::new()));
        history.push(Time(1), Event::Injected { fault: fault(), result }).unwrap();
        for (place, entry) in script("A txn w1=7 !").entries().iter().enumerate() {
            history.push(Time(place as u64 + 2), entry.event.clone()).unwrap();
        }
        let log = records("1:began(2) 2:yes 1:abort 2:abort");
        let checker = Atomicity { records: log, ..Atomicity::default() };
        assert_eq!(checker.check(&history, &Budget::default()).anomalies, []);
    }
}
