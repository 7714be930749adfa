//! Stored records rot in a minority of the nodes: who finds that stays down, and the others keep every promise.

use crate::simulated::each_seed;
use checkers::Verdict;
use history::{Event, FaultKind, History, NodeId};
use nemesis::{How, Wish};
use protocols::catalog::PROTOCOLS;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tribunal::trial::Trial;

/// So many runs of each protocol.
const SEEDS: u64 = 30;

fn rotting(protocol: &'static str, seed: u64) -> Trial {
    let rot = Wish { how: Some(How::Rot), ..Wish::from(FaultKind::Damage) };
    let nemesis = vec![FaultKind::Partition.into(), FaultKind::Kill.into(), rot];
    // Slow faults and quick ones.
    let interval = Duration::from_millis(if seed.is_multiple_of(2) { 500 } else { 3_000 });
    Trial { nemesis, interval, time: Duration::from_secs(30), ..Trial::of(protocol, seed) }
}

/// Who has refused its log.
fn refusing(history: &History) -> BTreeSet<NodeId> {
    let refused = |event: &Event| match event {
        Event::Died { node, how } if how.contains("its log is damaged at record") => Some(*node),
        _ => None,
    };
    history.entries().iter().filter_map(|entry| refused(&entry.event)).collect()
}

#[test]
fn a_minority_whose_logs_rot_is_missed_and_nothing_else_is() {
    let said = |entry: &&protocols::catalog::Entry| entry.survives.contains(&"damage:rot");
    let runs: Vec<(&str, u64)> =
        PROTOCOLS.iter().filter(said).flat_map(|entry| (1..=SEEDS).map(|seed| (entry.name, seed))).collect();
    let (one, two) = (AtomicUsize::new(0), AtomicUsize::new(0));
    each_seed(0..runs.len() as u64, |number| {
        let (protocol, seed) = runs[number as usize];
        let trial = rotting(protocol, seed);
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
        if judgement.verdict != Verdict::Valid {
            return Err(format!("{protocol}, seed {seed}: {:#?}", judgement.reports));
        }
        let refusing = refusing(&outcome.history);
        match refusing.len() {
            1 => one.fetch_add(1, Ordering::Relaxed),
            2 => two.fetch_add(1, Ordering::Relaxed),
            _ => return Err(format!("{protocol}, seed {seed}: {refusing:?} of 5 refused their logs")),
        };
        let deaths = judgement.reports.iter().find(|report| report.checker == "deaths");
        let said = deaths.map_or("", |report| report.summary.as_str());
        let named =
            |node: &NodeId| said.contains(&format!("{node}, whose data we damaged, ended: exit status: 65"));
        if refusing.iter().all(named) { Ok(()) } else { Err(format!("{refusing:?} refused, but: {said}")) }
    });
    let (one, two) = (one.into_inner(), two.into_inner());
    println!("of {} runs one node refused its log in {one}, two in {two}", runs.len());
    assert!(runs.len() >= 6 * SEEDS as usize && two > one);
}
