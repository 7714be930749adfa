//! Every workload: its mix, its finale, and what it says of a sound cluster.

use crate::simulated::each_seed;
use checkers::{Budget, Verdict, judge};
use history::ledger::{Page, Record, Step};
use history::{Call, CallKind, Chance, History, NodeId, Op, Outcome, Phase, Refusal};
use protocols::catalog::PROTOCOLS;
use protocols::{Reading, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tribunal::trial::Trial;
use workloads::{Entry, Manners, Settings, WORKLOADS, simulate};

const WORKERS: u32 = 10;

/// So many seconds of a workload on the store alone, in virtual time.
fn run(entry: &Entry, manners: Manners, seconds: u64, seed: u64) -> History {
    let time_limit = Duration::from_secs(seconds);
    run_with(entry, Settings { rate: Some(200.0), time_limit, ..Settings::default() }, manners, seed)
}

fn run_with(entry: &Entry, settings: Settings, manners: Manners, seed: u64) -> History {
    let (mut store, chance) = (Store::default(), Chance::new(seed));
    let workload = entry.workload(&settings, None, chance.split("workload"));
    let mut workload = workload.expect("its own settings fit");
    let mut ledger = Vec::new();
    let mut serve = |now, ticket, call: &Call| match call {
        // Who leads is nothing that the store knows, nor what nodes write down.
        Call::Leader => Outcome::Ok(history::Reply::Leader(Some((NodeId(1), 1)))),
        Call::Ledger { after } => Outcome::Ok(history::Reply::Ledger(Page::of(NodeId(1), &ledger, *after))),
        call => {
            let outcome = store.apply(ticket, call, Reading::of(call, 1, now));
            ledger.extend(entered(call).into_iter().flatten());
            outcome
        }
    };
    let run = simulate(&mut workload, manners, WORKERS, &NodeId::all(5), &mut serve, chance.split("answers"));
    run.unwrap_or_else(|malformed| panic!("{}, seed {seed}: {malformed}", entry.name))
}

/// What a single node would write down about a transaction.
fn entered(call: &Call) -> Option<[Record; 4]> {
    let Call::Txn { mops } = call else { return None };
    let txn = mops.iter().find_map(|mop| match mop {
        history::Mop::Write { value, .. } => Some(*value),
        _ => None,
    })?;
    let node = NodeId(1);
    let record = |step| Record { node, txn, attempt: 0, step, time: None };
    Some([Step::Began(vec![node]), Step::VotedYes, Step::Committed, Step::Applied].map(record))
}

fn ops_of(history: &History, phase: Phase) -> Vec<Op<'_>> {
    let finale = history.began(Phase::Final).expect("it has a finale");
    let is_final = |op: &Op<'_>| history.entries()[op.invoked].time > finale;
    history.ops().filter(|op| is_final(op) == (phase == Phase::Final)).collect()
}

/// Of a hundred calls of the main phase, how many of each kind.
fn shares(history: &History) -> BTreeMap<CallKind, usize> {
    let (mut counts, ops): (BTreeMap<CallKind, usize>, _) = (BTreeMap::new(), ops_of(history, Phase::Main));
    ops.iter().for_each(|op| *counts.entry(op.call.kind()).or_default() += 1);
    counts.values_mut().for_each(|count: &mut usize| *count = (*count * 200 / ops.len()).div_ceil(2));
    counts
}

