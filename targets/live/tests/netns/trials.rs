//! What is done to the clusters.

use crate::VICTIM;
use crate::toy::{Bench, Toy, cut, installed, kill, link, nodes, processes, soon, start, toy};
use cluster::{Arrival, Cluster};
use history::{
    Call, Doubt, Fault, FaultKind, Injection, Key, NodeId, Outcome, ProcessId, Refusal, Reply, Trouble, Value,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tribunal_live::Netns;

const UNREACHABLE: Outcome = Outcome::Fail(Refusal::Unreachable);

fn five() -> Bench<Netns> {
    Bench::start(5)
}

/// What can be seen from here of what we make: links, mounts on `/proc`, networks that we hold. Whatever else is
/// seen on this machine may be others'.
fn seen() -> (Vec<String>, usize, BTreeSet<PathBuf>) {
    let links = fs::read_to_string("/proc/self/net/dev").unwrap();
    let links = links.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
    let made = |name: &String| name == linux::net::NAME || name.parse::<NodeId>().is_ok();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/proc")).count();
    let held = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let held = held.filter_map(|fd| fs::read_link(fd.path()).ok());
    let held = held.filter(|fd| fd.display().to_string().starts_with("net:"));
    (links.filter(made).collect(), mounts, held.collect())
}

/// The namespaces of a process.
fn namespaces(process: &Path) -> BTreeSet<PathBuf> {
    let kinds = ["net", "uts", "pid", "mnt"];
    kinds.iter().filter_map(|kind| fs::read_link(process.join("ns").join(kind)).ok()).collect()
}

/// Whoever is in one of these namespaces: numbers and times of birth, since the kernel gives away the numbers of
/// processes and of namespaces again.
fn dwellers(those: &BTreeSet<PathBuf>) -> BTreeSet<(PathBuf, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let inside = processes.filter(|process| !namespaces(process).is_disjoint(those));
    inside.filter_map(|process| Some((process.clone(), born(&process)?))).collect()
}

/// When a process was born: the twenty-second field.
fn born(process: &Path) -> Option<String> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

fn are_gone(those: &BTreeSet<(PathBuf, String)>) -> bool {
    those.iter().all(|(process, birth)| born(process).is_none_or(|born| born != *birth))
}

/// The numbers of the processes that work for this cluster.
fn members(directory: &Path) -> Vec<String> {
    let works = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&directory.display().to_string())
    };
    let members = fs::read_dir("/proc").unwrap().flatten().filter(works);
    members.map(|entry| entry.file_name().display().to_string()).collect()
}

pub fn machines_of_their_own() {
    let before = seen();
    let mut bench = five();
    assert_eq!((bench.processes(), bench.cluster.primaries()), (5, nodes([1])));
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert_eq!(bench.read(3), Outcome::Ok(Reply::Read(Some(Value(5)))), "n3 says: ask n1");
    let during = seen();
    assert_eq!((&during.0, &during.1), (&before.0, &before.1), "links and mounts");
    assert_eq!(during.2.len(), before.2.len() + 6, "five machines and the hub");
    let members = members(bench.directory.path());
    let mut inside = during.2.clone();
    members.iter().for_each(|number| inside.extend(namespaces(&Path::new("/proc").join(number))));
    assert_eq!(inside.len(), during.2.len() + 15, "each has three more of its own");
    let ours = namespaces(Path::new("/proc/self"));
    assert!(inside.is_disjoint(&ours));
    let dwellers = dwellers(&inside);
    assert_eq!(dwellers.len(), 10, "in each machine its first process and the node");
    for number in members {
        let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap();
        let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
        assert_eq!(
            inside.split_whitespace().next_back(),
            Some("2"),
            "in its machine it is the second process"
        );
    }
    bench.cluster.stop().unwrap();
    bench.cluster.stop().unwrap();
    assert_eq!(bench.processes(), 0);
    assert_eq!(seen(), before);
    assert!(are_gone(&dwellers), "nobody is left in there");
    let late = Call::Read { key: Key(0) };
    assert!(bench.cluster.invoke(ProcessId(0), NodeId(1), late, Duration::ZERO).is_err());
}

pub fn dropped() {
    let before = seen();
    let mut bench = five();
    let links = vec![link(1, 2), link(2, 3)];
    let hold = Trouble { hold: true, ..Trouble::default() };
    bench.cluster.inject(cut(links.clone())).unwrap();
    bench.cluster.inject(Fault::Impair { links, trouble: hold }).unwrap();
    bench.cluster.inject(Fault::Pause { nodes: nodes([1, 2]) }).unwrap();
    bench.cluster.inject(kill(3)).unwrap();
    bench.cluster.inject(start(3)).unwrap();
    let Bench { cluster, directory, .. } = bench;
    drop(cluster);
    assert_eq!(processes(directory.path()), 0);
    assert_eq!(seen(), before);
}

pub fn killed_controller() {
    let (before, directory) = (seen(), TempDir::new().unwrap());
    let mut controller = Command::new(std::env::current_exe().unwrap());
    let mut controller = controller.env(VICTIM, directory.path()).spawn().unwrap();
    soon(|| directory.path().join("up").exists());
    assert_eq!(processes(directory.path()), 5);
    let mut inside = BTreeSet::new();
    members(directory.path())
        .iter()
        .for_each(|number| inside.extend(namespaces(&Path::new("/proc").join(number))));
    assert_eq!(inside.len(), 20);
    let dwellers = dwellers(&inside);
    assert_eq!(dwellers.len(), 10);
    controller.kill().unwrap();
    controller.wait().unwrap();
    soon(|| processes(directory.path()) == 0);
    soon(|| are_gone(&dwellers));
    assert_eq!(seen(), before);
}

