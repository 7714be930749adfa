//! Faults in every way, at every moment, together and in swarms: made as asked for, the same twice, and no false alarm.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use crate::machine::{alone, run};
use crate::simulated::each_seed;
use checkers::Verdict;
use cluster::Abilities;
use history::{Event, Fault, FaultKind, Injection, Moment, Phase, Time, Trouble};
use nemesis::{How, Intent, Plan, Selector, Step, Wish};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tribunal::trial::{Outcome, Trial};

fn wishes(list: &str) -> Vec<Wish> {
    let faults = FaultKind::ALL.into_iter().map(|kind| (kind, Ok(()))).collect();
    Wish::list(list, &Abilities { calls: Vec::new(), faults }).unwrap_or_else(|error| panic!("{error}"))
}

/// Twenty seconds of these.
fn trial(nemesis: Vec<Wish>, seed: u64) -> Trial {
    let (time, interval) = (Duration::from_secs(20), Duration::from_secs(2));
    Trial { nemesis, time, interval, ..Trial::new(seed) }
}

/// The same twice.
fn twice(trial: &Trial) -> Result<Outcome, String> {
    let run = || trial.run().map_err(|error| error.to_string());
    let (first, second) = (run()?, run()?);
    let digests = [first.history.digest(), second.history.digest()];
    if digests[0] != digests[1] {
        return Err(format!("digest {}, then {}", digests[0], digests[1]));
    }
    Ok(first)
}

fn valid(trial: &Trial, outcome: &Outcome) -> Result<(), String> {
    let judgement = trial.judge(outcome).map_err(|error| error.to_string())?;
    match judgement.verdict {
        Verdict::Valid => Ok(()),
        verdict => Err(format!("{verdict}: {:#?}", judgement.reports)),
    }
}

#[test]
fn sound_raft_is_valid_in_every_way_and_at_every_moment() {
    // A grudge has to be written, and the simulator has no memory to take away.
    let ways = FaultKind::survivable().flat_map(|kind| How::of(kind).map(move |(_, name, _)| (kind, name)));
    let ways = ways
        .filter(|(_, name)| !["grudge", "memory"].contains(name))
        .map(|(kind, name)| format!("{kind}:{name}"));
    let lists: Vec<String> = ways
        .chain(
            [
                "partition@new-leader",
                "kill@new-leader",
                "crash@new-leader",
                "pause@new-leader",
                "kill@started",
                "kill:loop:primaries@new-leader,clock:strobe:all,partition:ring",
                "kill:loop,partition@started,packets:narrow,disk:slow",
                "kill:restart:majority,clock:drift:majority,partition:one-way:minority-third",
                "all",
            ]
            .map(str::to_owned),
        )
        .collect();
    assert!(lists.len() > 30, "{lists:?}");
    each_seed(0..lists.len() as u64, |at| {
        let list = &lists[at as usize];
        let trial = trial(wishes(list), 1000 + at);
        let outcome = twice(&trial).map_err(|error| format!("{list}: {error}"))?;
        valid(&trial, &outcome).map_err(|error| format!("{list}: {error}"))
    });
}

#[test]
fn swarms_differ_repeat_and_are_valid() {
    let mixes = std::sync::Mutex::new(BTreeSet::new());
    each_seed(1..=30, |seed| {
        let chance = history::Chance::new(seed);
        let all = nemesis::Wishes::new(wishes("all"), Duration::ZERO);
        let nemesis = ::nemesis::swarm(all, &chance).list;
        mixes.lock().unwrap().insert(nemesis.iter().map(Wish::to_string).collect::<Vec<_>>());
        let trial = Trial { nodes: nemesis::swarm_size(&chance), ..trial(nemesis, seed) };
        let outcome = twice(&trial)?;
        valid(&trial, &outcome)
    });
    assert!(mixes.into_inner().unwrap().len() > 20);
}

