//! Power cuts and ill disks below real processes. Where the kernel or our rights do not allow such disks, each test
//! says so.

use crate::machine::alone;
use cluster::{Arrival, Cluster};
use history::{
    Call, Damage, Fault, FaultKind, Illness, Injection, Key, NodeId, Outcome, ProcessId, Reply, Time,
    Unsynced, Value,
};
use live::Local;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A cluster of three real nodes on disks that forget, and one client.
struct Bench {
    cluster: Local,
    process: u32,
    next: i64,
    /// The last write that was acknowledged.
    acknowledged: i64,
    /// How many were.
    count: u32,
    deaths: Vec<String>,
    directory: TempDir,
}

impl Bench {
    /// `None` where lossy disks cannot be mounted, which is said.
    fn new(test: &str, flaw: Option<&str>) -> Option<Bench> {
        if let Err(why) = linux::disk::can() {
            assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
            println!("skipped: {test}: {why}");
            return None;
        }
        let directory = TempDir::new().expect("there is a temporary directory");
        let program = Path::new(env!("CARGO_BIN_EXE_tribunal"));
        let system = systems::lookup("raft", program, flaw, false).expect("there is Raft");
        let home = directory.path().canonicalize().expect("it is there");
        let mut cluster = Local::new(system, 3, home, 7).with_lossy_disks();
        cluster.start().expect("it starts");
        let (next, acknowledged, count, deaths) = (1, 0, 0, Vec::new());
        Some(Bench { cluster, process: 0, next, acknowledged, count, deaths, directory })
    }

    fn ask(&mut self, call: &Call) -> Outcome {
        let node = self.leader();
        let process = ProcessId(self.process);
        self.cluster.invoke(process, node, call.clone(), Duration::from_millis(500)).expect("it is asked");
        match self.arrival() {
            Arrival::Completed { outcome, .. } => {
                self.process += u32::from(outcome.is_unknown());
                outcome
            }
            other => panic!("{other:?}"),
        }
    }

    fn arrival(&mut self) -> Arrival {
        loop {
            let limit = self.cluster.now() + Duration::from_secs(30);
            match self.cluster.next(limit).expect("it goes on").expect("something arrives") {
                Arrival::Died { node, how } => self.deaths.push(format!("{node}: {how}")),
                other => return other,
            }
        }
    }

