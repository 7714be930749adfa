//! Test the tester: every known bug is found, and it is the bug that is found.

use crate::simulated::each_seed;
use checkers::Verdict;
use history::{FaultKind, Moment, NodeId, Time, Trouble};
use nemesis::{How, Intent, Plan, Selector, Shape, Step, Turnover, Wish};
use protocols::{Compaction, Flaw};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tribunal::trial::Trial;

/// Within so many seeds.
const SEEDS: u64 = 100;

/// The weather in which a flaw shows in the first protocol that can have it.
pub fn weather(flaw: Flaw, seed: u64) -> Trial {
    weather_of(flaw, flaw.protocols()[0], seed)
}

/// The weather in which a flaw shows: quick faults of every kind, but for those that need one thing after another.
fn weather_of(flaw: Flaw, protocol: &'static str, seed: u64) -> Trial {
    let trial = Trial { flaw: Some(flaw), ..Trial::of(protocol, seed) };
    match flaw {
        Flaw::LeaseReads => slow_leaders(trial),
        Flaw::ChangeBeforeOwnCommit => rival_changes(trial),
        Flaw::FirstValueFound if protocol == "multipaxos" => falling_leaders(trial),
        // Only what is about several shards can go wrong between them.
        Flaw::ReadsPastLocks | Flaw::VotesUnprepared | Flaw::DecisionForgotten | Flaw::AbortsAlone => {
            Trial { workload: "append", ..trial }
        }
        // A register that is written twice holds the same; and nobody asks twice who is not told to.
        Flaw::RetryAppliedTwice => Trial { workload: "counter", retry: true, ..trial },
        Flaw::LearnersCount
        | Flaw::TwoChangesAtOnce
        | Flaw::MembersNotRolledBack
        | Flaw::RemovedLeaderCounts => comings_and_goings(trial),
        Flaw::SnapshotForgetsMembers => Trial { compaction: often(), ..comings_and_goings(trial) },
        Flaw::SnapshotMissesLast
        | Flaw::SnapshotNotPersisted
        | Flaw::SnapshotSetsBack
        | Flaw::SnapshotKeepsConflicts => Trial { compaction: often(), ..trial },
        Flaw::SnapshotForgetsSessions => {
            Trial { workload: "counter", retry: true, compaction: often(), ..trial }
        }
        Flaw::SnapshotForgetsTokens => Trial { workload: "lock", compaction: often(), ..trial },
        Flaw::LockWithoutFencing | Flaw::UnlockedByAnybody | Flaw::LeaseByOwnClock => {
            Trial { workload: "lock", ..trial }
        }
        Flaw::LeaseByAnyClock => true_clocks(Trial { workload: "lock", ..trial }),
        Flaw::SnapshotForgetsIds => Trial { workload: "unique-ids", compaction: often(), ..trial },
        Flaw::SnapshotForgetsRevision => Trial { workload: "monotonic", compaction: often(), ..trial },
        Flaw::SnapshotForgetsAccounts => Trial { workload: "bank", compaction: often(), ..trial },
        Flaw::RotTakenForTorn => rotting_logs(trial),
        // Slowly enough that no register is written so often, unseen, that even a sound store has forgotten some of it.
        Flaw::SnapshotForgetsChanges => {
            Trial { workload: "watch", rate: 100.0, compaction: often(), ..trial }
        }
        Flaw::ClaimsBeforeElected => Trial { workload: "election", ..trial },
        Flaw::UnchangedEndsTransaction => Trial { workload: "multi-register", ..trial },
        Flaw::OwnAppendsUnseen => Trial { workload: "append", ..trial },
        Flaw::FirstWriteStays => Trial { workload: "rw", ..trial },
        Flaw::FirstPageOnly => Trial { workload: "set", ..trial },
        Flaw::GrowthHides => Trial { workload: "set-full", ..trial },
        Flaw::ListByCall => Trial { workload: "list", ..trial },
        Flaw::CounterStopsAtZero => Trial { workload: "counter", ..trial },
        Flaw::Overdraws => Trial { workload: "bank", ..trial },
        Flaw::IdsWrap => Trial { workload: "unique-ids", ..trial },
        Flaw::TokenGoesWithLock => Trial { workload: "lock", ..trial },
        Flaw::SpilledFirst => Trial { workload: "queue", ..trial },
        Flaw::StampsOfSignedBytes => Trial { workload: "monotonic", ..trial },
        Flaw::LocksOnlyWrites => Trial { workload: "write-skew", ..trial },
        Flaw::MergeAdds | Flaw::SlotNotDurable => Trial { workload: "counter", ..trial },
        Flaw::MergeOverwrites | Flaw::DotsReused => Trial { workload: "set-full", ..trial },
        Flaw::RemoveByValue => Trial { workload: "set-remove", ..trial },
        // Whether something was aborted without cause can only be said where nothing fails.
        Flaw::OwnVoteLate => Trial { workload: "commit", nemesis: Vec::new(), ..trial },
        Flaw::SkipsPreCommit => long_deaths(Trial { workload: "commit", ..trial }),
        Flaw::RecoveredTakesPart => back_too_late(Trial { workload: "commit", ..trial }),
        // What a transaction left undone is seen by who reads, too.
        Flaw::ReadsIgnoreLocks => Trial { workload: "rw", ..trial },
        _ if trial.protocol.ends_with("phase") || trial.protocol.ends_with("commit") => {
            Trial { workload: "commit", ..trial }
        }
        Flaw::BroadcastBeforeSynchronisation => slow_disks(trial),
        _ => trial,
    }
}

