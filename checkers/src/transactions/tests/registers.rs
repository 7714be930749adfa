//! Random small histories of registers, and the table of isolation.

use super::notation::{Do, End, Txn, history, parse};
use super::oracle::{RESPECTS, Respect, causally, prefixes, serializable, snapshot};
use super::random::histories;
use super::{cases, tally};
use crate::synthetic::transactions::{Database, Objects, Shape, simulate};
use crate::transactions::phenomenon::Order;
use crate::transactions::register::runs;
use crate::{Budget, Checker, Isolation, RwRegister, Verdict};

fn says(txns: &[Txn], expect: Isolation) -> (Verdict, String) {
    let report = RwRegister::new(expect).check(&history(txns), &Budget::default());
    for anomaly in &report.anomalies {
        assert!(!anomaly.events.is_empty() && anomaly.events.is_sorted(), "{anomaly:?}");
    }
    (report.verdict, report.summary)
}

#[test]
fn every_named_history_of_registers_is_judged_as_the_table_says() {
    use Isolation::*;
    let models = [
        RcAtomicVisibility,
        ReadAtomic,
        Causal,
        PrefixConsistency,
        StrongSessionSnapshotIsolation,
        StrongSessionSerializable,
    ];
    let mut count = 0;
    let table = include_str!("../../../testscripts/isolation.txt");
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [id, text, rc, ra, cc, pc, si, ser, _why] = fields[..] else { panic!("{fields:?}") };
        let txns = parse(text, false);
        for (model, expected) in models.into_iter().zip([rc, ra, cc, pc, si, ser]) {
            let (verdict, summary) = says(&txns, model);
            assert_eq!(
                if verdict == Verdict::Valid { "ok" } else { "no" },
                expected,
                "{id}, {model}: {summary}"
            );
            assert_ne!(verdict, Verdict::Unknown, "{id}, {model}: {summary}");
        }
        for (rule, expected) in [rc, ra, cc].into_iter().enumerate() {
            assert_eq!(if causally(&txns, rule) { "ok" } else { "no" }, expected, "{id}, oracle {rule}");
        }
        assert_eq!(if prefixes(&txns) { "ok" } else { "no" }, pc, "{id}, oracle of prefixes");
        assert_eq!(if snapshot(&txns, Respect::Sessions) { "ok" } else { "no" }, si, "{id}, oracle of SI");
        assert_eq!(
            if serializable(&txns, Respect::Sessions) { "ok" } else { "no" },
            ser,
            "{id}, oracle of SER"
        );
        count += 1;
    }
    assert_eq!(count, 17);
}

#[test]
fn random_histories_are_judged_as_every_order_tells() {
    use Isolation::*;
    let serial = [Serializable, StrongSessionSerializable, StrictSerializable];
    let snapshots = [SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation];
    let counts = tally(cases(10_000), 2, |case, chance| {
        let mut counts = [0u64; 6];
        let txns = histories(chance, false);
        for (model, respect) in serial.into_iter().chain(snapshots).zip(RESPECTS.into_iter().cycle()) {
            let expected = match serial.contains(&model) {
                true => serializable(&txns, respect),
                false => snapshot(&txns, respect),
            };
            let (verdict, summary) = says(&txns, model);
            let told = || format!("case {case}, {model}, {expected}: {summary} {txns:#?}");
            assert!(verdict != Verdict::Unknown || summary.starts_with("vacuous"), "{}", told());
            assert_eq!(verdict != Verdict::Invalid, expected, "{}", told());
            counts[2 * usize::from(expected) + usize::from(serial.contains(&model))] += 1;
        }
        let expected = prefixes(&txns);
        let (verdict, summary) = says(&txns, PrefixConsistency);
        let told = || format!("case {case}, prefix, {expected}: {summary} {txns:#?}");
        assert!(verdict != Verdict::Unknown || summary.starts_with("vacuous"), "{}", told());
        assert_eq!(verdict != Verdict::Invalid, expected, "{}", told());
        counts[4 + usize::from(expected)] += 1;
        counts
    });
    assert!(counts.iter().all(|count| *count > cases(10_000) / 5), "one-sided: {counts:?}");
}

#[test]
fn whatever_can_have_run_in_some_order_is_run_in_one() {
    let counts = tally(cases(10_000), 8, |case, chance| {
        let txns = histories(chance, false);
        let told = history(&txns);
        let mut counts = [0u64; 2];
        for (order, respect) in Order::ALL.into_iter().zip(RESPECTS) {
            let expected = serializable(&txns, respect);
            assert_eq!(runs(&told, order), expected, "case {case}, {respect:?}: {txns:#?}");
            counts[usize::from(expected)] += 1;
        }
        counts
    });
    assert!(counts.iter().all(|count| *count > cases(10_000) / 5), "one-sided: {counts:?}");
}

/// So many at once write without reading that the first attempt is wrong somewhere, and those after it are undone.
#[test]
fn long_histories_of_a_database_that_is_strict_are_run_again() {
    tally(cases(20).min(1_000), 9, |case, chance| {
        let shape =
            Shape { txns: 2_000, objects: Objects::Registers, database: Database::Strict, planted: false };
        assert!(runs(&simulate(shape, chance.bits()), Order::Realtime), "case {case}");
        [1]
    });
}

#[test]
fn random_histories_are_as_weak_as_every_order_of_commits_tells() {
    use Isolation::*;
    let counts = tally(cases(10_000), 3, |case, chance| {
        let mut counts = [0u64; 6];
        let mut txns = histories(chance, false);
        // These models are about committed transactions that agree with themselves.
        txns.retain(|txn| txn.end == End::Ok);
        if txns.iter().any(|txn| !agrees(txn)) {
            return counts;
        }
        for (rule, model) in [RcAtomicVisibility, ReadAtomic, Causal].into_iter().enumerate() {
            let expected = causally(&txns, rule);
            let (verdict, summary) = says(&txns, model);
            let told = || format!("case {case}, {model}, {expected}: {summary} {txns:#?}");
            assert!(verdict != Verdict::Unknown || summary.starts_with("vacuous"), "{}", told());
            let broken = verdict == Verdict::Invalid;
            // What was read but never written, or not last, is none of the axioms' business.
            let direct = ["garbage", "G1", "future"].iter().any(|name| summary.contains(name));
            assert!(broken != expected || (broken && direct), "{}", told());
            counts[2 * rule + usize::from(expected)] += 1;
        }
        counts
    });
    assert!(counts.iter().all(|count| *count > cases(10_000) / 50), "one-sided: {counts:?}");
}

/// Whether a transaction reads what it wrote or read before.
pub(super) fn agrees(txn: &Txn) -> bool {
    let mut held = std::collections::BTreeMap::new();
    txn.parts.iter().all(|part| match part {
        Do::Write(key, value) => {
            held.insert(*key, Some(*value));
            true
        }
        Do::Read(key, value) => *held.entry(*key).or_insert(*value) == *value,
        _ => true,
    })
}
