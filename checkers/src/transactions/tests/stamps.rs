//! Timestamps of commits: what they prove, and what they do not.

use super::notation::{history, parse};
use super::oracle::{RESPECTS, serializable, snapshot};
use super::random::histories;
use super::{cases, tally};
use crate::{Budget, Checker, Isolation, ListAppend, Report, RwRegister, Verdict};
use history::{Chance, Event, History, ProcessId, Stamp};
use std::collections::BTreeMap;

/// The history in which transactions that are ok are told these times, in the order of their completions.
fn stamped(history: &History, mut stamps: impl Iterator<Item = Option<Stamp>>) -> History {
    let mut told = History::new();
    for entry in history.entries() {
        if let Event::Complete { process, outcome } = &entry.event
            && outcome.is_ok()
            && let Some(stamp) = stamps.next().flatten()
        {
            told.push(entry.time, Event::Stamped { process: *process, stamp }).unwrap();
        }
        told.push(entry.time, entry.event.clone()).unwrap();
    }
    told
}

fn worth(report: &Report) -> Option<&str> {
    report.measures.iter().find(|(name, _)| name == "timestamps").map(|(_, worth)| worth.as_str())
}

const PROOF: Option<&str> = Some("their order explains everything");

fn judged(text: &str, stamps: &[(Option<u64>, u64)], expect: Isolation) -> (Verdict, String) {
    let lists = text.contains('a');
    let stamps = stamps.iter().map(|(start, commit)| Some(Stamp { start: *start, commit: *commit }));
    let history = stamped(&history(&parse(text, lists)), stamps);
    let judge: Box<dyn Checker> =
        if lists { Box::new(ListAppend::new(expect)) } else { Box::new(RwRegister::new(expect)) };
    let report = judge.check(&history, &Budget::default());
    (report.verdict, worth(&report).unwrap_or_default().to_owned())
}

#[test]
fn timestamps_prove_or_lie_and_accuse_nobody() {
    use Isolation::*;
    let (proof, unwritten) = ("their order explains everything", "nobody before had written k120");
    let skew = "T1: rx0 wy1 [0,2]; T2: ry0 wx1 [1,3]";
    let (both, serial) = ([(Some(1), 3), (Some(2), 4)], [(None, 1), (None, 2)]);
    for (text, stamps, expect, verdict, told) in [
        ("T1: wx1; T2: rx1", &serial[..], Serializable, Verdict::Valid, proof),
        ("T1: ax1; T2: rx1", &serial[..], Serializable, Verdict::Valid, proof),
        // It is an order, but not that of the timestamps.
        ("T1: rx1 [0,1]; T2: wx1 [2,3]", &serial, Serializable, Verdict::Valid, unwritten),
        ("T1: rx1 [0,1]; T2: ax1 [2,3]", &serial, Serializable, Verdict::Valid, unwritten),
        (
            "T1: wx1; T2: wx2; T3: rx2",
            &[(None, 2), (None, 1), (None, 3)],
            Serializable,
            Verdict::Valid,
            "T2 is p0",
        ),
        (skew, &both, SnapshotIsolation, Verdict::Valid, proof),
        (skew, &both, Serializable, Verdict::Invalid, "its part 1 (read k121 nil) does not fit"),
        (skew, &serial, SnapshotIsolation, Verdict::Valid, "they do not say when transactions began"),
        (skew, &[(Some(1), 2), (Some(2), 4)], SnapshotIsolation, Verdict::Valid, "they lie: T1 is p1"),
        (
            "T1: wx1 [0,2]; T2: wx2 ry0 [1,3]",
            &both,
            SnapshotIsolation,
            Verdict::Valid,
            "k120 was written by another",
        ),
        (
            "T1: wx1 [0,1]; T2: wy2 [2,3]; T3: rx1 [4,5]",
            &[(None, 2), (None, 1), (None, 3)],
            StrictSerializable,
            Verdict::Valid,
            "it was over when another was invoked: T2 is p1",
        ),
        (
            "T1: wx1; T2: rx1",
            &[(Some(2), 1), (Some(3), 3)],
            SnapshotIsolation,
            Verdict::Valid,
            "which cannot be",
        ),
        (
            "T1: wx1; T2: rx1",
            &serial[..1],
            Serializable,
            Verdict::Valid,
            "1 of 2 transactions that took effect have none",
        ),
        ("T1: wx1; T2: rx1", &serial, ReadCommitted, Verdict::Valid, ""),
        ("T1: wx1; T2: rx1", &[], Serializable, Verdict::Valid, ""),
        // Who reads at the instant of a commit sees it.
        ("T1: wx1; T2: rx1", &[(None, 1), (None, 1)], Serializable, Verdict::Valid, proof),
        ("T1: rx1; T2: wx1", &[(None, 1), (None, 1)], Serializable, Verdict::Valid, proof),
        ("T1: wx1; T2: rx1 wy1", &[(Some(1), 2), (Some(2), 3)], SnapshotIsolation, Verdict::Valid, proof),
    ] {
        let (said, worth) = judged(text, stamps, expect);
        assert!(worth.contains(told) && worth.is_empty() == told.is_empty(), "{text}: {worth}");
        assert_eq!(said, verdict, "{text}");
    }
}