/// Logs rot in a minority of the nodes, while others fall and are parted: what was committed is in few hands.
fn rotting_logs(trial: Trial) -> Trial {
    let rot = Wish { how: Some(How::Rot), weight: 3, ..Wish::from(FaultKind::Damage) };
    let nemesis = vec![Wish::from(FaultKind::Partition), Wish::from(FaultKind::Kill), rot];
    Trial { nemesis, interval: Duration::from_millis(300), ..trial }
}

/// Leaders are cut off as soon as they lead, and it takes long until anything is written down.
fn slow_disks(trial: Trial) -> Trial {
    let slow = Wish { how: Some(How::Slow), ..Wish::from(FaultKind::Disk) };
    let fallen = Wish { when: Some(Moment::NewLeader), ..Wish::from(FaultKind::Partition) };
    let nemesis = vec![fallen, slow];
    Trial { nemesis, interval: Duration::from_millis(200), ..trial }
}

/// Everything but clocks that are bent: what is promised only as far as clocks are true can be asked for.
fn true_clocks(trial: Trial) -> Trial {
    let nemesis = trial.nemesis.iter().filter(|wish| wish.kind != FaultKind::Clock).cloned().collect();
    Trial { nemesis, ..trial }
}

/// So many snapshots that whoever misses anything is brought one.
fn often() -> Compaction {
    Compaction { every: 10, keep: 0, ..Compaction::default() }
}

/// One node after the other goes down, and stays down until the others have lost their patience with it.
fn long_deaths(trial: Trial) -> Trial {
    let steps = (0..11u64).flat_map(|round| {
        let at = |millis| Time::from_millis(1_000 + round * 5_000 + millis);
        let node = Selector::These(vec![NodeId(round as u16 % 5 + 1)]);
        [Step::at(at(0), Intent::Kill(node)), Step::at(at(4_000), Intent::Repair(FaultKind::Kill))]
    });
    Trial { plan: Some(Plan(steps.collect())), nemesis: vec![FaultKind::Kill.into()], rate: 400.0, ..trial }
}

/// Again and again, one node is down while another one goes down, too, and comes back while that one is away.
fn back_too_late(trial: Trial) -> Trial {
    let these = |node: u64| Selector::These(vec![NodeId(node as u16)]);
    let steps = (0..8u64).flat_map(|round| {
        let at = |millis| Time::from_millis(500 + round * 7_000 + millis);
        let (first, second) = (round % 5 + 1, (round + 1 + round / 5) % 5 + 1);
        let away = Intent::Restart { of: these(second), times: 1, down_ms: 2_500, up_ms: 100 };
        [
            Step::at(at(0), away),
            Step::at(at(2_000), Intent::Kill(these(first))),
            Step::at(at(6_500), Intent::Repair(FaultKind::Kill)),
        ]
    });
    Trial { plan: Some(Plan(steps.collect())), nemesis: vec![FaultKind::Kill.into()], rate: 400.0, ..trial }
}

/// Four nodes that are parted, join and leave, and nothing else: with an even number a node more or less makes another
/// majority.
fn comings_and_goings(trial: Trial) -> Trial {
    let nemesis = [FaultKind::Partition, FaultKind::Members].map(Wish::from).to_vec();
    Trial { nodes: 4, nemesis, interval: Duration::from_millis(200), ..trial }
}