#[test]
fn who_has_just_come_to_lead_is_killed_then_and_there() {
    let mut killed = 0;
    for seed in 1..=5 {
        let outcome = twice(&trial(wishes("kill@new-leader"), seed)).unwrap();
        let entries = outcome.history.entries();
        for (at, entry) in entries.iter().enumerate() {
            let Event::Noticed { moment: Moment::NewLeader, node } = entry.event else { continue };
            let fault = Fault::Kill { nodes: vec![node] };
            assert_eq!(entries[at + 1].event, Event::Inject(Box::new(fault.clone())), "seed {seed}");
            let result = entries[at..].iter().find_map(|entry| match &entry.event {
                Event::Injected { fault: made, result } if **made == fault => Some(result),
                _ => None,
            });
            assert!(matches!(**result.unwrap(), Injection::Installed(_)), "seed {seed}: {result:?}");
            killed += 1;
        }
    }
    assert!(killed >= 10, "only {killed} new leaders were met in 100 s");
}

#[test]
fn a_strobed_clock_is_seen_to_run_fast_and_slow_and_a_loop_to_kill_the_same_node() {
    let outcome = twice(&trial(wishes("clock:strobe:one,kill:loop:one"), 3)).unwrap();
    let seen = |word: &str| {
        let told = |event: &Event| match event {
            Event::Injected { result, .. } => result.to_string().contains(word),
            _ => false,
        };
        outcome.history.entries().iter().filter(|entry| told(&entry.event)).count()
    };
    for word in ["runs at 1.250", "runs at 0.750", "its process is gone", "starts with"] {
        assert!(seen(word) >= 2, "{word}: {}", seen(word));
    }
}

/// A crash loop, a strobed clock, and the end of whoever comes to lead after the leader was killed.
const STORM: &str = r#"[
  ["0.4s", {"strobe": {"of": {"these": [1]}, "jump_ms": 60000, "every_ms": 250, "times": 3}}],
  ["0.4s", {"restart": {"of": {"these": [2]}, "times": 3, "down_ms": 50, "up_ms": 350}}],
  ["2.2s", {"repair": "kill"}],
  ["2.2s", {"repair": "clock"}],
  ["2.5s", "new_leader", {"kill": "subject"}],
  ["2.5s", {"kill": "primaries"}],
  ["5.2s", {"repair": "kill"}]
]"#;

