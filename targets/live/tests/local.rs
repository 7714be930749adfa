//! A real cluster of toys: real processes, real sockets, real signals.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod toy;

use cluster::{Arrival, Cluster};
use history::{
    Call, Doubt, Fault, FaultKind, Injection, Key, NodeId, Outcome, ProcessId, Refusal, Reply, Trouble, Value,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use toy::{Bench, Toy, cut, installed, kill, link, nodes, processes, soon, start, toy};
use tribunal_live::Local;

const UNREACHABLE: Outcome = Outcome::Fail(Refusal::Unreachable);

#[test]
fn a_cluster_answers_follows_redirects_and_leaves_nothing_behind() {
    let mut bench = Bench::<Local>::start(3);
    assert_eq!(bench.processes(), 3);
    assert_eq!(bench.cluster.primaries(), nodes([1]));
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert_eq!(bench.read(3), Outcome::Ok(Reply::Read(Some(Value(5)))), "n3 says: ask n1");
    bench.cluster.stop().unwrap();
    bench.cluster.stop().unwrap();
    assert_eq!(bench.processes(), 0);
    assert!(
        bench.cluster.invoke(ProcessId(0), NodeId(1), Call::Read { key: Key(0) }, Duration::ZERO).is_err()
    );
}

#[test]
fn a_cluster_that_is_dropped_in_the_middle_leaves_nothing_behind() {
    let mut bench = Bench::<Local>::start(3);
    bench.cluster.inject(Fault::Pause { nodes: nodes([1, 2]) }).unwrap();
    bench.cluster.inject(kill(3)).unwrap();
    bench.cluster.inject(start(3)).unwrap();
    let Bench { cluster, directory, .. } = bench;
    drop(cluster);
    assert_eq!(processes(directory.path()), 0);
}

/// Tells the copy of this program below that it is one, and where to run.
const COPY: &str = "TRIBUNAL_TEST_CONTROLLER";

#[test]
fn nothing_survives_a_controller_that_is_killed() {
    if let Some(directory) = std::env::var_os(COPY).map(PathBuf::from) {
        Bench::<Local>::wait_to_be_killed(&directory, 3);
    }
    let directory = TempDir::new().unwrap();
    let mut controller = Command::new(std::env::current_exe().unwrap());
    controller.args(["--exact", "nothing_survives_a_controller_that_is_killed"]);
    controller.env(COPY, directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut controller = controller.spawn().unwrap();
    soon(|| directory.path().join("up").exists());
    assert_eq!(processes(directory.path()), 3);
    controller.kill().unwrap();
    controller.wait().unwrap();
    soon(|| processes(directory.path()) == 0);
}

#[test]
fn who_is_killed_refuses_until_it_is_started_again() {
    let mut bench = Bench::<Local>::start(3);
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert!(installed(bench.inject(kill(1))).contains("SIGKILL"));
    assert_eq!(bench.processes(), 2);
    assert_eq!(bench.read(1), UNREACHABLE);
    assert_eq!(bench.read(2), UNREACHABLE, "n2 says: ask n1");
    assert_eq!(bench.cluster.primaries(), []);
    assert!(matches!(bench.inject(kill(1)), Injection::Skipped(why) if why.contains("already down")));
    let both = installed(bench.inject(Fault::Kill { nodes: nodes([1, 2]) }));
    assert!(both.contains("n1 was already down") && both.contains("n2, process"), "{both}");

    assert!(installed(bench.inject(start(1))).contains("serves"));
    assert_eq!(bench.read(1), Outcome::Ok(Reply::Read(Some(Value(0)))), "a new life, a new number");
    assert!(matches!(bench.inject(start(1)), Injection::Skipped(why) if why.contains("ran already")));
    assert!(bench.repair(FaultKind::Kill).contains("n2"));
    assert_eq!(bench.repair(FaultKind::Kill), "no node was down by our hand");
    assert_eq!(bench.processes(), 3);
}

#[test]
fn a_start_waits_for_the_kill_before_it() {
    let mut bench = Bench::<Local>::start(3);
    for _ in 0..5 {
        bench.cluster.inject(kill(2)).unwrap();
        bench.cluster.inject(start(2)).unwrap();
        // What is seen of the two may be told in either order.
        let mut told = [bench.arrival(), bench.arrival()].map(|arrival| match arrival {
            Arrival::Injected { fault, result } => (fault, installed(result)),
            other => panic!("{other:?}"),
        });
        told.sort_by_key(|(fault, _)| fault.is_repair());
        assert!(told[0].0 == kill(2) && told[0].1.contains("SIGKILL"), "{told:?}");
        assert!(told[1].0 == start(2) && told[1].1.contains("serves"), "{told:?}");
    }
    assert_eq!(bench.processes(), 3);
}

#[test]
fn who_is_paused_leaves_its_clients_in_doubt() {
    let mut bench = Bench::<Local>::start(3);
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

#[test]
fn a_cut_is_believed_when_messages_were_swallowed() {
    let mut bench = Bench::<Local>::start(3);
    let evidence = installed(bench.inject(cut(vec![link(1, 2), link(2, 1)])));
    assert!(evidence.starts_with("2 of 2 links swallowed"), "{evidence}");
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done), "clients are not cut off");
    assert!(bench.repair(FaultKind::Partition).starts_with("2 links are open again, and 2 carried"));
    assert_eq!(bench.repair(FaultKind::Partition), "no link was in trouble");

    installed(bench.inject(kill(3)));
    // Its last words may still be on their way.
    std::thread::sleep(Duration::from_millis(100));
    let unused = bench.inject(cut(vec![link(3, 1)]));
    assert!(matches!(unused, Injection::Doubtful(why) if why.contains("nobody used")), "the dead are silent");
}

#[test]
fn an_impairment_is_believed_when_messages_met_it() {
    let mut bench = Bench::<Local>::start(3);
    let trouble = Trouble { delay_ms: 1, loss: 300, duplicate: 300, reorder: 300, ..Trouble::default() };
    let evidence = installed(bench.inject(Fault::Impair { links: vec![link(1, 2), link(1, 3)], trouble }));
    assert!(evidence.contains("on 2 of 2 links") && !evidence.contains(" 0 delayed"), "{evidence}");
    let hold = Trouble { hold: true, ..Trouble::default() };
    let evidence = installed(bench.inject(Fault::Impair { links: vec![link(2, 1)], trouble: hold }));
    assert!(!evidence.contains(" 0 held"), "{evidence}");
    assert!(bench.repair(FaultKind::Packets).starts_with("3 links are open again, and 3 carried"));
}

#[test]
fn a_death_that_nobody_ordered_is_told_and_not_repaired() {
    let mut bench = Bench::<Local>::start(3);
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
    assert_eq!(bench.repair(FaultKind::Kill), "no node was down by our hand");
    assert_eq!(bench.read(1), UNREACHABLE);
}

#[test]
fn what_cannot_be_done_here_is_said() {
    let mut bench = Bench::<Local>::start(3);
    let crash = bench.inject(Fault::Crash { nodes: nodes([1]), unsynced: None });
    assert!(
        matches!(crash, Injection::Skipped(ref why) if why.contains("n1 has an ordinary disk")),
        "{crash}"
    );
    assert_eq!(bench.repair(FaultKind::Crash), "no node was down by our hand");
    assert!(bench.cluster.inject(kill(9)).unwrap_err().to_string().contains("n9"));
    assert!(bench.cluster.inject(cut(vec![link(1, 1)])).is_err());
}

#[test]
fn a_clock_of_which_nobody_hears_is_in_doubt() {
    let mut bench = Bench::<Local>::start(3);
    let able = bench.cluster.abilities().faults[&FaultKind::Clock].clone();
    let skew = Fault::Skew { nodes: nodes([1]), jump_ms: 5_000, rate_ppm: 1_000_000 };
    match (able, bench.inject(skew)) {
        (Ok(()), Injection::Doubtful(why)) => assert_eq!(why, "n1 does not say what its clocks show"),
        (Err(why), Injection::Skipped(skipped)) => assert!(skipped.contains(&why), "{skipped}"),
        other => panic!("{other:?}"),
    }
    bench.cluster.inject(Fault::Repair { kind: FaultKind::Clock }).unwrap();
    bench.arrival();
    assert_eq!(bench.repair(FaultKind::Clock), "no clock was bent");
    assert_eq!(bench.processes(), 3, "to be traced is not to end");
}

#[test]
fn a_cluster_that_cannot_start_says_why_and_leaves_nothing_behind() {
    let attempt = |program: PathBuf, directory: &Path| {
        let mut local = Local::new(Arc::new(Toy { program }), 3, directory.to_owned(), 7);
        local.start().unwrap_err().to_string()
    };
    let directory = TempDir::new().unwrap();
    let error = attempt("/no/such/program".into(), &directory.path().join("a"));
    assert!(error.contains("start node n1") && error.contains("/no/such/program"), "{error}");
    let error = attempt("/bin/ls".into(), &directory.path().join("b"));
    assert!(error.contains("ended before it was ready") && error.contains("its log ends"), "{error}");
    let error = attempt(toy(), &directory.path().join("b"));
    assert!(error.contains("directory of its own"), "{error}");
    assert_eq!(processes(directory.path()), 0);
}
