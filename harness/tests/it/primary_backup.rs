//! A primary and backups in two modes: what the one waits for, the other loses.

use checkers::{Report, Verdict};
use history::{Call, Event, FaultKind, History, Outcome};
use std::time::Duration;
use tribunal::trial::Trial;

/// Sets that are added to and looked at while the network parts, and nothing else.
fn parted(protocol: &'static str, seed: u64) -> (History, Verdict, Vec<Report>) {
    let nemesis = vec![FaultKind::Partition.into()];
    let (time, interval) = (Duration::from_secs(20), Duration::from_secs(2));
    let trial = Trial { workload: "set-full", nemesis, time, interval, ..Trial::of(protocol, seed) };
    let outcome = trial.run().expect("the simulator works");
    let judgement = trial.judge(&outcome).expect("sets can be judged");
    (outcome.history, judgement.verdict, judgement.reports)
}

/// The additions that a verdict calls lost: whether each was acknowledged.
fn lost<'h>(history: &'h History, reports: &[Report]) -> Vec<(&'h Call, bool)> {
    let anomalies =
        reports.iter().filter(|report| report.checker == "set-full").flat_map(|report| &report.anomalies);
    let named = anomalies.filter(|anomaly| anomaly.name == "lost element");
    let added = named.map(|anomaly| {
        let op = history
            .ops()
            .find(|op| anomaly.events.contains(&op.invoked) && matches!(op.call, Call::Add { .. }));
        op.expect("it names the addition")
    });
    added.map(|op| (op.call, op.outcome.is_ok())).collect()
}

#[test]
fn an_asynchronous_primary_loses_what_it_has_answered_and_the_verdict_says_which() {
    let _alone = crate::machine::alone();
    let (mut losers, mut writes) = (0, 0);
    for seed in 1..=20 {
        let (history, verdict, reports) = parted("primary-backup-async", seed);
        let lost = lost(&history, &reports);
        assert!(lost.is_empty() || verdict == Verdict::Invalid, "seed {seed}");
        for (call, acknowledged) in &lost {
            // What was seen once and then no more is lost as well, whatever its client was told.
            let Call::Add { key, value } = call else { panic!("it names an addition") };
            let last =
                history.ops().filter(|op| matches!(op.call, Call::Elements { key: k } if k == key)).last();
            let Some(Outcome::Ok(history::Reply::List(there))) = last.map(|op| op.outcome) else {
                panic!("seed {seed}: nobody looked at {key} in the end")
            };
            assert!(!there.contains(value), "seed {seed}: {call} is there");
            writes += usize::from(*acknowledged);
        }
        losers += usize::from(lost.iter().any(|(_, acknowledged)| *acknowledged));
    }
    println!("of 20 runs, {losers} lost {writes} acknowledged additions");
    assert!(losers >= 10, "{losers} of 20 runs lost anything");
}

#[test]
fn a_synchronous_primary_loses_nothing_in_the_same_weather() {
    let _alone = crate::machine::alone();
    for seed in 1..=20 {
        let (history, verdict, reports) = parted("primary-backup", seed);
        assert_eq!(verdict, Verdict::Valid, "seed {seed}: {reports:#?}");
        let parted = |event: &Event| matches!(event, Event::Injected { fault, .. } if fault.kind() == FaultKind::Partition);
        assert!(history.entries().iter().any(|entry| parted(&entry.event)), "seed {seed}");
    }
}

#[test]
fn an_asynchronous_primary_is_right_until_something_fails() {
    let _alone = crate::machine::alone();
    for seed in 1..=20 {
        let trial = Trial { time: Duration::from_secs(20), ..Trial::of("primary-backup-async", seed) };
        assert!(trial.nemesis.is_empty());
        let outcome = trial.run().expect("the simulator works");
        let judgement = trial.judge(&outcome).expect("registers can be judged");
        assert_eq!(judgement.verdict, Verdict::Valid, "seed {seed}: {:#?}", judgement.reports);
    }
}
