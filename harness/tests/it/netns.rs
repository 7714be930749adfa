//! Machines of their own, made of namespaces: as root and as an ordinary user, and nothing left of them.

use crate::machine::{Ended, alone, processes_of};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// An ordinary user that every Linux has.
const NOBODY: u32 = 65_534;

/// What a cluster could leave behind on the host, of what can be told from the doings of others: its links, its
/// mounts, its nodes.
fn traces(store: &Path) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let place = store.to_str().expect("temporary paths are text");
    let links = read("/proc/net/dev");
    let links = links.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let links = links.filter(|name| name.starts_with(linux::net::NAME)).map(str::to_owned);
    let mounts = read("/proc/self/mountinfo");
    let mounts = mounts.lines().filter(|line| line.contains(place)).map(str::to_owned);
    links.chain(mounts).chain(processes_of(store)).collect()
}

/// Whether namespaces can be had here by `user`; if not, the test says that it is skipped.
fn possible(test: &str, ended: &Ended) -> bool {
    let refused = ended.code == Some(254) && ended.err.contains("cannot run on netns");
    assert!(!refused || std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {}", ended.said());
    if refused {
        println!("skipped: {test}: {}", ended.err.trim());
    }
    !refused
}

fn break_everything(store: &Path, user: Option<u32>) -> Ended {
    // An ordinary user may not be able to reach where the program was built.
    let program = store.join("tribunal");
    fs::copy(env!("CARGO_BIN_EXE_tribunal"), &program).expect("the program can be copied");
    fs::set_permissions(store, fs::Permissions::from_mode(0o777)).expect("the store is ours");
    let args =
        ["test", "raft", "--on", "netns", "--time-limit", "18s", "--nemesis-interval", "2s", "--rate", "300"];
    let nemesis = ["--nemesis", "partition,kill,kill:terminate,pause,packets,clock,members", "--seed", "11"];
    let mut command = Command::new(&program);
    command.args(args).args(nemesis).env("TRIBUNAL_STORE", store.join("runs"));
    command.current_dir(store);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    Ended::of(command.output().expect("the program starts"))
}

fn five_machines_are_broken_and_judged(test: &str, user: Option<u32>) {
    let _alone = alone();
    let store = TempDir::new().expect("there is a temporary directory");
    let ended = break_everything(store.path(), user);
    if !possible(test, &ended) {
        return;
    }
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let history =
        fs::read_to_string(store.path().join("runs/latest/history.jsonl")).expect("it was recorded");
    for kind in ["cut", "kill", "terminate", "pause", "impair", "skew", "members"] {
        let installed =
            |line: &str| line.contains(&format!(r#""fault":{{"{kind}""#)) && line.contains("installed");
        assert!(history.lines().any(installed), "{kind} was never installed\n{}", ended.said());
    }
    assert_eq!(traces(store.path()), Vec::<String>::new(), "the host is as it was");
}

#[test]
fn root_breaks_five_machines() {
    five_machines_are_broken_and_judged("root_breaks_five_machines", None);
}

#[test]
fn an_ordinary_user_breaks_five_machines() {
    five_machines_are_broken_and_judged("an_ordinary_user_breaks_five_machines", Some(NOBODY));
}