/// Some times for the transactions: those of a run, as far as chance allows.
fn times(history: &History, chance: &mut Chance) -> Vec<Option<Stamp>> {
    let (mut began, mut stamps) = (BTreeMap::<ProcessId, u64>::new(), Vec::new());
    let (starts, shuffled) = (chance.permille(500), chance.permille(600));
    for (at, entry) in history.entries().iter().enumerate() {
        match &entry.event {
            Event::Invoke { process, .. } => drop(began.insert(*process, 2 * at as u64)),
            Event::Complete { process, outcome } if outcome.is_ok() => {
                let (from, to) = (began[process], 2 * at as u64);
                let (from, to) = if shuffled { (0, 20) } else { (from, to) };
                let (one, other) = (chance.between(from, to), chance.between(from, to));
                let start = starts.then_some(one.min(other));
                let missing = chance.permille(20);
                stamps.push((!missing).then_some(Stamp { start, commit: one.max(other) }));
            }
            _ => {}
        }
    }
    stamps
}

#[test]
fn timestamps_change_no_verdict_and_prove_only_what_an_order_tells() {
    use Isolation::*;
    let serial = [Serializable, StrongSessionSerializable, StrictSerializable];
    let snapshots = [SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation];
    let counts = tally(cases(10_000), 11, |case, chance| {
        let (mut counts, lists) = ([0u64; 4], case % 2 == 0);
        let txns = histories(chance, lists);
        let plain = history(&txns);
        let told = stamped(&plain, times(&plain, chance).into_iter());
        for (model, respect) in serial.into_iter().chain(snapshots).zip(RESPECTS.into_iter().cycle()) {
            let judge: Box<dyn Checker> =
                if lists { Box::new(ListAppend::new(model)) } else { Box::new(RwRegister::new(model)) };
            let without = judge.check(&plain, &Budget::default());
            let with = judge.check(&told, &Budget::default());
            let shown = || format!("case {case}, {model}: {:?} {txns:#?}", worth(&with));
            let proof = worth(&with) == PROOF;
            let helped = proof && without.verdict == Verdict::Unknown && with.verdict == Verdict::Valid;
            assert!(with.verdict == without.verdict || helped, "{}", shown());
            if proof {
                let possible = match serial.contains(&model) {
                    true => serializable(&txns, respect),
                    false => snapshot(&txns, respect),
                };
                assert!(possible && with.verdict != Verdict::Invalid, "{}", shown());
            }
            let lies = worth(&with).is_some_and(|worth| worth.starts_with("they lie"));
            counts[0] += u64::from(proof && serial.contains(&model));
            counts[1] += u64::from(proof && snapshots.contains(&model));
            counts[2] += u64::from(lies && with.verdict == Verdict::Valid);
            counts[3] += u64::from(lies && with.verdict == Verdict::Invalid);
        }
        counts
    });
    assert!(counts.iter().all(|count| *count > cases(10_000) / 20), "one-sided: {counts:?}");
}
