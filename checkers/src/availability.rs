//! How well did the system serve, and how soon after each fault?
//!
//! Measures only: no promise of availability was made that could be broken, so this judge never accuses. What a
//! fault costs is told by its recovery: the time from when the fault was seen to be in force until a call that
//! was made *after* that had succeeded. A call that was already under way proves nothing.

use crate::{Budget, Checker, Report};
use history::{CallKind, Event, Fault, FaultKind, History, Injection, Op, Outcome, Phase, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Measures progress, latency and recovery.
#[derive(Debug, Clone, Copy, Default)]
pub struct Availability;

/// A fault, or its repair, as it came into force.
struct Change<'h> {
    index: usize,
    time: Time,
    fault: &'h Fault,
}

/// Everything that matters of a history, in one place.
struct Record<'h> {
    history: &'h History,
    changes: Vec<Change<'h>>,
    /// The main phase.
    begin: Time,
    end: Time,
}

/// A stretch of the main phase in which nothing succeeded.
#[derive(Clone, Copy)]
struct Gap {
    from: Time,
    to: Time,
}

impl Gap {
    fn length(self) -> Duration {
        self.to.since(self.from)
    }
}

impl<'h> Record<'h> {
    /// Nothing if there was no main phase.
    fn of(history: &'h History) -> Option<Record<'h>> {
        let begin = history.began(Phase::Main)?;
        let later = history.entries().iter().find(|entry| match entry.event {
            Event::Phase(phase) => phase > Phase::Main,
            _ => false,
        });
        let end = later.or(history.entries().last()).map_or(begin, |entry| entry.time);
        let change = |(index, entry): (usize, &'h history::Entry)| match &entry.event {
            // What is doubtful may be in force.
            Event::Injected { fault, result } if !matches!(**result, Injection::Skipped(_)) => {
                Some(Change { index, time: entry.time, fault })
            }
            _ => None,
        };
        let changes = history.entries().iter().enumerate().filter_map(change).collect();
        Some(Record { history, changes, begin, end })
    }

    fn time(&self, index: usize) -> Time {
        self.history.entries()[index].time
    }

    /// Every success with its completion.
    fn successes(&self) -> impl Iterator<Item = (Op<'h>, usize)> {
        let ok = |op: Op<'h>| op.completed.filter(|_| op.outcome.is_ok()).map(|at| (op, at));
        self.history.ops().filter_map(ok)
    }

    fn longest_gap(&self) -> Gap {
        let inside = |time: &Time| (self.begin..=self.end).contains(time);
        let done = self.history.entries().iter().filter_map(|entry| match &entry.event {
            Event::Complete { outcome: Outcome::Ok(_), .. } => Some(entry.time).filter(inside),
            _ => None,
        });
        let mut longest = Gap { from: self.begin, to: self.begin };
        let mut last = self.begin;
        for time in done.chain([self.end]) {
            if time.since(last) > longest.length() {
                longest = Gap { from: last, to: time };
            }
            last = time;
        }
        longest
    }

    /// What was broken at some instant of the gap.
    fn broken_during(&self, gap: Gap) -> String {
        let mut broken: BTreeMap<FaultKind, &Fault> = BTreeMap::new();
        let mut met: BTreeSet<String> = BTreeSet::new();
        for change in self.changes.iter().filter(|change| change.time <= gap.to) {
            if change.time > gap.from {
                met.extend(broken.values().map(|fault| fault.brief()));
            }
            match change.fault.is_repair() {
                true => drop(broken.remove(&change.fault.kind())),
                false => drop(broken.insert(change.fault.kind(), change.fault)),
            }
        }
        met.extend(broken.values().map(|fault| fault.brief()));
        match met.is_empty() {
            true => "nothing was broken".to_owned(),
            false => format!("broken: {}", met.into_iter().collect::<Vec<_>>().join(", ")),
        }
    }

    /// How long after each change the first call made after it had succeeded; nothing if none ever did.
    fn recoveries(&self) -> Vec<Option<Duration>> {
        let mut first = vec![usize::MAX; self.changes.len() + 1];
        for (op, completed) in self.successes() {
            // The changes before the call; what it proves, it proves for all of them.
            let before = self.changes.partition_point(|change| change.index < op.invoked);
            first[before] = first[before].min(completed);
        }
        for at in (1..first.len()).rev() {
            first[at - 1] = first[at - 1].min(first[at]);
        }
        let recovery = |(change, at): (&Change<'_>, &usize)| {
            (*at != usize::MAX).then(|| self.time(*at).since(change.time))
        };
        self.changes.iter().zip(&first[1..]).map(recovery).collect()
    }

    /// The latencies of each kind of call that succeeded, ascending.
    fn latencies(&self) -> BTreeMap<CallKind, Vec<Duration>> {
        let mut latencies: BTreeMap<CallKind, Vec<Duration>> = BTreeMap::new();
        for (op, completed) in self.successes() {
            let latency = self.time(completed).since(self.time(op.invoked));
            latencies.entry(op.call.kind()).or_default().push(latency);
        }
        latencies.values_mut().for_each(|latencies| latencies.sort_unstable());
        latencies
    }
}

/// A share of `sorted`, which is not empty: its median is the share of a half.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[at - 1]
}

