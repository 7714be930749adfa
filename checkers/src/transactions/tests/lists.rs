//! Random small histories of lists.

use super::notation::history;
use super::oracle::{RESPECTS, serializable, snapshot};
use super::random::histories;
use super::{cases, tally};
use crate::{Budget, Checker, Isolation, ListAppend, Verdict};

#[test]
fn random_histories_are_judged_as_every_order_tells() {
    use Isolation::*;
    let serial = [Serializable, StrongSessionSerializable, StrictSerializable];
    let snapshots = [SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation];
    let counts = tally(cases(10_000), 1, |case, chance| {
        let mut counts = [0u64; 4];
        let txns = histories(chance, true);
        let history = history(&txns);
        for (model, respect) in serial.into_iter().chain(snapshots).zip(RESPECTS.into_iter().cycle()) {
            let expected = match serial.contains(&model) {
                true => serializable(&txns, respect),
                false => snapshot(&txns, respect),
            };
            let report = ListAppend::new(model).check(&history, &Budget::default());
            let said = report.verdict;
            let told = || format!("case {case}, {model}, {expected}: {} {txns:#?}", report.summary);
            let silent = report.summary.starts_with("vacuous");
            let hidden = report.summary.starts_with("not serializable, and nobody knows");
            assert!(
                said != Verdict::Unknown || silent || (hidden && snapshots.contains(&model)),
                "{}",
                told()
            );
            if !hidden {
                assert_eq!(said != Verdict::Invalid, expected, "{}", told());
            }
            counts[2 * usize::from(expected) + usize::from(serial.contains(&model))] += 1;
        }
        counts
    });
    assert!(counts.iter().all(|count| *count > cases(10_000) / 4), "one-sided: {counts:?}");
}
