//! Viewstamped Replication lives in memory: what happens when that is gone.

use crate::simulated::each_seed;
use checkers::Verdict;
use history::{Event, Fault, FaultKind, Outcome, Phase, Refusal, Time};
use nemesis::{Intent, Plan, Selector, Step};
use std::time::Duration;
use tribunal::trial::Trial;

/// Kills these at once, and starts them again half a second later.
fn blackout(seed: u64, of: Selector) -> Trial {
    let steps = vec![
        Step::at(Time::from_secs(4), Intent::Kill(of)),
        Step::at(Time::from_millis(4_500), Intent::Repair(FaultKind::Kill)),
    ];
    let nemesis = vec![FaultKind::Kill.into()];
    let time = Duration::from_secs(8);
    Trial { plan: Some(Plan(steps)), nemesis, time, ..Trial::of("viewstamped", seed) }
}

#[test]
fn a_majority_that_loses_its_memory_at_once_ends_the_service_and_says_so() {
    for of in [Selector::All, Selector::Majority] {
        each_seed(1..=10, |seed| {
            let trial = blackout(seed, of.clone());
            let outcome = trial.run().map_err(|error| error.to_string())?;
            let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
            if judgement.reports.iter().any(|report| report.verdict == Verdict::Invalid) {
                return Err(format!("a wrong answer: {:#?}", judgement.reports));
            }
            let entries = outcome.history.entries();
            let killed = entries.iter().position(
                |entry| matches!(&entry.event, Event::Injected { fault, .. } if matches!(**fault, Fault::Kill { .. })),
            );
            let killed = killed.ok_or("nobody was killed")?;
            let back = entries.iter().position(|entry| matches!(entry.event, Event::Phase(Phase::Heal)));
            let (mut served, mut named) = (0, 0);
            for entry in &entries[back.ok_or("it did not heal")?..] {
                match &entry.event {
                    Event::Complete { outcome: Outcome::Ok(_), .. } => served += 1,
                    Event::Complete { outcome: Outcome::Fail(Refusal::Other(why)), .. } => {
                        named += u64::from(why.contains("unrecoverable"));
                    }
                    _ => {}
                }
            }
            let before = entries[..killed].iter();
            let worked = before
                .filter(|entry| matches!(&entry.event, Event::Complete { outcome: Outcome::Ok(_), .. }));
            match (worked.count(), served, named) {
                (1.., 0, 1..) => Ok(()),
                other => Err(format!("{of}: served before, served after, refused by name: {other:?}")),
            }
        });
    }
}

#[test]
fn a_minority_that_loses_its_memory_recovers_it_from_the_others() {
    each_seed(1..=10, |seed| {
        let trial = blackout(seed, Selector::Minority);
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
        if judgement.verdict == Verdict::Valid { Ok(()) } else { Err(format!("{:#?}", judgement.reports)) }
    });
}