/// Ongaro's counterexample, again and again: a leader that nobody hears is asked to remove n3, the next one is asked to
/// remove n4 before it has committed anything, and then the network parts anew, with n4 at the side of the first. Slow
/// messages make the time between, and fast clocks say that the two leaders are n1 and n2.
fn rival_changes(trial: Trial) -> Trial {
    let these = |nodes: &[u16]| Selector::These(nodes.iter().copied().map(NodeId).collect());
    let fast = |node, rate_ppm| Intent::Clock { of: these(&[node]), jump_ms: 0, rate_ppm };
    let slow = Trouble { delay_ms: 30, ..Trouble::default() };
    let mut steps = vec![
        Step::at(Time::from_millis(1), Intent::Packets { of: Selector::All, trouble: slow }),
        Step::at(Time::from_millis(2), fast(2, 2_500_000)),
        Step::at(Time::from_millis(3), fast(1, 1_600_000)),
    ];
    for round in 0..14u64 {
        let mut at =
            |millis, intent| steps.push(Step::at(Time::from_millis(500 + round * 4_000 + millis), intent));
        at(0, Intent::Partition(Shape::Isolate(Selector::Primaries)));
        at(20, Intent::Members(Turnover::Shrink(these(&[3]))));
        at(150, Intent::Members(Turnover::Shrink(these(&[4]))));
        let elected = 330 + 15 * round;
        at(elected, Intent::Repair(FaultKind::Partition));
        at(elected + 1, Intent::Partition(Shape::Isolate(these(&[1, 3]))));
        at(elected + 2, Intent::Repair(FaultKind::Members));
        at(2_500, Intent::Repair(FaultKind::Partition));
        at(2_501, Intent::Repair(FaultKind::Members));
        // The next round is to begin with another leader than n4.
        at(3_000, Intent::Pause(these(&[4])));
        at(3_800, Intent::Repair(FaultKind::Pause));
    }
    // Members are not among them: a sound leader may well refuse every one of these changes.
    let kinds = [FaultKind::Partition, FaultKind::Pause, FaultKind::Packets, FaultKind::Clock];
    let nemesis = kinds.map(Wish::from).to_vec();
    // Who leaves is the only one who can come back.
    Trial { nodes: 4, spares: 0, nemesis, plan: Some(Plan(steps)), ..trial }
}

/// Whoever leads is cut off, and its successor when it has hardly begun: so what the two have proposed for the same place is
/// in different hands, and nobody knows yet what became of it, when a third one comes. Slow messages make that last.
fn falling_leaders(trial: Trial) -> Trial {
    let slow = Trouble { delay_ms: 15, ..Trouble::default() };
    let mut steps =
        vec![Step::at(Time::from_millis(1), Intent::Packets { of: Selector::All, trouble: slow })];
    for fall in 1..80u64 {
        let at = |millis, intent| Step::at(Time::from_millis(fall * 700 + millis), intent);
        steps.push(at(0, Intent::Repair(FaultKind::Partition)));
        steps.push(at(1, Intent::Partition(Shape::Isolate(Selector::Primaries))));
    }
    let nemesis = [FaultKind::Partition, FaultKind::Packets].map(Wish::from).to_vec();
    Trial { plan: Some(Plan(steps)), nemesis, patience: Duration::from_millis(300), rate: 400.0, ..trial }
}

/// Again and again, the clock of whoever leads runs at half its speed, and then nobody hears it any more.
fn slow_leaders(trial: Trial) -> Trial {
    let slow = Intent::Clock { of: Selector::Primaries, jump_ms: 0, rate_ppm: 500_000 };
    let steps = (1..30).flat_map(|second: u64| {
        let at = |millis| Time::from_millis(second * 2_000 + millis);
        [
            Step::at(at(0), slow.clone()),
            Step::at(at(300), Intent::Partition(Shape::Isolate(Selector::Primaries))),
            Step::at(at(1_200), Intent::Repair(FaultKind::Partition)),
            Step::at(at(1_400), Intent::Repair(FaultKind::Clock)),
        ]
    });
    let plan = Some(Plan(steps.collect()));
    // Clients that wait long for a leader that nobody hears would all be waiting when the next one is elected.
    let patience = Duration::from_millis(100);
    Trial {
        plan,
        patience,
        nemesis: vec![FaultKind::Partition.into(), FaultKind::Clock.into()],
        rate: 400.0,
        ..trial
    }
}

/// The first seed in which a flaw of this protocol shows, and as what.
fn hunt(flaw: Flaw, protocol: &'static str) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let accused = accused(&weather_of(flaw, protocol, seed))?;
        Some((seed, accused))
    })
}

/// Who accuses a run first, and of what, if somebody does.
fn accused(trial: &Trial) -> Option<String> {
    let (judge, anomaly) = accusers(trial).into_iter().next()?;
    Some(format!("{judge}: {anomaly}"))
}