#[test]
fn each_asks_the_mix_that_it_claims() {
    use CallKind::*;
    for entry in WORKLOADS {
        let mix: &[(CallKind, usize)] = match entry.name {
            "register" => &[(Read, 40), (Write, 30), (Cas, 30)],
            "consensus" => &[(Read, 50), (Cas, 50)],
            "multi-register" | "append" | "rw" | "write-skew" | "long-fork" => &[(Txn, 100)],
            "atomic" => &[(Read, 50), (Write, 50)],
            "commit" => &[(Txn, 100)],
            "causal" => &[(Read, 67), (Write, 33)],
            "sessions" => &[(Read, 58), (Write, 42)],
            "bank" => &[(Transfer, 50), (Balances, 50)],
            "set" => &[(Add, 100)],
            "set-full" => &[(Add, 50), (Elements, 50)],
            "set-remove" => &[(Add, 40), (Remove, 20), (Elements, 40)],
            "list" => &[(Append, 50), (Elements, 50)],
            "counter" => &[(Increment, 50), (Count, 50)],
            "queue" => &[(Enqueue, 56), (Dequeue, 44)],
            "unique-ids" => &[(NextId, 100)],
            // Ten clients want four locks, and some keep theirs while they stand still, so most are turned away. Who has one
            // writes twice for each time that it reads or lets go.
            "lock" => &[(Acquire, 69), (Guarded, 16), (Read, 7), (Release, 7)],
            "watch" => &[(Write, 50), (Watch, 50)],
            "monotonic" => &[(Add, 100)],
            "election" => &[(Leader, 100)],
            other => panic!("nobody says what {other} asks"),
        };
        let seen = shares(&run(entry, Manners::PERFECT, 60, 1));
        let near =
            |(kind, share): &(CallKind, usize)| seen.get(kind).is_some_and(|seen| seen.abs_diff(*share) <= 3);
        assert!(
            mix.iter().all(near) && mix.len() == seen.len(),
            "{}: {seen:?} instead of {mix:?}",
            entry.name
        );
        assert!(mix.iter().all(|(kind, _)| entry.calls.contains(kind)), "{}", entry.name);
    }
}

#[test]
fn each_is_valid_of_the_store_alone_and_reads_everything_back() {
    for entry in WORKLOADS {
        for (seed, manners) in
            [(1, Manners::PERFECT), (2, Manners::TROUBLED), (3, Manners::SLOW), (4, Manners::TROUBLED)]
        {
            let history = run(entry, manners, 20, seed);
            let again = run(entry, manners, 20, seed);
            assert_eq!(history.digest(), again.digest(), "{}, seed {seed}", entry.name);
            let workload = entry.workload(&Settings::default(), None, Chance::new(0)).expect("it fits");
            let judges: Vec<_> = workload.checkers.iter().map(AsRef::as_ref).collect();
            let reports = judge(&judges, &history, &Budget::default());
            for report in &reports {
                assert_eq!(report.verdict, Verdict::Valid, "{}, seed {seed}: {report:#?}", entry.name);
            }
            // Every key that was asked for is asked for in the end, until it answers.
            let keys = |phase| -> BTreeSet<_> {
                let ops = ops_of(&history, phase).into_iter();
                ops.filter(|op| phase == Phase::Main || op.outcome.is_ok())
                    .filter_map(|op| op.call.key())
                    .collect()
            };
            assert!(keys(Phase::Final).is_superset(&keys(Phase::Main)), "{}, seed {seed}", entry.name);
            let last = ops_of(&history, Phase::Final);
            assert!(last.iter().any(|op| op.outcome.is_ok()), "{}, seed {seed}", entry.name);
        }
    }
}

/// How often a lock was had again whose holder had died, and how often somebody was fenced off.
fn after_leases(history: &History) -> (usize, usize) {
    let (mut holders, mut dead) = (BTreeMap::new(), BTreeSet::new());
    let (mut inherited, mut fenced) = (0, 0);
    for op in history.ops() {
        match (op.call, op.outcome) {
            (Call::Acquire { key, .. }, Outcome::Ok(_)) => {
                let before = holders.insert(*key, op.process);
                inherited += usize::from(before.is_some_and(|holder| dead.contains(&holder)));
            }
            (Call::Release { key }, outcome) if !outcome.is_fail() => drop(holders.remove(key)),
            (Call::Guarded { .. }, Outcome::Fail(Refusal::NotHeld)) => fenced += 1,
            _ => {}
        }
        if op.outcome.is_unknown() {
            dead.insert(op.process);
        }
    }
    (inherited, fenced)
}

