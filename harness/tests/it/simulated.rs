//! The simulator keeps its promises: sound protocols stay silent, and a seed is a run.

use checkers::Verdict;
use history::{Event, Fault, FaultKind, Injection, Unsynced};
use nemesis::{How, Wish};
use protocols::Compaction;
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
        // So do logs that hardly ever hold what somebody lacks.
        let often = Compaction { every: 10, keep: seed % 8, chunk: 64 };
        let compaction = if seed % 3 == 0 { often } else { Compaction::default() };
        let trial = Trial { interval, compaction, ..Trial::new(seed) };
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
            let nemesis =
                if nodes > 1 { Trial::new(seed).nemesis } else { vec![history::FaultKind::Kill.into()] };
            let trial = Trial { nodes, nemesis, time: Duration::from_secs(30), ..Trial::new(seed) };
            let outcome = trial.run().map_err(|error| error.to_string())?;
            match trial.judge(&outcome).map_err(|error| error.to_string())?.verdict {
                Verdict::Invalid => Err(format!("{nodes} nodes: invalid")),
                Verdict::Valid | Verdict::Unknown => Ok(()),
            }
        });
    }
}

/// What the reports of a run accuse, and whether this text is in its history.
fn broken(seed: u64, nemesis: &[FaultKind], text: &str) -> (Vec<String>, bool) {
    let trial = Trial { nemesis: nemesis.iter().copied().map(Wish::from).collect(), ..Trial::new(seed) };
    let outcome = trial.run().expect("the simulator works");
    let judgement = trial.judge(&outcome).expect("registers can be judged");
    let guilty = judgement.reports.iter().filter(|report| report.verdict == Verdict::Invalid);
    let said = outcome.history.entries().iter().any(|entry| format!("{:?}", entry.event).contains(text));
    (guilty.map(|report| report.checker.clone()).collect(), said)
}

#[test]
fn who_forgets_what_it_promised_breaks_raft_and_who_notices_is_excused() {
    let _alone = crate::machine::alone();
    let (mut accused, mut refused) = (0, 0);
    for seed in 1..=40 {
        let kinds = [FaultKind::Damage, FaultKind::Partition, FaultKind::Kill];
        let (guilty, noticed) = broken(seed, &kinds, "its log is damaged at record");
        assert!(
            !guilty.contains(&"deaths".to_owned()),
            "seed {seed}: whoever refuses a damaged log is excused"
        );
        accused += usize::from(!guilty.is_empty());
        refused += usize::from(noticed);
    }
    // One forgotten vote is enough for two leaders in one term: that is beyond what Raft promises (its section 3.8:
    // every server keeps its term, vote and log).
    println!(
        "of 40 runs with damaged data, {accused} broke a promise of Raft; in {refused} somebody refused its log"
    );
    assert!(accused > 0 && refused > 20, "{accused} accused, {refused} refused");
}

#[test]
fn who_is_asked_to_end_hands_over_and_whatever_a_power_cut_leaves_is_borne() {
    let _alone = crate::machine::alone();
    let (mut orderly, mut torn) = (0, 0);
    for seed in 1..=30 {
        let wishes =
            [(FaultKind::Kill, How::Terminate), (FaultKind::Crash, How::Lost), (FaultKind::Crash, How::Torn)];
        let wishes = wishes.map(|(kind, how)| Wish { how: Some(how), ..Wish::from(kind) });
        let nemesis = wishes.into_iter().chain([Wish::from(FaultKind::Partition)]).collect();
        let trial = Trial { nemesis, ..Trial::new(seed) };
        let outcome = trial.run().expect("the simulator works");
        let judgement = trial.judge(&outcome).expect("registers can be judged");
        assert_ne!(judgement.verdict, Verdict::Invalid, "seed {seed}");
        if seed == 1 {
            let again = trial.run().expect("the simulator works");
            assert_eq!(again.history.entries(), outcome.history.entries());
        }
        for entry in outcome.history.entries() {
            let Event::Injected { fault, result } = &entry.event else { continue };
            let said = result.to_string();
            match (fault.as_ref(), result.as_ref()) {
                (Fault::Terminate { .. }, Injection::Installed(_)) => {
                    orderly += usize::from(said.contains("it ended in good order"));
                }
                (Fault::Crash { unsynced: Some(Unsynced::Lost), .. }, Injection::Installed(_)) => {
                    assert!(said.contains(" 0 torn, 0 out of reach"), "seed {seed}: {said}");
                }
                (Fault::Crash { unsynced: Some(Unsynced::Torn), .. }, Injection::Installed(_)) => {
                    torn += usize::from(!said.contains(" 0 torn"));
                }
                _ => {}
            }
        }
    }
    assert!(orderly > 100 && torn > 10, "{orderly} ended in good order, {torn} power cuts tore something");
}

#[test]
fn who_is_under_pressure_waits_and_keeps_its_word() {
    each_seed(1..=20, |seed| {
        match broken(seed, &[FaultKind::Pressure, FaultKind::Partition], "is free, after it had") {
            (guilty, true) if guilty.is_empty() => Ok(()),
            (guilty, seen) => Err(format!("{guilty:?} accuse; pressure was seen: {seen}")),
        }
    });
}
