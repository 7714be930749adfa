//! Clocks of real nodes, bent and read back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use crate::machine::alone;
use cluster::{Arrival, Cluster};
use history::{Fault, FaultKind, Injection, NodeId};
use live::Local;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Three reference nodes.
struct Bench {
    local: Local,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let directory = TempDir::new().unwrap();
        let system = systems::lookup("raft", Path::new(env!("CARGO_BIN_EXE_tribunal")), None, false).unwrap();
        let mut local = Local::new(system, 3, directory.path().join("run"), 7);
        local.start().unwrap();
        Bench { local, _directory: directory }
    }

    fn inject(&mut self, fault: Fault) -> Injection {
        self.local.inject(fault.clone()).unwrap();
        let limit = self.local.now() + Duration::from_secs(20);
        match self.local.next(limit).unwrap() {
            Some(Arrival::Injected { fault: made, result }) if made == fault => result,
            other => panic!("{other:?} instead of {fault}"),
        }
    }

    fn installed(&mut self, fault: Fault) -> String {
        match self.inject(fault) {
            Injection::Installed(evidence) => evidence.0,
            other => panic!("{other}"),
        }
    }

    fn skew(&mut self, nodes: &[u16], jump_ms: i64, rate_ppm: u32) -> String {
        self.installed(skew(nodes, jump_ms, rate_ppm))
    }

    fn repair(&mut self, kind: FaultKind) -> String {
        self.installed(Fault::Repair { kind })
    }
}

fn nodes(nodes: &[u16]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

fn skew(of: &[u16], jump_ms: i64, rate_ppm: u32) -> Fault {
    Fault::Skew { nodes: nodes(of), jump_ms, rate_ppm }
}

/// The first number after these words.
fn number(evidence: &str, after: &str) -> f64 {
    let rest = evidence.split_once(after).unwrap_or_else(|| panic!("no {after:?} in {evidence:?}")).1;
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn near(is: f64, should: f64, by: f64) -> bool {
    (is - should).abs() <= by
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn clocks_of_nodes_are_bent_and_the_machines_own_is_not() {
    if let Err(why) = linux::clock::can() {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
        println!("skipped: {why}");
        return;
    }
    let _alone = alone();
    let (began, our_wall) = (Instant::now(), wall());
    let mut bench = Bench::new();
    assert_eq!(bench.local.abilities().faults[&FaultKind::Clock], Ok(()));
    assert_eq!(bench.repair(FaultKind::Clock), "no clock was bent");

    let said = bench.skew(&[1], 5_000, 1_000_000);
    assert!(near(number(&said, "n1's wall clock is now "), 5.0, 0.05), "{said}");
    assert!(near(number(&said, "its monotonic clock "), 5.0, 0.05), "{said}");
    let said = bench.skew(&[1], -10_000, 1_000_000);
    assert!(near(number(&said, "n1's wall clock is now "), -5.0, 0.05), "{said}");
    assert!(!said.contains("monotonic"), "it never jumps back: {said}");

    let bent = Instant::now();
    let said = bench.skew(&[1, 2], 0, 1_200_000);
    assert!(said.contains("n2's wall clock"), "{said}");
    assert!(near(number(&said, "they run at "), 1.2, 0.03), "{said}");
    assert!(near(number(&said, " and "), 1.2, 0.03), "{said}");

    bench.installed(Fault::Kill { nodes: nodes(&[1]) });
    let spared = bench.inject(skew(&[1], 1_000, 1_000_000));
    assert!(matches!(spared, Injection::Skipped(ref why) if why == "n1 was down"), "{spared}");
    let said = bench.installed(Fault::Start { nodes: nodes(&[1]) });
    let gained = bent.elapsed().as_secs_f64() * 0.2;
    assert!(near(number(&said, "n1's wall clock is now "), -5.0 + gained, 0.2), "{said}, gained {gained}");
    assert!(near(number(&said, "they run at "), 1.2, 0.03), "{said}");

    let said = bench.repair(FaultKind::Clock);
    for node in ["n1", "n2"] {
        assert!(near(number(&said, &format!("{node}'s wall clock is now ")), 0.0, 0.05), "{said}");
    }
    assert!(near(number(&said, "they run at "), 1.0, 0.03), "{said}");
    assert_eq!(bench.repair(FaultKind::Clock), "no clock was bent");
    bench.local.stop().unwrap();

    let (truly, our_wall) = (began.elapsed().as_secs_f64(), (wall() - our_wall).as_secs_f64());
    assert!(near(our_wall, truly, 0.05), "our own clock moved {our_wall} s in {truly} s");
}

#[test]
fn whom_nobody_hears_leaves_doubt() {
    if let Err(why) = linux::clock::can() {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
        println!("skipped: {why}");
        return;
    }
    let _alone = alone();
    let mut bench = Bench::new();
    bench.installed(Fault::Pause { nodes: nodes(&[3]) });
    let doubt = bench.inject(skew(&[3], 5_000, 1_000_000));
    assert!(matches!(doubt, Injection::Doubtful(ref why) if why.contains("n3 does not say")), "{doubt}");
    bench.repair(FaultKind::Pause);
    let said = bench.repair(FaultKind::Clock);
    assert!(near(number(&said, "n3's wall clock is now "), 0.0, 0.05), "{said}");

    bench.skew(&[2], 5_000, 1_000_000);
    bench.installed(Fault::Kill { nodes: nodes(&[2]) });
    assert_eq!(bench.repair(FaultKind::Clock), "n2 is down and will start with true clocks");
    let said = bench.repair(FaultKind::Kill);
    assert!(said.contains("n2") && !said.contains("clock"), "{said}");
}