fn shown(span: Duration) -> String {
    match span.as_secs_f64() {
        long if long >= 1.0 => format!("{long:.2} s"),
        short => format!("{:.1} ms", short * 1e3),
    }
}

/// Median and maximum, and how often there was no recovery at all.
fn shown_recoveries(recoveries: &[Option<Duration>]) -> String {
    let mut known: Vec<Duration> = recoveries.iter().flatten().copied().collect();
    known.sort_unstable();
    let never = recoveries.len() - known.len();
    let mut parts = Vec::new();
    if let Some(longest) = known.last() {
        parts.push(format!("median {}, longest {}", shown(quantile(&known, 0.5)), shown(*longest)));
    }
    if never > 0 {
        parts.push(format!("never after {never} of {}", recoveries.len()));
    }
    parts.join(", ")
}

fn measure_outcomes(report: Report, record: &Record<'_>) -> Report {
    let [mut ok, mut fail, mut unknown, mut main] = [0usize; 4];
    for op in record.history.ops() {
        match op.outcome {
            Outcome::Ok(_) => ok += 1,
            Outcome::Fail(_) => fail += 1,
            Outcome::Unknown(_) => unknown += 1,
        }
        let in_main = op.completed.is_some_and(|at| record.time(at) <= record.end);
        main += usize::from(op.outcome.is_ok() && in_main);
    }
    let all = (ok + fail + unknown).max(1) as f64;
    let share = |count: usize| format!("{count} ({:.1} %)", 100.0 * count as f64 / all);
    let seconds = record.end.since(record.begin).as_secs_f64();
    let rate = if seconds > 0.0 { main as f64 / seconds } else { 0.0 };
    report
        .measure("successes a second in the main phase", format!("{rate:.1}"))
        .measure("ok", share(ok))
        .measure("fail", share(fail))
        .measure("unknown", share(unknown))
}

fn measure_recoveries(mut report: Report, record: &Record<'_>) -> Report {
    let mut recoveries: BTreeMap<(FaultKind, bool), Vec<Option<Duration>>> = BTreeMap::new();
    for (change, recovery) in record.changes.iter().zip(record.recoveries()) {
        recoveries.entry((change.fault.kind(), change.fault.is_repair())).or_default().push(recovery);
    }
    for ((kind, repair), recoveries) in &recoveries {
        let name = format!("recovery after {}{kind}", if *repair { "repair of " } else { "" });
        report = report.measure(&name, shown_recoveries(recoveries));
    }
    report
}

