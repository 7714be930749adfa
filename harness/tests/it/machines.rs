//! Containers and machines behind sshd: the same command, judged the same way.

use crate::machine::{Ended, alone, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Says that a test is skipped, and why; in CI nothing may be.
fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
    println!("skipped: {test}: {why}");
}

/// The run was valid, and each of these faults was installed.
fn judged(ended: &Ended, store: &Path, kinds: &[&str]) {
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let history = fs::read_to_string(store.join("latest/history.jsonl")).expect("it was recorded");
    for kind in kinds {
        let installed =
            |line: &str| line.contains(&format!(r#""fault":{{"{kind}""#)) && line.contains("installed");
        assert!(history.lines().any(installed), "{kind} was never installed\n{}", ended.said());
    }
}

#[test]
fn five_containers_are_broken_and_judged() {
    let _alone = alone();
    let Some(program) = std::env::var_os("TRIBUNAL_STATIC") else {
        return skip(
            "five_containers_are_broken_and_judged",
            "TRIBUNAL_STATIC names no static build (.ci/static)",
        );
    };
    let options = live::DockerOptions { program: Some(PathBuf::from(program)), ..Default::default() };
    if let Err(why) = options.can() {
        return skip("five_containers_are_broken_and_judged", &why);
    }
    let store = TempDir::new().expect("there is a temporary directory");
    let args =
        ["test", "raft", "--on", "docker", "--time-limit", "14s", "--nemesis-interval", "2s", "--seed", "4"];
    let ended = run(&[&args[..], &["--nemesis", "partition,kill,pause,clock"]].concat(), store.path());
    judged(&ended, store.path(), &["cut", "kill", "pause", "skew"]);
    let filter = format!("label={}", live::DOCKER_LABEL);
    for list in [&["ps", "--all", "--quiet"][..], &["network", "ls", "--quiet"]] {
        let left =
            Command::new("docker").args(list).args(["--filter", &filter]).output().expect("there is docker");
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "docker {list:?}");
    }
}

/// Five machines, until the end of the test.
struct Machines(PathBuf);

impl Drop for Machines {
    fn drop(&mut self) {
        let _ = script("down", &self.0);
    }
}

fn script(verb: &str, directory: &Path) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/ssh-machines");
    let output = Command::new(script).arg(verb).arg(directory).output().map_err(|error| error.to_string())?;
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn five_machines_behind_sshd_are_broken_and_judged() {
    let _alone = alone();
    let store = TempDir::new().expect("there is a temporary directory");
    let machines = Machines(store.path().join("machines"));
    if let Err(why) = script("up", &machines.0) {
        return skip("five_machines_behind_sshd_are_broken_and_judged", &why);
    }
    let file = |name: &str| machines.0.join(name).to_str().expect("temporary paths are text").to_owned();
    let (hosts, key, known) = (file("hosts"), file("key"), file("known_hosts"));
    let there = ["--hosts", &hosts, "--key", &key, "--known-hosts", &known, "--ssh-user", "root"];
    let args =
        ["test", "raft", "--on", "ssh", "--time-limit", "14s", "--nemesis-interval", "2s", "--seed", "3"];
    let ended = run(&[&args[..], &there].concat(), &store.path().join("runs"));
    judged(&ended, &store.path().join("runs"), &["cut", "kill", "pause"]);
    let doctor = run(&[&["doctor", "--on", "ssh"][..], &there].concat(), store.path());
    assert!(doctor.code == Some(0) && doctor.out.contains("m5         partition  can"), "{}", doctor.said());
    let cleaned = run(&[&["clean"][..], &there].concat(), store.path());
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.said());
}