#[test]
fn locks_of_the_dead_are_had_again_and_who_outlives_a_lease_is_fenced_off() {
    let lock = workloads::lookup("lock").expect("there are locks");
    let settings = |lease| Settings {
        rate: Some(200.0),
        time_limit: Duration::from_secs(60),
        lease: Some(Duration::from_millis(lease)),
        ..Settings::default()
    };
    for (lease, least) in [(500, 20), (2_000, 5)] {
        let (inherited, fenced) = after_leases(&run_with(lock, settings(lease), Manners::TROUBLED, 1));
        println!("{lease} ms: {inherited} locks of the dead, {fenced} fenced off");
        assert!(inherited >= least && fenced >= least, "{lease} ms: {inherited}, {fenced}");
    }
    assert_eq!(after_leases(&run_with(lock, settings(0), Manners::TROUBLED, 1)), (0, 0), "for good");
}

#[test]
fn the_accounts_of_the_bank_are_those_of_the_workload() {
    use protocols::Bank;
    assert_eq!((workloads::bank::ACCOUNTS, workloads::bank::INITIAL), (Bank::ACCOUNTS, Bank::INITIAL));
}

/// How many short runs of each protocol and workload, unless `TRIBUNAL_SEEDS` says otherwise.
const SEEDS: u64 = 4;
/// The same, of Raft, whose store serves the others as well.
const SEEDS_OF_RAFT: u64 = 8;

/// Short runs of everything with everything that it serves, under all faults that it says it survives, with and without
/// clients that ask again. `TRIBUNAL_SEEDS=200`, `TRIBUNAL_PROTOCOL=abd` and `TRIBUNAL_WORKLOAD=atomic` make it a longer run
/// of one.
#[test]
fn every_protocol_is_valid_of_every_workload_it_serves_and_a_seed_is_a_run() {
    let said = |name: &str| std::env::var(name).ok();
    let wanted = |what: &str, name: &str| said(what).is_none_or(|wanted| wanted == name);
    let seeds = said("TRIBUNAL_SEEDS").map(|seeds| seeds.parse().expect("TRIBUNAL_SEEDS is a number"));
    let mut runs = Vec::new();
    for protocol in PROTOCOLS.iter().filter(|protocol| wanted("TRIBUNAL_PROTOCOL", protocol.name)) {
        let usual = if protocol.name == "raft" { SEEDS_OF_RAFT } else { SEEDS };
        for workload in judged(protocol).filter(|entry| wanted("TRIBUNAL_WORKLOAD", entry.name)) {
            runs.extend((1..=seeds.unwrap_or(usual)).map(|seed| (protocol, workload, seed)));
        }
    }
    assert!(!runs.is_empty(), "nothing to run");
    println!("{} runs, each twice", runs.len());
    each_seed(0..runs.len() as u64, |number| {
        let (protocol, workload, seed) = runs[number as usize];
        let what = format!("{} of {}, seed {seed}", workload.name, protocol.name);
        let trial = Trial {
            workload: workload.name,
            retry: protocol.remembers && seed % 2 == 0,
            time: Duration::from_secs(8),
            ..Trial::of(protocol.name, seed)
        };
        let run = || trial.run().map_err(|error| format!("{what}: {error}"));
        let (first, second) = (run()?, run()?);
        if first.history.digest() != second.history.digest() {
            return Err(format!("{what}: two runs, two digests"));
        }
        let judgement = trial.judge(&first).map_err(|error| format!("{what}: {error}"))?;
        let bad = judgement.reports.iter().find(|report| {
            // In eight seconds not every fault finds its moment: that is no matter here.
            report.verdict != Verdict::Valid && report.checker != "coverage"
        });
        match bad {
            None => Ok(()),
            Some(report) => Err(format!("{what}: {report:#?}")),
        }
    });
}

/// The workloads that a protocol serves and can be held against by what it claims.
pub fn judged(protocol: &protocols::catalog::Entry) -> impl Iterator<Item = &'static Entry> {
    let (serves, claims) = (protocol.serves, protocol.claims);
    let served = move |entry: &&Entry| entry.calls.iter().all(|call| serves.contains(call));
    WORKLOADS.iter().filter(served).filter(move |entry| entry.level_of(claims).is_some())
}

#[test]
fn every_protocol_serves_a_workload_that_judges_it() {
    for protocol in PROTOCOLS {
        assert!(judged(protocol).count() > 0, "nothing judges {}", protocol.name);
    }
}
