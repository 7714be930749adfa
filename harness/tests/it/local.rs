//! Real processes, real sockets, kill -9.

use crate::machine::{Ended, alone, processes_of, run, tribunal, wait_until};
use crate::simulated::each_seed;
use protocols::catalog::PROTOCOLS;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use tempfile::TempDir;

fn store() -> TempDir {
    TempDir::new().expect("there is a temporary directory")
}

/// The lines of the history of the latest run.
fn history(store: &Path) -> String {
    fs::read_to_string(store.join("latest/history.jsonl")).unwrap_or_default()
}

/// A run that goes on for a minute, once a good part of its history is written.
fn under_way(store: &Path, args: &[&str]) -> Child {
    let args = [&["test", "raft", "--on", "local", "--time-limit", "60s", "--rate", "300"], args].concat();
    let child = tribunal(&args, store).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    wait_until("a run that is under way", 40, || history(store).lines().count() > 600);
    assert_eq!(processes_of(store).len(), 5, "five nodes run: {:?}", processes_of(store));
    child.expect("the program starts")
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args([name, &pid]).status().expect("there is kill");
    assert!(sent.success());
}

#[test]
fn five_processes_are_broken_and_judged() {
    let _alone = alone();
    let store = store();
    let args = [
        "test",
        "raft",
        "--on",
        "local",
        "--time-limit",
        "15s",
        "--nemesis-interval",
        "2s",
        "--rate",
        "400",
        "--seed",
        "5",
        "--nemesis",
        "partition,kill,pause,packets,members",
    ];
    let ended = run(&args, store.path());
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    assert!(ended.out.contains("\nVALID\n"), "{}", ended.said());
    let history = history(store.path());
    assert!(history.matches(r#""outcome":{"ok""#).count() > 1_000, "{}", ended.said());
    for kind in ["cut", "kill", "pause", "impair", "members"] {
        let installed =
            |line: &&str| line.contains(&format!(r#""fault":{{"{kind}""#)) && line.contains("installed");
        assert!(history.lines().any(|line| installed(&line)), "{kind} was never installed\n{}", ended.said());
    }
    assert_eq!(processes_of(store.path()), Vec::<String>::new());
    for node in 1..=5 {
        let log = fs::read_to_string(store.path().join(format!("latest/nodes/n{node}/node.log")));
        assert!(log.is_ok_and(|log| !log.is_empty()), "n{node} left no log");
    }

    let again = run(&["check", "latest"], store.path());
    assert_eq!(again.code, Some(254), "a path is meant as it is typed: {}", again.said());
    let latest = store.path().join("latest");
    let again = run(&["check", latest.to_str().unwrap()], store.path());
    assert_eq!(again.code, Some(0), "{}", again.said());
}

#[test]
fn known_bugs_are_found_on_real_processes() {
    // The surest first; which of them show is a matter of timing, so not all of them have to.
    let hunts = [
        ("stale-local-reads", "partition,kill"),
        ("acknowledged-before-commit", "partition,kill"),
        ("late-step-down", "partition,pause"),
        ("log-not-persisted", "kill"),
        ("vote-ignores-log", "partition,kill"),
        ("reads-without-quorum", "partition,pause"),
        ("no-truncation", "partition,kill,pause"),
    ];
    let found = Mutex::new(Vec::new());
    each_seed(0..hunts.len() as u64, |number| {
        let (flaw, nemesis) = hunts[number as usize];
        let enough = || found.lock().expect("nobody panics").len() >= 5;
        let hit =
            (1..=10).take_while(|_| !enough()).find_map(|seed| Some((seed, hunt(flaw, nemesis, seed)?)));
        println!("{flaw:28} {hit:?}");
        found.lock().expect("nobody panics").extend(hit.map(|_| flaw));
        Ok(())
    });
    let found = found.into_inner().expect("nobody panics");
    assert!(found.len() >= 5, "only {found:?} were found");
}

#[test]
fn a_run_that_is_lost_ends_early_and_is_judged_all_the_same() {
    let _alone = alone();
    let store = store();
    let args = [
        "test",
        "raft",
        "--on",
        "local",
        "--time-limit",
        "2m",
        "--nemesis-interval",
        "700ms",
        "--rate",
        "1000",
    ];
    let flawed =
        ["--concurrency", "4n", "--flaw", "stale-local-reads", "--nemesis", "partition,kill", "--fail-fast"];
    let ended = run(&[&args[..], &flawed].concat(), store.path());
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    assert!(ended.err.contains("ended early") && ended.out.contains("\nINVALID\n"), "{}", ended.said());
    let history = history(store.path());
    let healed =
        history.lines().find(|line| line.contains(r#""phase":"heal""#)).expect("it is healed as always");
    let time =
        healed.split([':', ',']).nth(1).and_then(|time| time.parse::<u64>().ok()).expect("it has a time");
    assert!(time < 100_000_000_000, "the main phase was to last two minutes: {healed}");
    assert!(history.contains(r#""phase":"done""#), "it is read finally as always");
}

/// Runs a flawed cluster; the line of the judge that finds it guilty.
fn hunt(flaw: &str, nemesis: &str, seed: u32) -> Option<String> {
    let (store, seed) = (store(), seed.to_string());
    let always = [
        "test",
        "raft",
        "--on",
        "local",
        "--time-limit",
        "8s",
        "--nemesis-interval",
        "700ms",
        "--rate",
        "1000",
    ];
    let args = ["--concurrency", "4n", "--flaw", flaw, "--nemesis", nemesis, "--seed", &seed];
    let ended = run(&[&always[..], &args].concat(), store.path());
    assert_eq!(processes_of(store.path()), Vec::<String>::new());
    match ended.code {
        Some(1) => {
            assert!(ended.out.contains("\nINVALID\n"), "{}", ended.said());
            assert!(
                ended.out.contains(&format!("--flaw {flaw}")),
                "it says how to do it again: {}",
                ended.said()
            );
            let guilty = ended.out.lines().find(|line| line.contains(" invalid "));
            Some(guilty.unwrap_or_else(|| panic!("nobody accuses: {}", ended.said())).trim().to_owned())
        }
        Some(0 | 2) => None,
        _ => panic!("{}", ended.said()),
    }
}

#[test]
fn nothing_survives_a_killed_controller_and_its_history_is_judged() {
    let _alone = alone();
    let store = store();
    let mut child = under_way(store.path(), &["--seed", "1"]);
    child.kill().expect("it can be killed");
    child.wait().expect("it is our child");
    wait_until("every node is gone", 5, || processes_of(store.path()).is_empty());
    let latest = store.path().join("latest");
    let ended = run(&["check", latest.to_str().unwrap()], store.path());
    assert_eq!(ended.code, Some(2), "cut short, so unknown: {}", ended.said());
    let ok = history(store.path()).matches(r#""outcome":{"ok""#).count();
    assert!(ok > 100 && ended.out.contains("linearizable"), "{}", ended.said());
    assert!(ended.out.contains("\nUNKNOWN\n"), "{}", ended.said());
}

#[test]
fn ctrl_c_and_sigterm_end_in_good_order() {
    let _alone = alone();
    for name in ["-INT", "-TERM"] {
        let store = store();
        let child = under_way(store.path(), &["--nemesis", "none"]);
        signal(&child, name);
        let ended = Ended::of(child.wait_with_output().expect("it is our child"));
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.said());
        assert!(ended.err.contains("interrupted: judging what was recorded"), "{name}: {}", ended.said());
        assert_eq!(processes_of(store.path()), Vec::<String>::new(), "{name}");
        assert!(store.path().join("latest/verdict.json").exists(), "{name}");
    }
}

#[test]
fn all_nodes_killed_for_good_proves_nothing() {
    let _alone = alone();
    let store = store();
    let plan = store.path().join("plan.json");
    fs::write(&plan, r#"[[2000000000, {"kill": "all"}]]"#).unwrap();
    for target in ["sim", "local"] {
        let plan = plan.to_str().unwrap();
        let args = ["test", "raft", "--on", target, "--time-limit", "5s", "--no-heal", "--plan", plan];
        let ended = run(&args, store.path());
        assert_eq!(ended.code, Some(2), "{target}: {}", ended.said());
        assert!(
            ended.out.contains("coverage") && ended.out.contains("\nUNKNOWN\n"),
            "{target}: {}",
            ended.said()
        );
    }
}

#[test]
fn real_processes_serve_other_workloads_and_know_who_asks_again() {
    let _alone = alone();
    for workload in ["append", "lock"] {
        let store = store();
        let args = ["test", "raft", "--on", "local", "--workload", workload, "--retry", "--seed", "1"];
        let weather = ["--time-limit", "5s", "--nemesis", "kill", "--nemesis-interval", "1s"];
        let ended = run(&[&args[..], &weather].concat(), store.path());
        assert_eq!(ended.code, Some(0), "{workload}: {}", ended.said());
        let again = format!("--workload {workload} --retry");
        assert!(ended.out.contains(&again), "{workload}: {}", ended.said());
        let checked = run(&["check", store.path().join("latest").to_str().unwrap()], store.path());
        assert_eq!(checked.code, Some(0), "judged by the same workload: {}", checked.said());
    }
}

/// A few seconds of each, by the workload and under the faults that are its own. `TRIBUNAL_SECONDS=60` makes it a minute,
/// `TRIBUNAL_PROTOCOL=abd` one of them alone.
#[test]
fn every_protocol_runs_on_real_processes() {
    let said = |name: &str| std::env::var(name).ok();
    let time = format!("{}s", said("TRIBUNAL_SECONDS").unwrap_or("5".to_owned()));
    let wanted = |name: &str| said("TRIBUNAL_PROTOCOL").is_none_or(|wanted| wanted == name);
    let protocols: Vec<_> = PROTOCOLS.iter().filter(|entry| wanted(entry.name)).collect();
    // They wait more than they work, so there may be several at once.
    each_seed(0..protocols.len() as u64, |number| {
        let (protocol, store) = (protocols[number as usize].name, store());
        let args = ["test", protocol, "--on", "local", "--seed", "1", "--time-limit", &time];
        // Three-phase commit takes a silence for a death, so that a busy machine is to it what a partition is. Its kills
        // are simulated, where time is kept.
        let calm = protocol == "three-phase";
        let weather = if calm { ["--nemesis", "none"] } else { ["--nemesis-interval", "1s"] };
        let ended = run(&[&args[..], &weather].concat(), store.path());
        match (ended.code, processes_of(store.path())) {
            (Some(0), left) if left.is_empty() => Ok(()),
            (_, left) => Err(format!("{protocol}: {}left: {left:?}", ended.said())),
        }
    });
}
