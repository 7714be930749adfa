//! Real clusters of toys, each in a container. Needs root, a container engine and a static toy, whose path is in
//! `TRIBUNAL_STATIC_TOY`; `.ci/static` builds one. Where something is missing, every test is skipped by name,
//! loudly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "it is made for more than these tests")]
mod toy;

use cluster::Cluster;
use history::{Fault, FaultKind, Link, Outcome, Pressure, Refusal, Reply, Trouble, Value};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use toy::{Bench, Toy, cut, installed, kill, link, nodes, soon, start};
use tribunal_live::{Containers, DOCKER_LABEL, Docker, DockerOptions};

/// What is in the engine is counted, so there is one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What tests need, or `None` after saying what is missing.
fn can(name: &str) -> Option<(MutexGuard<'static, ()>, DockerOptions)> {
    let program = std::env::var_os("TRIBUNAL_STATIC_TOY").map(PathBuf::from);
    let options = DockerOptions { program: program.clone(), ..DockerOptions::default() };
    let able = match program {
        None => Err("TRIBUNAL_STATIC_TOY names no static toy".to_owned()),
        Some(_) => options.can(),
    };
    if let Err(why) = able {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
        println!("skipped: {name}: {why}");
        return None;
    }
    Some((ALONE.lock().unwrap_or_else(PoisonError::into_inner), options))
}

fn bench(options: &DockerOptions, count: u16) -> Bench<Docker> {
    let directory = TempDir::new().unwrap();
    let toy = Arc::new(Toy { program: options.program.clone().unwrap() });
    let cluster = Docker::on(Containers(options.clone()), toy, count, directory.path().join("run"), 7);
    let mut bench = Bench::of(cluster, directory);
    bench.cluster.start().unwrap();
    bench
}

/// The names of everything of ours in the engine.
fn left() -> Vec<String> {
    let filter = format!("label={DOCKER_LABEL}");
    let list = |args: &[&str]| {
        let output = Command::new("docker").args(args).args(["--filter", &filter]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let containers = list(&["ps", "--all", "--format", "{{.Names}}"]);
    let networks = list(&["network", "ls", "--format", "{{.Name}}"]);
    [containers, networks, list(&["images", "--format", "{{.Repository}}"])].concat()
}

fn halves() -> Vec<Link> {
    let across = |from: u16, to: u16| [link(from, to), link(to, from)];
    [1, 2].into_iter().flat_map(|from| [3, 4, 5].into_iter().flat_map(move |to| across(from, to))).collect()
}

#[test]
fn containers_answer_part_and_meet_again_and_nothing_is_left() {
    let Some((_alone, options)) = can("containers_answer_part_and_meet_again_and_nothing_is_left") else {
        return;
    };
    options.clean().unwrap();
    let before = left();
    let mut bench = bench(&options, 5);
    assert_eq!(left().len(), before.len() + 5 + 2, "five containers, a network and an image");
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert_eq!(bench.read(3), Outcome::Ok(Reply::Read(Some(Value(5)))), "n3 says: ask n1");

    let parted = installed(bench.inject(cut(halves())));
    assert!(parted.starts_with("12 of 12 links swallowed"), "{parted}");
    assert_eq!(bench.read(5), Outcome::Ok(Reply::Read(Some(Value(5)))), "clients are never cut off");
    let met = bench.repair(FaultKind::Partition);
    assert_eq!(met, "12 links are open again, and 12 carried frames at once");

    assert!(installed(bench.inject(Fault::Pause { nodes: nodes([1]) })).contains("state T"));
    assert!(bench.repair(FaultKind::Pause).contains("runs"));
    bench.cluster.stop().unwrap();
    assert_eq!(left(), before);
}

#[test]
fn who_is_killed_comes_back_to_the_same_cuts() {
    let Some((_alone, options)) = can("who_is_killed_comes_back_to_the_same_cuts") else { return };
    let mut bench = bench(&options, 3);
    let one_way = cut(vec![link(1, 2)]);
    assert!(installed(bench.inject(one_way)).starts_with("1 of 1 links swallowed"));
    assert!(installed(bench.inject(kill(2))).contains("SIGKILL"));
    assert_eq!(bench.read(2), Outcome::Fail(Refusal::Unreachable));
    assert!(installed(bench.inject(start(2))).contains("serves"));
    assert_eq!(bench.read(2), Outcome::Ok(Reply::Read(Some(Value(0)))), "n2 says: ask n1");
    // Cut again, it must be swallowing already.
    let both = installed(bench.inject(cut(vec![link(1, 2), link(3, 1)])));
    assert!(both.starts_with("2 of 2 links swallowed"), "{both}");
    assert!(bench.repair(FaultKind::Partition).starts_with("2 links are open again, and 2 carried"));
}

/// How long it takes to open a connection from one container to another: there and back.
fn round_trip(bench: &Bench<Docker>, from: u16, to: u16) -> Duration {
    // The seats are in the processes' arguments: id, ready file, parent, address, …
    let args = |node: u16| {
        let ready = bench.directory.path().join(format!("run/nodes/n{node}/ready")).display().to_string();
        let ours = |entry: &std::fs::DirEntry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let args: Vec<String> = line.split('\0').map(str::to_owned).collect();
            let program = args.first().is_some_and(|program| program == "/tribunal");
            (program && args.get(2) == Some(&ready)).then_some(args)
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, ours(&entry)?)))
            .next()
            .unwrap()
    };
    let ((pid, _), (_, there)) = (args(from), args(to));
    let address: std::net::SocketAddr = format!("{}:{}", there[4], there[5]).parse().unwrap();
    let connect = || {
        let begin = Instant::now();
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
        begin.elapsed()
    };
    linux::net::Namespace::of_process(pid).unwrap().inside(connect).unwrap()
}

