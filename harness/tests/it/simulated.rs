//! The simulator keeps its promises: sound protocols stay silent, and a seed is a run.

use checkers::Verdict;
use std::sync::Mutex;
use std::time::Duration;
use tribunal::trial::Trial;

/// Does `work` for every seed, on both processors; panics with every complaint.
pub fn each_seed(seeds: impl Iterator<Item = u64> + Send, work: impl Fn(u64) -> Result<(), String> + Sync) {
    let _alone = crate::machine::alone();
    let (seeds, complaints) = (Mutex::new(seeds), Mutex::new(Vec::new()));
    let worker = || {
        while let Some(seed) = { seeds.lock().expect("no worker panics").next() } {
            if let Err(complaint) = work(seed) {
                complaints.lock().expect("no worker panics").push(format!("seed {seed}: {complaint}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(worker);
        }
    });
    let complaints = complaints.into_inner().expect("no worker panics");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn two_runs_of_one_seed_are_equal_bit_for_bit() {
    let digests = Mutex::new(std::collections::BTreeSet::new());
    each_seed(1..=60, |seed| {
        let trial = Trial { time: Duration::from_secs(20), ..Trial::new(seed) };
        let digest = || trial.run().map(|outcome| outcome.history.digest().to_string());
        let (first, second) = (digest().map_err(|e| e.to_string())?, digest().map_err(|e| e.to_string())?);
        if first != second {
            return Err(format!("digest {first}, then {second}"));
        }
        digests.lock().unwrap().insert(first);
        Ok(())
    });
    assert_eq!(digests.into_inner().unwrap().len(), 60, "different seeds are different runs");
}

#[test]
fn sound_raft_is_valid_whatever_is_broken() {
    each_seed(1..=200, |seed| {
        // Slow faults and quick ones: both kinds of weather find bugs that the other does not.
        let interval = Duration::from_millis(if seed % 2 == 0 { 500 } else { 5_000 });
        let trial = Trial { interval, ..Trial::new(seed) };
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
        match judgement.verdict {
            Verdict::Valid => Ok(()),
            verdict => Err(format!("{verdict}: {:#?}", judgement.reports)),
        }
    });
}

#[test]
fn clusters_of_every_size_work() {
    for nodes in [1, 2, 3, 4, 7] {
        each_seed(1..=4, |seed| {
            let nemesis = if nodes > 1 { Trial::new(seed).nemesis } else { vec![history::FaultKind::Kill] };
            let trial = Trial { nodes, nemesis, time: Duration::from_secs(30), ..Trial::new(seed) };
            let outcome = trial.run().map_err(|error| error.to_string())?;
            match trial.judge(&outcome).map_err(|error| error.to_string())?.verdict {
                Verdict::Invalid => Err(format!("{nodes} nodes: invalid")),
                Verdict::Valid | Verdict::Unknown => Ok(()),
            }
        });
    }
}
