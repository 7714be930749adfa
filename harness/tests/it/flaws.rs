//! Test the tester: every known bug is found, and it is the bug that is found.

use checkers::Verdict;
use history::{FaultKind, Time};
use nemesis::{Intent, Plan, Selector, Shape};
use protocols::Flaw;
use std::fmt::Write;
use std::time::Duration;
use tribunal::trial::Trial;

/// Within so many seeds.
const SEEDS: u64 = 100;

/// The weather in which a flaw shows: quick faults of every kind, but for one that needs a slow clock and then
/// a partition, both on the leader.
fn weather(flaw: Flaw, seed: u64) -> Trial {
    let trial = Trial { flaw: Some(flaw), ..Trial::new(seed) };
    if flaw == Flaw::LeaseReads { slow_leaders(trial) } else { trial }
}

/// Again and again, the clock of whoever leads runs at half its speed, and then nobody hears it any more.
fn slow_leaders(trial: Trial) -> Trial {
    let slow = Intent::Clock { of: Selector::Primaries, jump_ms: 0, rate_ppm: 500_000 };
    let steps = (1..30).flat_map(|second: u64| {
        let at = |millis| Time::from_millis(second * 2_000 + millis);
        [
            (at(0), slow.clone()),
            (at(300), Intent::Partition(Shape::Isolate(Selector::Primaries))),
            (at(1_200), Intent::Repair(FaultKind::Partition)),
            (at(1_400), Intent::Repair(FaultKind::Clock)),
        ]
    });
    let plan = Some(Plan(steps.collect()));
    // Clients that wait long for a leader that nobody hears would all be waiting when the next one is elected.
    let patience = Duration::from_millis(100);
    Trial { plan, patience, nemesis: vec![FaultKind::Partition, FaultKind::Clock], rate: 400.0, ..trial }
}

/// The first seed in which a flaw shows, and as what.
fn hunt(flaw: Flaw) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let trial = weather(flaw, seed);
        let outcome = trial.run().expect("the simulator works");
        let judgement = trial.judge(&outcome).expect("registers can be judged");
        let guilty = judgement.reports.iter().find(|report| report.verdict == Verdict::Invalid)?;
        Some((seed, format!("{}: {}", guilty.checker, guilty.anomalies[0].name)))
    })
}

#[test]
fn every_flaw_is_found_and_vanishes_with_its_cause() {
    let _alone = crate::machine::alone();
    let mut table = String::from("flaw                        seed  found by\n");
    let mut missed = Vec::new();
    for flaw in Flaw::ALL {
        match hunt(flaw) {
            None => missed.push(flaw.name()),
            Some((seed, anomaly)) => {
                let _ = writeln!(table, "{:26}  {seed:4}  {anomaly}", flaw.name());
                let trial = Trial { flaw: None, ..weather(flaw, seed) };
                let outcome = trial.run().expect("the simulator works");
                let verdict = trial.judge(&outcome).expect("registers can be judged").verdict;
                assert_eq!(verdict, Verdict::Valid, "seed {seed} without {}", flaw.name());
            }
        }
    }
    println!("{table}");
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {}\n{table}", missed.join(", "));
}

#[test]
fn leases_are_as_good_as_clocks_are() {
    let _alone = crate::machine::alone();
    for seed in 1..=30 {
        let trial = slow_leaders(Trial { flaw: Some(Flaw::LeaseReads), ..Trial::new(seed) });
        // The same partitions while clocks are true, or nearly: the world lets them drift by up to 5 %.
        let steps = trial.plan.clone().expect("it has a plan").0;
        let steps = steps.into_iter().filter(|(_, intent)| intent.kind() != FaultKind::Clock).collect();
        let trial = Trial { plan: Some(Plan(steps)), nemesis: vec![FaultKind::Partition], ..trial };
        let outcome = trial.run().expect("the simulator works");
        let judgement = trial.judge(&outcome).expect("registers can be judged");
        assert_eq!(judgement.verdict, Verdict::Valid, "seed {seed}: {:#?}", judgement.reports);
    }
}
