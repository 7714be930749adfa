//! Whatever is typed or handed over: one clear message, the right exit code, no panic.

use crate::machine::{Ended, run};
use history::FaultKind;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// Runs with `args`; it must exit with `code` and say `what` on standard error.
fn refused(args: &[&str], code: i32, what: &str) {
    let store = TempDir::new().expect("there is a temporary directory");
    let ended = run(args, store.path());
    assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.said());
    assert!(ended.err.contains(what), "{args:?} should say {what:?}: {}", ended.said());
    assert!(!ended.err.contains("panicked"), "{args:?}: {}", ended.said());
}

#[test]
fn bad_arguments_are_refused_with_a_reason() {
    for (args, what) in [
        (&["test"][..], "<SYSTEM>"),
        (&["test", "rafd"], "there is no such system"),
        (&["test", "raft", "--workload", "frob"], "there is no such workload; there is: register"),
        (&["test", "raft", "--workload", "bank", "--keys", "3"], "its keys cannot be chosen"),
        (&["test", "raft", "--workload", "set", "--txn-length", "3"], "the length of its transactions"),
        (&["test", "raft", "--workload", "append", "--txn-length", "4-2"], "no length such as 4 or 1-4"),
        (&["test", "raft", "--workload", "append", "--key-dist", "even"], "there is: uniform, zipf"),
        (&["test", "raft", "--workload", "append", "--expect", "linearizable"], "but strict-serializable"),
        (&["test", "raft", "--keys", "0"], "invalid value"),
        (&["test", "raft", "--nodes", "0"], "1 to 99 nodes"),
        (&["test", "raft", "--nodes", "many"], "invalid value"),
        (&["test", "raft", "--concurrency", "0"], "1 to 10000 clients"),
        (&["test", "raft", "--rate", "-1"], "--rate"),
        (&["test", "raft", "--time-limit", "soon"], "not a span of time"),
        (&["test", "raft", "--nemesis", "meteor"], "meteor"),
        (&["test", "raft", "--flaw", "nope"], "nope"),
        (&["test", "raft", "--on", "moon"], "invalid value"),
        (&["test", "raft", "--plan", "/nonexistent.json"], "No such file"),
        (&["check", "/nonexistent"], "No such file"),
        (&["list", "everything"], "invalid value"),
        (&["judge"], "unrecognized subcommand"),
        (&[], "Usage"),
    ] {
        refused(args, 254, what);
    }
}

#[test]
fn a_store_that_cannot_be_written_is_refused_before_anything_runs() {
    refused(&["test", "raft", "--on", "sim", "--store", "/proc/nowhere"], 254, "--store DIR");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "in the way").unwrap();
    refused(&["test", "raft", "--on", "sim", "--store", file.to_str().unwrap()], 254, "--store DIR");
}

#[test]
fn a_disk_that_takes_no_more_is_said_and_what_was_recorded_is_judged() {
    let store = TempDir::new().unwrap();
    // A limit on the size of a file fails a write as a full disk does, without being root.
    let program = env!("CARGO_BIN_EXE_tribunal");
    let script =
        format!("trap '' XFSZ; ulimit -f 256; exec {program} test raft --on sim --seed 1 --nemesis none");
    let output = Command::new("bash").args(["-c", &script]).env("TRIBUNAL_STORE", store.path()).output();
    let ended = Ended::of(output.expect("there is bash"));
    assert_eq!(ended.code, Some(255), "{}", ended.said());
    assert!(ended.err.contains("cannot write the history"), "{}", ended.said());
    assert!(ended.out.contains("was torn off") && ended.out.contains("linearizable"), "{}", ended.said());
    let latest = store.path().join("latest");
    let again = run(&["check", latest.to_str().unwrap()], store.path());
    assert_eq!(again.code, Some(2), "cut short, so unknown: {}", again.said());
}

#[test]
fn a_history_that_makes_no_sense_is_named_with_its_line() {
    let directory = TempDir::new().unwrap();
    let run_directory = directory.path().join("run");
    let ended = run(&["test", "raft", "--on", "sim", "--time-limit", "3s", "--seed", "3"], &run_directory);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let history = fs::read(run_directory.join("latest/history.jsonl")).unwrap();
    let file = directory.path().join("history.jsonl");
    let path = file.to_str().unwrap();
    let text = String::from_utf8(history.clone()).unwrap();

    for (bytes, what) in [
        (Vec::new(), "the file is empty"),
        (b"PK\x03\x04\x00\xff".to_vec(), "in no known format"),
        (text.replacen("tribunal_history\":1", "tribunal_history\":7", 1).into_bytes(), "format 7"),
        (text.replacen("\"invoke\"", "\"invoke", 1).into_bytes(), "is garbled"),
        (text.replacen("{\"time\":", "{\"tim\":", 1).into_bytes(), "line 2 is garbled"),
        (
            text.lines()
                .filter(|line| !line.contains("invoke"))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
                .into_bytes(),
            "never made",
        ),
    ] {
        fs::write(&file, &bytes).unwrap();
        refused(&["check", path], 254, what);
    }

    fs::write(&file, &history[..history.len() - 7]).unwrap();
    let ended = run(&["check", path], directory.path());
    assert_eq!(ended.code, Some(0), "a torn last line is no error: {}", ended.said());
    assert!(ended.out.contains("was torn off"), "but it is said: {}", ended.said());
    assert!(!run_directory.join("verdict.json").exists());
}