/// What the trial before starts and kills.
pub fn wait_to_be_killed(directory: &Path) -> ! {
    Bench::<Netns>::wait_to_be_killed(directory, 5)
}

pub fn cut_and_mend() {
    let mut bench = five();
    let halves: Vec<_> =
        [1, 2].into_iter().flat_map(|a| [3, 4, 5].map(|b| [link(a, b), link(b, a)])).collect();
    let evidence = installed(bench.inject(cut(halves.concat())));
    assert!(evidence.starts_with("12 of 12 links swallowed") && evidence.ends_with("frames"), "{evidence}");
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done), "clients are not cut off");
    assert_eq!(bench.read(5), Outcome::Ok(Reply::Read(Some(Value(5)))), "from either side");
    // One direction only, between two who are dead: the link itself is tried.
    installed(bench.inject(Fault::Kill { nodes: nodes([4, 5]) }));
    let evidence = installed(bench.inject(cut(vec![link(4, 5)])));
    assert!(evidence.starts_with("1 of 1 links swallowed"), "{evidence}");
    let evidence = bench.repair(FaultKind::Partition);
    assert!(evidence.starts_with("13 links are open again, and 13 carried frames"), "{evidence}");
    assert_eq!(bench.repair(FaultKind::Partition), "no link was in trouble");
}

pub fn impaired() {
    let mut bench = five();
    let trouble = Trouble { delay_ms: 1, loss: 300, duplicate: 300, reorder: 300, ..Trouble::default() };
    let evidence = installed(bench.inject(Fault::Impair { links: vec![link(1, 2), link(1, 3)], trouble }));
    assert!(evidence.contains("on 2 of 2 links") && !evidence.contains(" 0 delayed"), "{evidence}");
    let hold = Trouble { hold: true, ..Trouble::default() };
    let evidence = installed(bench.inject(Fault::Impair { links: vec![link(2, 1)], trouble: hold }));
    assert!(!evidence.contains(" 0 held"), "{evidence}");
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done), "clients' packets are left alone");
    let evidence = bench.repair(FaultKind::Packets);
    assert!(evidence.starts_with("3 links are open again, and 3 carried frames"), "{evidence}");
}

pub fn killed() {
    let mut bench = five();
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert!(installed(bench.inject(kill(1))).contains("SIGKILL"));
    assert_eq!(bench.processes(), 4);
    assert_eq!(bench.read(1), UNREACHABLE);
    assert_eq!(bench.cluster.primaries(), []);
    assert!(matches!(bench.inject(kill(1)), Injection::Skipped(why) if why.contains("already down")));
    assert!(installed(bench.inject(start(1))).contains("serves"));
    // The same client, the same address, another life: its old connection is not used.
    assert_eq!(bench.read(1), Outcome::Ok(Reply::Read(Some(Value(0)))), "a new life, a new number");
    for _ in 0..5 {
        installed(bench.inject(kill(2)));
        assert!(bench.repair(FaultKind::Kill).contains("n2"), "its ports are free again at once");
    }
    assert_eq!(bench.repair(FaultKind::Kill), "no node was down by our hand");
    assert_eq!(bench.processes(), 5);
}

pub fn paused() {
    let mut bench = five();
    let pause = || Fault::Pause { nodes: nodes([1]) };
    assert!(installed(bench.inject(pause())).contains("state T"));
    assert_eq!(bench.write(1, 5), Outcome::Unknown(Doubt::Timeout));
    assert_eq!(bench.cluster.primaries(), []);
    assert!(matches!(bench.inject(pause()), Injection::Skipped(why) if why.contains("paused already")));
    assert!(installed(bench.inject(Fault::Resume { nodes: nodes([1]) })).contains("runs"));
    let late = Outcome::Ok(Reply::Read(Some(Value(5))));
    assert!((0..1000).any(|_| bench.read(1) == late), "the write was only late");
    installed(bench.inject(pause()));
    assert!(installed(bench.inject(kill(1))).contains("SIGKILL"), "the frozen can be killed");
    assert_eq!(bench.repair(FaultKind::Pause), "no node was paused");
    assert!(bench.repair(FaultKind::Kill).contains("serves"));
}

pub fn death() {
    let mut bench = five();
    let write = Call::Write { key: Key(0), value: Value(666) };
    bench.cluster.invoke(ProcessId(0), NodeId(1), write, Duration::from_secs(1)).unwrap();
    let (mut outcome, mut death) = (None, None);
    while outcome.is_none() || death.is_none() {
        match bench.arrival() {
            Arrival::Completed { outcome: seen, .. } => outcome = Some(seen),
            Arrival::Died { node: NodeId(1), how } => death = Some(how),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outcome, Some(Outcome::Unknown(Doubt::Disconnected)));
    assert_eq!(death.unwrap(), "exit status: 3; last words: the number of the beast");
    assert_eq!(bench.read(1), UNREACHABLE);
}

pub fn cannot_start() {
    let (before, directory) = (seen(), TempDir::new().unwrap());
    let attempt = |program: PathBuf, name: &str| {
        let mut cluster = Netns::new(Arc::new(Toy { program }), 3, directory.path().join(name), 7);
        cluster.start().unwrap_err().to_string()
    };
    let error = attempt("/no/such/program".into(), "a");
    assert!(error.contains("start node n1") && error.contains("/no/such/program"), "{error}");
    let error = attempt("/bin/ls".into(), "b");
    assert!(error.contains("ended before it was ready") && error.contains("its log ends"), "{error}");
    let error = attempt(toy(), "b");
    assert!(error.contains("directory of its own"), "{error}");
    assert_eq!(processes(directory.path()), 0);
    assert_eq!(seen(), before);
}
