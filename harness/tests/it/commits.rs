//! Atomic commitment: what each protocol is good for, and what it is not.

use crate::simulated::each_seed;
use checkers::{Report, Verdict};
use history::{FaultKind, NodeId, Outcome, Refusal, Time};
use nemesis::{Intent, Plan, Selector, Step};
use std::sync::Mutex;
use std::time::Duration;
use tribunal::trial::Trial;

/// Transactions over several nodes, and this alone is broken.
fn commits(protocol: &'static str, kind: FaultKind, seed: u64) -> Trial {
    let time = Duration::from_secs(20);
    Trial { workload: "commit", nemesis: vec![kind.into()], time, ..Trial::of(protocol, seed) }
}

/// What the judge of atomicity says of a trial, and all of them together.
fn judged(trial: &Trial) -> Result<(Report, Verdict), String> {
    let outcome = trial.run().map_err(|error| error.to_string())?;
    let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
    let atomicity = judgement.reports.iter().find(|report| report.checker == "atomicity");
    Ok((atomicity.ok_or("it judges")?.clone(), judgement.verdict))
}

fn measured(report: &Report, name: &str) -> String {
    let measure = report.measures.iter().find(|(measure, _)| measure.starts_with(name));
    measure.unwrap_or_else(|| panic!("{name} is measured: {report:?}")).1.clone()
}

/// The longest time that anybody who was up was in doubt, in milliseconds.
fn longest_doubt(report: &Report) -> u64 {
    let all = measured(report, "time in doubt");
    all.split(' ').next_back().and_then(|longest| longest.parse().ok()).expect("it is a number")
}

/// One node is down for six seconds, twice.
fn long_deaths(protocol: &'static str, seed: u64) -> Trial {
    let node = |number| Selector::These(vec![NodeId(number)]);
    let steps = [(2, 1), (12, 2)].into_iter().flat_map(|(second, number)| {
        [
            Step::at(Time::from_secs(second), Intent::Kill(node(number))),
            Step::at(Time::from_secs(second + 6), Intent::Repair(FaultKind::Kill)),
        ]
    });
    Trial { plan: Some(Plan(steps.collect())), ..commits(protocol, FaultKind::Kill, seed) }
}

#[test]
fn two_phase_blocks_while_a_coordinator_is_down_and_says_so() {
    let (longest, told) = (Mutex::new(0), Mutex::new(0));
    each_seed(1..=10, |seed| {
        let trial = long_deaths("two-phase", seed);
        let (report, verdict) = judged(&trial)?;
        if verdict != Verdict::Valid || measured(&report, "votes undecided") != "0" {
            return Err(format!("{report:?}"));
        }
        let doubt = longest_doubt(&report);
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let blocked = outcome.history.ops().filter(|op| match op.outcome {
            Outcome::Fail(Refusal::Other(why)) => why.contains("in doubt"),
            _ => false,
        });
        *told.lock().unwrap() += blocked.count();
        let mut longest = longest.lock().unwrap();
        *longest = doubt.max(*longest);
        Ok(())
    });
    let (longest, told) = (longest.into_inner().unwrap(), told.into_inner().unwrap());
    println!("two-phase: in doubt for up to {longest} ms; {told} calls were told so");
    assert!(longest > 5_000, "somebody waits until the coordinator is back, not {longest} ms");
    assert!(told > 0, "whoever comes to a locked key hears why");
}

#[test]
fn the_others_do_not_block_while_a_coordinator_is_down() {
    for (protocol, limit) in [("three-phase", 3_500), ("paxos-commit", 2_000)] {
        let longest = Mutex::new(0);
        each_seed(1..=10, |seed| {
            let (report, verdict) = judged(&long_deaths(protocol, seed))?;
            let doubt = longest_doubt(&report);
            let mut longest = longest.lock().unwrap();
            *longest = doubt.max(*longest);
            match verdict == Verdict::Valid && doubt < limit {
                true => Ok(()),
                false => Err(format!("{protocol}: {report:?}")),
            }
        });
        println!("{protocol}: in doubt for up to {} ms", longest.into_inner().unwrap());
    }
}

#[test]
fn three_phase_loses_atomicity_when_the_network_parts() {
    let _alone = crate::machine::alone();
    let trial = |seed| Trial {
        interval: Duration::from_secs(3),
        ..commits("three-phase", FaultKind::Partition, seed)
    };
    let found = (1..=20).find_map(|seed| {
        let (report, _) = judged(&trial(seed)).expect("it can be judged");
        let torn = report.anomalies.iter().find(|anomaly| anomaly.name == "AC1")?;
        assert_eq!(report.verdict, Verdict::Invalid);
        Some((seed, torn.story.clone()))
    });
    let (seed, story) = found.expect("both sides decide, and not alike");
    println!("seed {seed}: {story}");
    // Both sides are shown.
    assert!(story.contains("committed at") && story.contains("aborted at"), "{story}");
}

#[test]
fn three_phase_is_valid_when_nodes_only_crash() {
    each_seed(1..=40, |seed| {
        let interval = Duration::from_millis(if seed % 2 == 0 { 500 } else { 3_000 });
        let trial = Trial { interval, ..commits("three-phase", FaultKind::Kill, seed) };
        let (report, verdict) = judged(&trial)?;
        match verdict {
            Verdict::Valid => Ok(()),
            _ => Err(format!("{report:?}")),
        }
    });
}

#[test]
fn the_others_stay_whole_when_the_network_parts() {
    for protocol in ["two-phase", "paxos-commit"] {
        each_seed(1..=20, |seed| {
            let interval = Duration::from_secs(3);
            let (report, verdict) =
                judged(&Trial { interval, ..commits(protocol, FaultKind::Partition, seed) })?;
            match verdict {
                Verdict::Valid => Ok(()),
                _ => Err(format!("{protocol}: {report:?}")),
            }
        });
    }
}