#[test]
fn everything_can_be_listed_and_helped() {
    let store = TempDir::new().unwrap();
    for (args, what) in [
        (&["list"][..], "partition"),
        (&["list", "systems"], "raft"),
        (&["list", "workloads"], "register"),
        (&["list", "workloads"], "append          transactions that read lists"),
        (&["list", "nemeses"], "kill"),
        (&["list", "targets"], "sim"),
        (&["list", "flaws"], "stale-local-reads"),
        (&["list", "models"], "register"),
        (&["test", "--help"], "Examples:"),
        (&["check", "--help"], "tribunal check store/latest"),
        (&["--version"], "tribunal 0."),
    ] {
        let ended = run(args, store.path());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.said());
        assert!(ended.out.contains(what), "{args:?}: {}", ended.said());
    }
}

#[test]
fn the_doctor_knows_every_kind_of_fault() {
    let store = TempDir::new().unwrap();
    let doctor = run(&["doctor", "--on", "sim"], store.path());
    assert_eq!(doctor.code, Some(0), "{}", doctor.said());
    assert!(FaultKind::ALL.iter().all(|kind| doctor.out.contains(kind.name())), "{}", doctor.said());
}

#[test]
fn a_violation_is_told_and_can_be_repeated() {
    let store = TempDir::new().unwrap();
    let args =
        ["test", "raft", "--on", "sim", "--seed", "1", "--flaw", "stale-local-reads", "--time-limit", "10s"];
    let ended = run(&args, store.path());
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    for what in
        ["stale read on k", "had returned by event", "\nINVALID\n", "again    tribunal test raft --on sim"]
    {
        assert!(ended.out.contains(what), "no {what:?}: {}", ended.said());
    }
    let drawn = ended.out.lines().find_map(|line| line.strip_prefix("drawn    ")).unwrap();
    let picture = drawn.split(", ").find(|name| name.starts_with("anomalies/1-")).unwrap();
    let picture = store.path().join("raft-register/latest").join(picture);
    assert!(std::fs::read_to_string(picture).unwrap().contains("on k"), "{drawn}");
    let again = ended.out.lines().find_map(|line| line.strip_prefix("again    tribunal ")).unwrap();
    let words: Vec<&str> = again.split_whitespace().collect();
    let repeated = run(&words, store.path());
    let digest = |said: &str| said.split("digest ").nth(1).map(|rest| rest[..32].to_owned());
    assert_eq!(digest(&repeated.out), digest(&ended.out), "the command that is printed makes the same run");
    assert!(digest(&ended.out).is_some());
}

#[test]
fn what_is_expected_is_judged_and_kept() {
    let store = TempDir::new().unwrap();
    let args =
        ["test", "raft", "--on", "sim", "--seed", "1", "--flaw", "stale-local-reads", "--time-limit", "10s"];
    let options = ["--workload", "append", "--keys", "5", "--key-dist", "zipf", "--txn-length", "2-3"];
    let strict = run(&[&args[..], &options].concat(), store.path());
    assert_eq!(strict.code, Some(1), "{}", strict.said());
    assert!(strict.out.contains("strict-serializable"), "{}", strict.said());
    for (option, value) in [("--keys", "5"), ("--key-dist", "zipf"), ("--txn-length", "2-3")] {
        assert!(strict.out.contains(&format!("{option} {value}")), "it can be repeated: {}", strict.said());
    }
    // Every node applies one log in order: who reads an old part of it reads a snapshot.
    let weak = run(&[&args[..], &options, &["--expect", "snapshot-isolation"]].concat(), store.path());
    assert_eq!(weak.code, Some(0), "{}", weak.said());
    assert!(weak.out.contains("--expect snapshot-isolation"), "{}", weak.said());
    let latest = store.path().join("latest");
    let path = latest.to_str().unwrap();
    assert_eq!(run(&["check", path], store.path()).code, Some(0), "what was expected is expected again");
    let again = run(&["check", path, "--workload", "append"], store.path());
    assert_eq!(again.code, Some(1), "{}", again.said());
}