impl Checker for Availability {
    fn name(&self) -> &'static str {
        "availability"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let Some(record) = Record::of(history) else {
            return Report::unknown(self.name(), "there was no main phase to measure");
        };
        if history.ops().len() == 0 {
            return Report::unknown(self.name(), "nothing was asked");
        }
        let gap = record.longest_gap();
        let gap_told = format!(
            "{} (from {} to {}; {})",
            shown(gap.length()),
            gap.from,
            gap.to,
            record.broken_during(gap)
        );
        let mut report = Report::valid(self.name(), format!("longest time without a success: {gap_told}"));
        report = measure_outcomes(report, &record).measure("longest time without a success", gap_told);
        for (kind, latencies) in record.latencies() {
            let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| shown(quantile(&latencies, share)));
            report =
                report.measure(&format!("latency of {kind}"), format!("p50 {p50}, p99 {p99}, max {max}"));
        }
        measure_recoveries(report, &record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use history::{Call, Doubt, Evidence, Key, NodeId, ProcessId, Reply};

    fn read(history: &mut History, process: u32, at: u64) {
        let call = Call::Read { key: Key(0) };
        let event = Event::Invoke { process: ProcessId(process), node: NodeId(1), call };
        history.push(Time::from_millis(at), event).unwrap();
    }

    fn done(history: &mut History, process: u32, at: u64, outcome: Outcome) {
        history
            .push(Time::from_millis(at), Event::Complete { process: ProcessId(process), outcome })
            .unwrap();
    }

    fn ok() -> Outcome {
        Outcome::Ok(Reply::Read(None))
    }

    fn injected(history: &mut History, at: u64, fault: Fault) {
        let result = Box::new(Injection::Installed(Evidence("seen".to_owned())));
        history.push(Time::from_millis(at), Event::Injected { fault: Box::new(fault), result }).unwrap();
    }

    fn measured(history: &History) -> BTreeMap<String, String> {
        Availability.check(history, &Budget::default()).measures.into_iter().collect()
    }

    /// One success at 100 ms, a kill at 200 ms with a call under way, which then succeeds, a call that does not,
    /// a repair at 900 ms, and a success from 1000 to 1500 ms.
    fn outage() -> History {
        let mut history = History::new();
        history.push(Time::ZERO, Event::Phase(Phase::Main)).unwrap();
        read(&mut history, 0, 90);
        done(&mut history, 0, 100, ok());
        read(&mut history, 0, 190);
        injected(&mut history, 200, Fault::Kill { nodes: vec![NodeId(1)] });
        done(&mut history, 0, 210, ok());
        read(&mut history, 0, 300);
        done(&mut history, 0, 800, Outcome::Unknown(Doubt::Timeout));
        injected(&mut history, 900, Fault::Repair { kind: FaultKind::Kill });
        read(&mut history, 1, 1000);
        done(&mut history, 1, 1500, ok());
        history.push(Time::from_millis(2000), Event::Phase(Phase::Heal)).unwrap();
        history
    }

    #[test]
    fn an_outage_is_measured() {
        let measures = measured(&outage());
        assert_eq!(
            measures["longest time without a success"],
            "1.29 s (from 0.210s to 1.500s; broken: kill n1)"
        );
        assert_eq!(measures["successes a second in the main phase"], "1.5");
        assert_eq!(measures["ok"], "3 (75.0 %)");
        assert_eq!(measures["unknown"], "1 (25.0 %)");
        assert_eq!(measures["latency of read"], "p50 20.0 ms, p99 500.0 ms, max 500.0 ms");
    }

    #[test]
    fn recovery_counts_only_calls_made_after_the_fault() {
        let measures = measured(&outage());
        assert_eq!(measures["recovery after kill"], "median 1.30 s, longest 1.30 s");
        assert_eq!(measures["recovery after repair of kill"], "median 600.0 ms, longest 600.0 ms");
        let mut history = outage();
        injected(&mut history, 2100, Fault::Pause { nodes: vec![NodeId(2)] });
        assert_eq!(measured(&history)["recovery after pause"], "never after 1 of 1");
    }

    #[test]
    fn it_never_accuses_and_needs_something_to_measure() {
        let says = |history: &History| Availability.check(history, &Budget::default()).verdict;
        assert_eq!(says(&outage()), Verdict::Valid);
        assert_eq!(says(&History::new()), Verdict::Unknown);
        let mut history = History::new();
        history.push(Time::ZERO, Event::Phase(Phase::Main)).unwrap();
        assert_eq!(says(&history), Verdict::Unknown);
        read(&mut history, 0, 5);
        assert_eq!(says(&history), Verdict::Valid);
    }
}