    fn inject(&mut self, fault: Fault) -> Injection {
        self.cluster.inject(fault).expect("it can be asked for");
        loop {
            match self.arrival() {
                Arrival::Injected { result, .. } => return result,
                Arrival::Completed { outcome, .. } => self.noted(&outcome),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Asks for a write of the next number, without waiting for the answer.
    fn begin_write(&mut self, node: NodeId) {
        let call = Call::Write { key: Key(0), value: Value(self.next) };
        let (process, patience) = (ProcessId(self.process), Duration::from_millis(500));
        self.cluster.invoke(process, node, call, patience).expect("it is asked");
    }

    /// The write that was begun last has ended.
    fn noted(&mut self, outcome: &Outcome) {
        if *outcome == Outcome::Ok(Reply::Done) {
            (self.acknowledged, self.count) = (self.next, self.count + 1);
        }
        self.process += u32::from(outcome.is_unknown());
        self.next += 1;
    }

    fn installed(&mut self, fault: Fault) -> String {
        match self.inject(fault) {
            Injection::Installed(evidence) => evidence.0,
            other => panic!("{other}"),
        }
    }

    /// Writes numbers, each larger than the last, as long as this takes.
    fn write_for(&mut self, long: Duration) {
        let until = self.cluster.now() + long;
        while self.cluster.now() < until {
            self.begin_write(self.leader());
            self.await_write();
        }
    }

    fn await_write(&mut self) {
        match self.arrival() {
            Arrival::Completed { outcome, .. } => self.noted(&outcome),
            other => panic!("{other:?}"),
        }
    }

    /// Who leads, once somebody does and has served a write.
    fn settled_leader(&mut self) -> NodeId {
        let before = self.count;
        while self.count == before {
            self.write_for(Duration::from_millis(100));
        }
        self.leader()
    }

    fn leader(&self) -> NodeId {
        self.cluster.primaries().first().copied().unwrap_or(NodeId(1))
    }

    /// Reads until somebody answers.
    fn read(&mut self) -> i64 {
        let limit: Time = self.cluster.now() + Duration::from_secs(20);
        while self.cluster.now() < limit {
            if let Outcome::Ok(Reply::Read(value)) = self.ask(&Call::Read { key: Key(0) }) {
                return value.map_or(0, |value| value.0);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nobody answers");
    }

    fn end(mut self) {
        self.cluster.stop().expect("it stops");
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("there is /proc");
        let place = self.directory.path().to_str().expect("temporary paths are text");
        assert!(!mounts.contains(place), "something is left mounted: {mounts}");
        let wal = fs::metadata(self.directory.path().join("nodes/n1/data/wal")).expect("the log is left");
        assert!(wal.len() >= 12);
    }
}

/// Cuts the power of all nodes again and again; what was acknowledged and is gone, or who refuses what
/// it finds.
fn power_cuts(test: &str, flaw: Option<&str>, cycles: u32) -> Option<(u32, Option<String>)> {
    let mut bench = Bench::new(test, flaw)?;
    for cycle in 1..=cycles {
        bench.write_for(Duration::from_millis(400));
        // One is under way when the power goes.
        bench.begin_write(bench.leader());
        let begun = bench.next;
        std::thread::sleep(Duration::from_micros(200 * u64::from(cycle)));
        let evidence = bench.installed(Fault::Crash { nodes: NodeId::all(3), unsynced: None });
        if bench.next == begun {
            bench.await_write();
        }
        assert!(evidence.matches("gone").count() == 3 && evidence.contains("unsynced bytes"), "{evidence}");
        let started = bench.inject(Fault::Repair { kind: FaultKind::Crash });
        if !matches!(started, Injection::Installed(_)) {
            // A log with a hole before a whole entry: a node that had synced could not have it, and refuses it.
            let count = bench.count;
            bench.end();
            return Some((count, Some(format!("{started}, after {evidence}"))));
        }
        let (found, acknowledged) = (bench.read(), bench.acknowledged);
        println!("{test}, cut {cycle}: {evidence}; {acknowledged} was acknowledged and {found} found");
        if found < acknowledged {
            let story = format!("{acknowledged} was acknowledged and only {found} found: {evidence}");
            let count = bench.count;
            bench.end();
            return Some((count, Some(story)));
        }
    }
    assert_eq!(bench.deaths, Vec::<String>::new());
    let count = bench.count;
    bench.end();
    Some((count, None))
}

#[test]
fn who_syncs_keeps_every_acknowledged_write_when_all_lose_power() {
    let _alone = alone();
    let Some((acknowledged, lost)) = power_cuts("sound", None, 6) else { return };
    assert_eq!(lost, None);
    assert!(acknowledged > 100, "only {acknowledged} writes were acknowledged");
}

#[test]
fn who_does_not_sync_loses_acknowledged_writes_when_all_lose_power() {
    let _alone = alone();
    for flaw in ["no-sync", "log-not-persisted"] {
        let Some((_, lost)) = power_cuts(flaw, Some(flaw), 6) else { return };
        println!("{flaw}: {}", lost.expect("acknowledged writes are lost"));
    }
}

#[test]
fn who_does_not_sync_survives_mere_kills() {
    let _alone = alone();
    let Some(mut bench) = Bench::new("kills", Some("no-sync")) else { return };
    for _ in 0..3 {
        bench.write_for(Duration::from_millis(300));
        bench.installed(Fault::Kill { nodes: NodeId::all(3) });
        bench.installed(Fault::Repair { kind: FaultKind::Kill });
        let (found, acknowledged) = (bench.read(), bench.acknowledged);
        assert!(found >= acknowledged && acknowledged > 0, "{found}, but {acknowledged} was acknowledged");
    }
    bench.end();
}

#[test]
fn who_is_asked_to_end_does_so_in_good_order_and_forgets_nothing() {
    let _alone = alone();
    // Not even who never syncs: what it has handed over outlives its process.
    let Some(mut bench) = Bench::new("ends", Some("no-sync")) else { return };
    bench.write_for(Duration::from_millis(300));
    let leader = bench.settled_leader();
    let ended = bench.installed(Fault::Terminate { nodes: vec![leader] });
    assert!(
        ended.contains("which was asked to end, did so within") && ended.contains("status: 0"),
        "{ended}"
    );
    let log = bench.directory.path().join(format!("nodes/{leader}/node.log"));
    let log = fs::read_to_string(log).expect("it has one");
    assert!(log.contains("told to stop") && log.contains("goodbye"), "{log}");
    let again = bench.inject(Fault::Terminate { nodes: vec![leader] });
    assert!(matches!(&again, Injection::Skipped(why) if why.contains("already down")), "{again}");
    let started = bench.installed(Fault::Repair { kind: FaultKind::Kill });
    assert!(started.contains("serves"), "{started}");
    // All at once: there is nobody to hand over to.
    let ended = bench.installed(Fault::Terminate { nodes: NodeId::all(3) });
    assert_eq!(ended.matches("status: 0").count(), 3, "{ended}");
    bench.installed(Fault::Repair { kind: FaultKind::Kill });
    let (found, acknowledged) = (bench.read(), bench.acknowledged);
    assert!(found >= acknowledged && acknowledged > 0, "{found}, but {acknowledged} was acknowledged");
    assert_eq!(bench.deaths, Vec::<String>::new(), "whoever was asked to end did not die by itself");
    bench.end();
}

#[test]
fn what_a_power_cut_does_to_what_was_not_synced_can_be_said() {
    let _alone = alone();
    for unsynced in [Unsynced::Lost, Unsynced::Torn] {
        // Who never syncs has much to lose.
        let Some(mut bench) = Bench::new("ways of power cuts", Some("no-sync")) else { return };
        bench.write_for(Duration::from_millis(600));
        let said = bench.installed(Fault::Crash { nodes: NodeId::all(3), unsynced: Some(unsynced) });
        let torn = unsynced == Unsynced::Torn;
        assert_eq!(said.matches("torn: ").count(), if torn { 3 } else { 0 }, "{said}");
        assert_eq!(said.contains("reached the disk"), torn, "{said}");
        assert!(!said.contains(" 0 unsynced bytes") || torn, "{said}");
        println!("{said}");
        bench.end();
    }
}

#[test]
fn a_node_stops_when_its_disk_fails_and_comes_back_when_it_is_well() {
    let _alone = alone();
    let Some(mut bench) = Bench::new("ill disks", None) else { return };
    bench.write_for(Duration::from_millis(300));
    for illness in [Illness::SyncErrors, Illness::WriteErrors, Illness::Full] {
        let (leader, deadline) = (bench.settled_leader(), bench.cluster.now() + Duration::from_secs(30));
        bench.cluster.inject(Fault::Sicken { nodes: vec![leader], illness }).expect("it can be asked for");
        // Somebody must write for it to be felt.
        let (mut felt, mut writing) = (None, false);
        while felt.is_none() || bench.deaths.is_empty() || writing {
            assert!(bench.cluster.now() < deadline, "{illness}: {felt:?}, {:?}", bench.deaths);
            if !writing {
                bench.begin_write(leader);
            }
            writing = match bench.arrival() {
                Arrival::Injected { result, .. } => {
                    felt = Some(result);
                    true
                }
                Arrival::Completed { outcome, .. } => {
                    bench.noted(&outcome);
                    false
                }
                other => panic!("{other:?}"),
            };
        }
        let felt = felt.expect("it was waited for").to_string();
        assert!(felt.contains("requests failed so far"), "{felt}");
        let death = bench.deaths.pop().expect("it was waited for");
        assert!(death.contains("exit status: 74"), "{illness}: {death}");
        let well = bench.installed(Fault::Repair { kind: FaultKind::Disk });
        assert!(well.contains("are well") && well.contains("serves"), "{well}");
        println!("{illness}: {felt}; {death}; {well}");
        bench.write_for(Duration::from_millis(500));
    }
    bench.end();
}

#[test]
fn a_flipped_bit_is_refused_and_what_was_forgotten_is_learned_again() {
    let _alone = alone();
    let Some(mut bench) = Bench::new("damage", None) else { return };
    bench.write_for(Duration::from_millis(600));
    let leader = bench.settled_leader();
    let follower = NodeId::all(3).into_iter().find(|node| *node != leader).expect("there are three");
    let damage = |damage| Fault::Damage { nodes: vec![follower], damage };
    let mut flipped = String::new();
    // Hardly ever the bit is in the last of all entries, which looks like a torn end and is cut. Then another one.
    for _ in 0..4 {
        flipped = bench.installed(damage(Damage::FlipBit { file: Some("wal".to_owned()) }));
        assert!(flipped.contains("of wal is flipped"), "{flipped}");
        if !bench.deaths.is_empty() {
            break;
        }
    }
    assert!(flipped.contains("exit status: 65"), "{flipped}");
    let death = bench.deaths.pop().expect("it refused its log");
    assert!(death.contains("exit status: 65; last words") && death.contains("wal: "), "{death}");
    bench.write_for(Duration::from_millis(200));
    let back = bench.installed(Fault::Repair { kind: FaultKind::Damage });
    assert!(back.contains("has its data back") && back.contains("serves"), "{back}");

    // One of three forgot: the others know what was acknowledged, and teach it.
    let forgot = bench.inject(damage(Damage::Rollback { after_ms: 300 })).to_string();
    assert!(forgot.contains("300 ms before it was killed") && forgot.contains("serves"), "{forgot}");
    let cut = bench.installed(damage(Damage::Truncate { file: None, permille: 100 }));
    assert!(cut.contains("wal is") && cut.contains("bytes long") && cut.contains("serves"), "{cut}");
    bench.write_for(Duration::from_millis(300));
    let (found, acknowledged) = (bench.read(), bench.acknowledged);
    assert!(found >= acknowledged && acknowledged > 0, "{found}, but {acknowledged} was acknowledged");
    println!("{flipped}; {back}; {forgot}; {cut}");
    assert_eq!(bench.deaths, Vec::<String>::new());
    bench.end();
}

#[test]
fn a_log_that_has_rotted_is_refused_for_good_and_the_others_go_on() {
    let _alone = alone();
    let Some(mut bench) = Bench::new("rot", None) else { return };
    bench.write_for(Duration::from_secs(2));
    let leader = bench.settled_leader();
    let rot = Fault::Damage { nodes: vec![leader], damage: Damage::Rot { file: None } };
    let rotten = bench.installed(rot);
    assert!(rotten.contains("of wal is rotten") && rotten.contains("exit status: 65"), "{rotten}");
    let death = bench.deaths.pop().expect("it refused its log");
    assert!(death.contains("exit status: 65; last words") && death.contains("damaged at byte"), "{death}");
    for kind in [FaultKind::Damage, FaultKind::Kill] {
        bench.installed(Fault::Repair { kind });
    }
    assert_ne!(bench.settled_leader(), leader);
    bench.write_for(Duration::from_millis(300));
    assert!(!bench.cluster.serving().contains(&leader), "nobody mends it");
    let (found, acknowledged) = (bench.read(), bench.acknowledged);
    assert!(found >= acknowledged && acknowledged > 0, "{found}, but {acknowledged} was acknowledged");
    println!("{rotten}; {death}");
    assert_eq!(bench.deaths, Vec::<String>::new());
    bench.end();
}