#[test]
fn packets_between_containers_are_delayed_lost_repeated_and_held_also_in_their_next_life() {
    let Some((_alone, options)) =
        can("packets_between_containers_are_delayed_lost_repeated_and_held_also_in_their_next_life")
    else {
        return;
    };
    let mut bench = bench(&options, 3);
    assert_eq!(bench.cluster.abilities().faults[&FaultKind::Packets], Ok(()));
    let impair = |links, trouble| Fault::Impair { links, trouble };
    let trouble = Trouble { delay_ms: 40, ..Trouble::default() };
    let slow = installed(bench.inject(impair(vec![link(1, 2), link(2, 1)], trouble)));
    assert!(slow.contains("on 2 of 2 links 0 were lost") && !slow.contains(" 0 delayed"), "{slow}");
    let took = round_trip(&bench, 1, 2);
    assert!(took >= Duration::from_millis(80), "40 ms there and 40 ms back, but {took:?}");
    let free = round_trip(&bench, 1, 3);
    assert!(free < took, "{free:?}");

    // Who is born again comes back to the same paths.
    installed(bench.inject(kill(2)));
    installed(bench.inject(start(2)));
    let again = round_trip(&bench, 1, 2);
    assert!(again >= Duration::from_millis(80), "{again:?}");
    println!("connecting took {took:?}, {again:?} in the next life, and {free:?} to another");

    let bad = Trouble { loss: 300, duplicate: 300, reorder: 300, ..Trouble::default() };
    let bad = installed(bench.inject(impair(vec![link(1, 3), link(3, 1)], bad)));
    assert!(bad.contains("on 2 of 2 links"), "{bad}");
    let hold = Trouble { hold: true, ..Trouble::default() };
    let held = installed(bench.inject(impair(vec![link(2, 3)], hold)));
    assert!(held.contains("on 1 of 1 links") && !held.contains(" 0 held"), "{held}");
    let repaired = bench.repair(FaultKind::Packets);
    assert!(repaired.starts_with("5 links are open again, and 5 carried"), "{repaired}");
    assert!(round_trip(&bench, 1, 2) < took);
}