fn storm(target: &str, store: &Path) {
    let plan = store.join("storm.json");
    fs::write(&plan, STORM).unwrap();
    let args = ["test", "raft", "--on", target, "--time-limit", "5500ms", "--rate", "300", "--plan"];
    let ended = run(&[&args[..], &[plan.to_str().unwrap()]].concat(), store);
    if target == "netns" && ended.code == Some(254) && ended.err.contains("cannot run on netns") {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {}", ended.said());
        println!("skipped: {}", ended.err.trim());
        return;
    }
    assert_eq!(ended.code, Some(0), "{target}: {}", ended.said());
    let verdict = fs::read(store.join("latest/verdict.json")).unwrap();
    let verdict: Value = serde_json::from_slice(&verdict).unwrap();
    let faults = verdict["faults"].as_array().unwrap();
    let of = |kind: &str| faults.iter().filter(move |fault| fault["kind"] == kind).collect::<Vec<_>>();
    assert_eq!((of("clock").len(), of("kill").len()), (6, 5), "{target}: {faults:#?}");
    let odd = faults.iter().find(|fault| fault["result"] != "installed");
    assert_eq!(odd, None, "{target}: {}", ended.said());
    // The node itself was heard to tell both times.
    for (at, fault) in of("clock").into_iter().enumerate() {
        let said = fault["evidence"].as_str().unwrap();
        let ahead: f64 = if target == "sim" {
            continue;
        } else {
            let (_, rest) = said.split_once("n1's wall clock is now ").unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        let should = if at % 2 == 0 { 60.0 } else { 0.0 };
        assert!((ahead - should).abs() < 1.0, "{target}, skew {at}: {said}");
    }
    let met = of("kill").into_iter().find(|fault| fault["moment"].is_string());
    let met = met.unwrap_or_else(|| panic!("{target}: no leader was met: {}", ended.said()));
    let name = format!("new-leader n{}", met["victims"][0]);
    assert_eq!(met["moment"], Value::String(name), "{target}");
}

#[test]
fn a_storm_hits_simulated_and_real_nodes_as_it_is_written() {
    let _alone = alone();
    for target in ["sim", "local", "netns"] {
        if let ("local" | "netns", Err(why)) = (target, linux::clock::can()) {
            assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
            println!("skipped: {why}");
            continue;
        }
        let store = TempDir::new().unwrap();
        storm(target, store.path());
    }
}

#[test]
fn what_is_wrong_with_a_file_or_a_plan_is_said_with_its_place() {
    let store = TempDir::new().unwrap();
    let (file, plan) = (store.path().join("nemesis.toml"), store.path().join("plan.json"));
    fs::write(&file, "[[fault]]\nkind = \"kill\"\nhow = \"lop\"\n").unwrap();
    fs::write(&plan, "[\n  [\"1s\", {\"kill\": {\"these\": [8]}}]\n]").unwrap();
    for (flag, path, why) in [
        ("--nemesis-file", &file, "line 1, column 1"),
        ("--nemesis-file", &file, "\"lop\" is no way to make kill; there is: restart, loop"),
        ("--plan", &plan, "step 1 (line 2): n8 is not in a cluster of 5 nodes"),
    ] {
        let ended = run(&["test", "raft", "--on", "sim", flag, path.to_str().unwrap()], store.path());
        assert_eq!(ended.code, Some(254), "{}", ended.said());
        assert!(ended.err.contains(why), "{why}: {}", ended.said());
    }
}

#[test]
fn what_a_swarm_or_a_file_did_can_be_done_again() {
    let store = TempDir::new().unwrap();
    let file = store.path().join("nemesis.toml");
    fs::write(&file, "lasting = \"1s\"\n[[fault]]\nkind = \"kill\"\nhow = \"loop\"\n").unwrap();
    let file = file.to_str().unwrap();
    let digest = |said: &str| said.split("digest ").nth(1).map(|rest| rest[..32].to_owned());
    for (args, said) in
        [(&["--swarm"][..], "swarm: this seed breaks"), (&["--nemesis-file", file], "broken   kill")]
    {
        let always = ["test", "raft", "--on", "sim", "--seed", "5", "--time-limit", "10s"];
        let ended = run(&[&always[..], args].concat(), store.path());
        assert!(ended.out.contains(said), "{}", ended.said());
        let again = ended.out.lines().find_map(|line| line.strip_prefix("again    tribunal ")).unwrap();
        let again = run(&again.split_whitespace().collect::<Vec<_>>(), store.path());
        assert!(digest(&ended.out).is_some() && digest(&again.out) == digest(&ended.out), "{}", again.said());
    }
}

/// Whoever may not send votes still leads; whoever may not send entries gets nothing done.
#[test]
fn messages_of_one_kind_are_lost_and_no_others() {
    let _alone = alone();
    let done_after = |only: &str| {
        let trouble = Trouble { loss: 1000, only: Some(only.parse().unwrap()), ..Trouble::default() };
        let at = Time::from_secs(5);
        let plan = Plan(vec![Step::at(at, Intent::Packets { of: Selector::All, trouble })]);
        let outcome = Trial { plan: Some(plan), ..trial(wishes("packets"), 1) }.run().unwrap();
        let entries = outcome.history.entries();
        let end = outcome.history.began(Phase::Final).unwrap_or(Time(u64::MAX));
        let told = entries.iter().find_map(|entry| match &entry.event {
            Event::Injected { fault, result } if fault.is_repair() => Some(result.to_string()),
            _ => None,
        });
        assert!(told.is_some_and(|seen| seen.contains("messages were meant")), "{only}");
        let late = |op: &history::Op<'_>| {
            let begun = entries[op.invoked].time;
            op.outcome.is_ok() && begun > at + Duration::from_secs(1) && begun < end
        };
        outcome.history.ops().filter(late).count()
    };
    let (votes, entries) = (done_after("vote"), done_after("append"));
    assert!(votes > 1000 && entries < 10, "without votes {votes} calls succeeded, without entries {entries}");
}