/// Who accuses a run, each with the first thing of which.
pub fn accusers(trial: &Trial) -> Vec<(String, String)> {
    let outcome = trial.run().expect("the simulator works");
    let judgement = trial.judge(&outcome).expect("it can be judged");
    let guilty = judgement.reports.into_iter().filter(|report| report.verdict == Verdict::Invalid);
    guilty.map(|report| (report.checker.to_string(), report.anomalies[0].name.clone())).collect()
}

/// What nobody sees but clients, the simulator not, and which workloads find it beside the one above. (Long forks are none
/// of it: who reads a prefix of one log reads no fork.)
const SEEN_BY_CLIENTS: &[(Flaw, &[&str])] = &[
    (
        Flaw::StaleLocalReads,
        &[
            "multi-register",
            "append",
            "rw",
            "write-skew",
            "causal",
            "sessions",
            "set-full",
            "list",
            "counter",
        ],
    ),
    (Flaw::ReadsWithoutQuorum, &["append", "rw", "causal", "set-full", "list", "counter"]),
    (Flaw::ReadsBeforeFirstCommit, &["append", "rw", "causal", "set-full", "list", "counter"]),
    (Flaw::RetryAppliedTwice, &["append", "list", "queue"]),
];

#[test]
fn what_clients_see_is_seen_by_other_workloads_too() {
    let hunts: Vec<(Flaw, &str)> = SEEN_BY_CLIENTS
        .iter()
        .flat_map(|(flaw, workloads)| workloads.iter().map(|workload| (*flaw, *workload)))
        .collect();
    each_seed(0..hunts.len() as u64, |number| {
        let (flaw, workload) = hunts[number as usize];
        let trial = |seed| Trial { workload, ..weather(flaw, seed) };
        let found = (1..=SEEDS).find_map(|seed| Some((seed, accused(&trial(seed))?)));
        let (seed, anomaly) = found.ok_or(format!("{flaw} not found by {workload} in {SEEDS} seeds"))?;
        println!("{:26}  {workload:14}  {seed:4}  {anomaly}", flaw.name());
        Ok(())
    });
}

/// `TRIBUNAL_PROTOCOL=abd` looks at the flaws of one protocol alone.
#[test]
fn every_flaw_is_found_and_vanishes_with_its_cause() {
    let said = std::env::var("TRIBUNAL_PROTOCOL").ok();
    let wanted = |protocol: &str| said.as_deref().is_none_or(|name| name == protocol);
    let pairs = Flaw::ALL.iter().flat_map(|flaw| flaw.protocols().iter().map(|protocol| (*flaw, *protocol)));
    let pairs: Vec<(Flaw, &str)> = pairs.filter(|(_, protocol)| wanted(protocol)).collect();
    let table = Mutex::new(BTreeMap::new());
    each_seed(0..pairs.len() as u64, |number| {
        let (flaw, protocol) = pairs[number as usize];
        let (seed, anomaly) =
            hunt(flaw, protocol).ok_or(format!("{flaw} of {protocol} not found in {SEEDS} seeds"))?;
        let line = format!("{protocol:12}  {:26}  {seed:4}  {anomaly}", flaw.name());
        table.lock().expect("nobody panics").insert(number, line);
        let trial = Trial { flaw: None, ..weather_of(flaw, protocol, seed) };
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
        let doubts = judgement.reports.iter().filter(|report| report.verdict != Verdict::Valid);
        let doubts: Vec<_> = doubts.map(|report| (&report.checker, &report.summary)).collect();
        match judgement.verdict {
            Verdict::Valid => Ok(()),
            _ => Err(format!("{protocol}, seed {seed} without {flaw}: {doubts:?}")),
        }
    });
    println!("protocol      flaw                        seed  found by");
    table.into_inner().expect("nobody panics").values().for_each(|line| println!("{line}"));
}

#[test]
fn leases_are_as_good_as_clocks_are() {
    each_seed(1..=30, |seed| {
        let trial = slow_leaders(Trial { flaw: Some(Flaw::LeaseReads), ..Trial::new(seed) });
        // The same partitions while clocks are true, or nearly: the world lets them drift by up to 5 %.
        let steps = trial.plan.clone().expect("it has a plan").0;
        let steps = steps.into_iter().filter(|step| step.intent.kind() != FaultKind::Clock).collect();
        let trial = Trial { plan: Some(Plan(steps)), nemesis: vec![FaultKind::Partition.into()], ..trial };
        let outcome = trial.run().map_err(|error| error.to_string())?;
        let judgement = trial.judge(&outcome).map_err(|error| error.to_string())?;
        if judgement.verdict == Verdict::Valid { Ok(()) } else { Err(format!("{:#?}", judgement.reports)) }
    });
}