#[test]
fn a_cluster_that_is_dropped_in_the_middle_leaves_nothing_behind() {
    let Some((_alone, options)) = can("a_cluster_that_is_dropped_in_the_middle_leaves_nothing_behind") else {
        return;
    };
    options.clean().unwrap();
    let before = left();
    let mut bench = bench(&options, 2);
    // So does one that cannot even start.
    let (during, toy) = (left(), Arc::new(Toy { program: options.program.clone().unwrap() }));
    let twin = Docker::on(Containers(options), toy, 2, bench.directory.path().join("run"), 7).start();
    assert!(twin.unwrap_err().to_string().contains("a directory of its own"));
    assert_eq!(left(), during);
    bench.cluster.inject(Fault::Pause { nodes: nodes([1]) }).unwrap();
    bench.cluster.inject(kill(2)).unwrap();
    bench.cluster.inject(start(2)).unwrap();
    drop(bench);
    soon(|| left() == before);
}

#[test]
fn a_container_is_frozen_and_starved_by_its_own_control_group() {
    let Some((_alone, options)) = can("a_container_is_frozen_and_starved_by_its_own_control_group") else {
        return;
    };
    let mut bench = bench(&options, 2);
    let press = |node, pressure| Fault::Press { nodes: nodes([node]), pressure };
    let frozen = installed(bench.inject(press(1, Pressure::Freeze)));
    assert_eq!(frozen, "n1's control group is frozen");
    assert!(matches!(bench.read(1), Outcome::Unknown(_)), "who is frozen does not answer");
    assert_eq!(bench.repair(FaultKind::Pressure), "n1 has all it wants again");
    assert_eq!(bench.read(1), Outcome::Ok(Reply::Read(Some(Value(0)))));
    // Even who is frozen can be killed, and is not frozen when it comes back.
    installed(bench.inject(press(1, Pressure::Freeze)));
    assert!(installed(bench.inject(kill(1))).contains("SIGKILL"));
    installed(bench.inject(start(1)));
    assert_eq!(bench.read(1), Outcome::Ok(Reply::Read(Some(Value(0)))));
    // A toy needs next to nothing, so that it may not feel this; but it is in force in the next life as well.
    let _felt = bench.inject(press(2, Pressure::Cpu { permille: 1 }));
    installed(bench.inject(kill(2)));
    let said = installed(bench.inject(start(2)));
    assert!(said.contains("n2 is under pressure again: at most 1‰"), "{said}");
    assert_eq!(bench.repair(FaultKind::Pressure), "n2 has all it wants again");
}

/// Set for the copy of this program that waits to be killed: its directory.
const VICTIM: &str = "TRIBUNAL_TEST_VICTIM";

#[test]
fn after_a_controller_that_is_killed_only_what_is_cleaned_is_left() {
    let name = "after_a_controller_that_is_killed_only_what_is_cleaned_is_left";
    if let Some(directory) = std::env::var_os(VICTIM).map(PathBuf::from) {
        let (_alone, options) = can(name).unwrap();
        let _bench = bench(&options, 2);
        std::fs::write(directory.join("up"), "").unwrap();
        std::thread::sleep(std::time::Duration::from_secs(60));
        return;
    }
    let Some((_alone, options)) = can(name) else { return };
    options.clean().unwrap();
    let (before, directory) = (left(), TempDir::new().unwrap());
    let mut controller = Command::new(std::env::current_exe().unwrap());
    controller.args(["--exact", name]).env(VICTIM, directory.path());
    let mut controller = controller.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    soon(|| directory.path().join("up").exists());
    assert!(options.clean().unwrap().is_empty(), "a run that goes on is left alone");
    controller.kill().unwrap();
    controller.wait().unwrap();
    let removed = options.clean().unwrap();
    assert_eq!(removed.len(), 2 + 2, "{removed:?}");
    assert_eq!(left(), before);
}
