//! Test the tester: every known bug is found, and it is the bug that is found.

use checkers::Verdict;
use protocols::Flaw;
use std::fmt::Write;
use tribunal::trial::Trial;

/// Within so many seeds.
const SEEDS: u64 = 100;

/// The first seed in which a flaw shows, and as what.
fn hunt(flaw: Flaw) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let trial = Trial { flaw: Some(flaw), ..Trial::new(seed) };
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
                let trial = Trial::new(seed);
                let outcome = trial.run().expect("the simulator works");
                let verdict = trial.judge(&outcome).expect("registers can be judged").verdict;
                assert_eq!(verdict, Verdict::Valid, "seed {seed} without {}", flaw.name());
            }
        }
    }
    println!("{table}");
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {}\n{table}", missed.join(", "));
}
