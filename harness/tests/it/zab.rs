//! Zab's local reads: what they promise, and what they do not.

use crate::machine;
use crate::simulated::each_seed;
use checkers::{Budget, Checker, Linearizable, Verdict};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tribunal::trial::Trial;

#[test]
fn local_reads_are_sequentially_consistent_and_not_linearizable() {
    let names: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
    each_seed(1..=20, |seed| {
        let trial = Trial { time: Duration::from_secs(8), ..Trial::of("zab", seed) };
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
        let sequential = judgement.reports.iter().find(|report| report.checker == "sequential");
        match sequential {
            Some(report) if report.verdict == Verdict::Valid => {}
            report => return Err(format!("not sequentially consistent: {report:#?}")),
        }
        // The same history, held against what it does not promise.
        let report = Linearizable::default().check(&outcome.history, &Budget::default());
        for anomaly in report.anomalies {
            *names.lock().expect("nobody panics").entry(anomaly.name).or_default() += 1;
        }
        Ok(())
    });
    let names = names.into_inner().expect("nobody panics");
    println!("held against linearizability: {names:?}");
    assert!(names.contains_key("stale read"), "no stale read in 20 seeds, but {names:?}");
}

#[test]
fn who_expects_more_of_zab_is_told_so() {
    let store = tempfile::tempdir().expect("a directory");
    let judged = |expect: &[&str]| {
        let args = ["test", "zab", "--on", "sim", "--seed", "1", "--time-limit", "20s"];
        let weather = ["--nemesis", "partition,packets", "--nemesis-interval", "1s"];
        machine::run(&[&args[..], &weather, expect].concat(), store.path())
    };
    let usual = judged(&[]);
    assert_eq!(usual.code, Some(0), "{}", usual.said());
    let strict = judged(&["--expect", "linearizable"]);
    assert!(strict.code == Some(1) && strict.said().contains("stale read"), "{}", strict.said());
}
