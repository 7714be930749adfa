//! Cleaning up is a promise: whatever ends a run in the middle of its faults, nothing of it remains, and nobody but
//! the run itself was needed for that.

use crate::inventory::{Inventory, are_gone, dwellers};
use crate::machine::{Ended, alone, run, tribunal, wait_until};
use crate::machines::{Machines, skip};
use live::DockerOptions;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything at once, and for a minute.
const PLAN: &str = r#"[
    [100000000, {"disk": {"of": "all", "illness": {"slow_syncs": {"delay_ms": 5}}}}],
    [500000000, {"partition": "halves"}],
    [500000001, {"clock": {"of": "minority", "jump_ms": 4096, "rate_ppm": 1050000}}],
    [60000000000, {"repair": "partition"}]
]"#;

/// The promise: healed within this time, without the controller.
const PROMISED: Duration = Duration::from_secs(10);

/// A run in the middle of its faults.
struct Midst {
    child: Child,
    inventory: Inventory,
    before: BTreeSet<String>,
    store: TempDir,
}

/// Starts a run and waits until these faults were seen to take hold.
fn midst(on: &str, more: &[&str], kinds: &[&str], inventory: Inventory) -> Midst {
    let store = TempDir::new().expect("there is a temporary directory");
    let plan = store.path().join("plan.json");
    fs::write(&plan, PLAN).expect("it can be written");
    let place = store.path().to_str().expect("temporary paths are text").to_owned();
    let plan = plan.to_str().expect("temporary paths are text");
    let args = ["test", "raft", "--on", on, "--time-limit", "60s", "--allow-missing", "--plan", plan];
    let mut inventory = Inventory { names: [vec![place], inventory.names.clone()].concat(), ..inventory };
    let before = inventory.take();
    let mut command = tribunal(&[&args[..], more].concat(), store.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    inventory.controller = child.id();
    let mut midst = Midst { child, inventory, before, store };
    wait_until("faults that have taken hold", 60, || {
        let ended = midst.child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "it ended too soon: {ended:?}\n{}", midst.said());
        let heard = !kinds.contains(&"skew") || midst.hears_wrong_clocks();
        heard && kinds.iter().all(|kind| midst.installed(kind))
    });
    midst
}

impl Midst {
    fn history(&self) -> String {
        fs::read_to_string(self.store.path().join("latest/history.jsonl")).unwrap_or_default()
    }

    fn installed(&self, kind: &str) -> bool {
        let made = format!(r#""injected":{{"fault":{{"{kind}""#);
        self.history().lines().any(|line| line.contains(&made) && line.contains("installed"))
    }

    /// Whether a node itself has said that its clock is as wrong as it was made.
    fn hears_wrong_clocks(&self) -> bool {
        let rows = tribunal::clocks::read(&self.store.path().join("latest"));
        rows.iter().any(|row| (4_000_000_000..6_000_000_000).contains(&row.ahead_ns))
    }

    fn said(&mut self) -> String {
        use std::io::Read;
        let mut said = String::new();
        if let Some(out) = &mut self.child.stderr {
            let _incomplete = out.read_to_string(&mut said);
        }
        said
    }

    /// Kills the controller, and waits until everything is as it was before.
    fn killed(mut self) {
        // Machines that are not ours to make stay, and so does who lives there.
        let nodes = if self.inventory.networks.is_empty() { self.inventory.processes() } else { Vec::new() };
        let dwellers = dwellers(&nodes);
        let during = self.inventory.take();
        assert!(during.len() >= self.before.len() + 5, "there is something to be removed: {during:?}");
        self.child.kill().expect("it can be killed");
        let begin = Instant::now();
        let left = loop {
            let now = self.inventory.take();
            let left: Vec<&String> = now.difference(&self.before).collect();
            if left.is_empty() && are_gone(&dwellers) || begin.elapsed() > PROMISED {
                break left.into_iter().cloned().collect::<Vec<String>>();
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let took = begin.elapsed();
        // Not reaped until now: a dead parent that nobody looks after must not keep the warden waiting.
        self.child.wait().expect("it is our child");
        assert!(left.is_empty() && took <= PROMISED, "left after {took:?}: {left:#?}");
        println!("{} things were gone {:.1} s after the controller", during.len(), took.as_secs_f64());
        assert!(!self.store.path().join("latest/warden.log").exists());
    }

    /// Asks the controller to end, and sees that it repairs, judges and leaves nothing.
    fn asked_to_end(self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().expect("there is kill");
        assert!(sent.success());
        let Midst { child, inventory, before, store } = self;
        let ended = Ended::of(child.wait_with_output().expect("it is our child"));
        assert_eq!(ended.code, Some(2), "{signal}: {}", ended.said());
        let now = inventory.take();
        assert_eq!(now.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new(), "{signal}");
        assert!(
            ended.out.contains("drawn    latency.svg, rate.svg, clocks.svg"),
            "{signal}: {}",
            ended.said()
        );
        assert!(store.path().join("latest/clocks.svg").exists(), "{signal}");
        let history = fs::read_to_string(store.path().join("latest/history.jsonl")).expect("it was recorded");
        for kind in ["partition", "clock", "disk"] {
            let place = |what: &str| history.find(&format!(r#""{what}":{{"kind":"{kind}"}}"#));
            let (ordered, made) =
                (place("repair"), history.rfind(&format!(r#"{{"repair":{{"kind":"{kind}"}}}},"result""#)));
            assert!(ordered < made && ordered.is_some(), "{signal}: {kind} was repaired: {}", ended.said());
        }
    }
}

fn nothing_more() -> Inventory {
    Inventory { names: Vec::new(), controller: 0, engine: false, networks: Vec::new() }
}

/// Whether these can be had here; if not, the test says so.
fn can(test: &str, able: [Result<(), String>; 2]) -> bool {
    let why = able.into_iter().find_map(Result::err);
    why.as_deref().map(|why| skip(test, why)).is_none()
}

#[test]
fn nothing_remains_of_local_processes_when_the_controller_is_killed() {
    let _alone = alone();
    let able = [linux::clock::can(), linux::disk::can()];
    if can("nothing_remains_of_local_processes_when_the_controller_is_killed", able) {
        midst("local", &[], &["cut", "skew", "sicken"], nothing_more()).killed();
    }
}

#[test]
fn nothing_remains_of_machines_in_namespaces_when_the_controller_is_killed() {
    let _alone = alone();
    let able = [linux::net::can(), linux::disk::can()];
    if can("nothing_remains_of_machines_in_namespaces_when_the_controller_is_killed", able) {
        midst("netns", &[], &["cut", "skew", "sicken"], nothing_more()).killed();
    }
}

#[test]
fn nothing_remains_of_containers_when_the_controller_is_killed() {
    let _alone = alone();
    let test = "nothing_remains_of_containers_when_the_controller_is_killed";
    let Some(program) = std::env::var_os("TRIBUNAL_STATIC").map(PathBuf::from) else {
        return skip(test, "TRIBUNAL_STATIC names no static build (.ci/static)");
    };
    let options = DockerOptions { program: Some(program), ..DockerOptions::default() };
    if can(test, [options.can(), linux::clock::can()]) {
        let inventory = Inventory { engine: true, ..nothing_more() };
        midst("docker", &[], &["cut", "skew"], inventory).killed();
    }
}

#[test]
fn nothing_remains_on_machines_behind_sshd_when_the_controller_is_killed() {
    let _alone = alone();
    let test = "nothing_remains_on_machines_behind_sshd_when_the_controller_is_killed";
    if !can(test, [linux::clock::can(), linux::disk::can()]) {
        return;
    }
    let directory = TempDir::new().expect("there is a temporary directory");
    let machines = match Machines::up(directory.path()) {
        Ok(machines) => machines,
        Err(why) => return skip(test, &why),
    };
    let there = format!("/var/tmp/tribunal-promise-{}", std::process::id());
    let mut args = machines.args();
    args.extend(["--remote-dir".to_owned(), there.clone()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let networks = (1..=5).map(|number| format!("/run/netns/tribssh{number}").into()).collect();
    let inventory = Inventory { names: vec![there], networks, ..nothing_more() };
    midst("ssh", &args, &["cut", "skew", "sicken"], inventory).killed();
}

#[test]
fn ctrl_c_and_sigterm_repair_what_is_broken() {
    let _alone = alone();
    if can("ctrl_c_and_sigterm_repair_what_is_broken", [linux::clock::can(), linux::disk::can()]) {
        for signal in ["-INT", "-TERM"] {
            midst("local", &[], &["cut", "skew", "sicken"], nothing_more()).asked_to_end(signal);
        }
    }
}

/// Runs a cluster on disks that forget, whose runner panics in the middle of a partition.
fn panics(directory: &Path) {
    let program = Path::new(env!("CARGO_BIN_EXE_tribunal"));
    let system = systems::lookup("raft", program, None, false).expect("there is Raft");
    let mut cluster = live::Local::new(system, 3, directory.to_owned(), 7).with_lossy_disks();
    let settings = workloads::Settings {
        rate: Some(100.0),
        time_limit: Duration::from_secs(30),
        ..workloads::Settings::default()
    };
    let chance = || history::Chance::new(1);
    let mut workload = workloads::lookup("register")
        .and_then(|entry| entry.workload(&settings, None, chance()))
        .expect("there are registers");
    let limits = tribunal::run::Limits {
        concurrency: 3,
        time: Duration::from_secs(30),
        patience: Duration::from_secs(1),
        heal: Duration::from_secs(5),
        finale: Duration::from_secs(5),
        healing: true,
    };
    cluster::Cluster::start(&mut cluster).expect("it starts");
    let plan = serde_json::from_str(r#"[[100000000, {"partition": "halves"}]]"#).expect("it is a plan");
    let (mut written, stop) = (Vec::new(), AtomicBool::new(false));
    let mut watcher = |_: history::Time, tally: &tribunal::tally::Tally| {
        assert!(tally.faults.is_empty(), "a planted panic");
    };
    let run = tribunal::run::Run::new(
        &mut cluster,
        &mut workload,
        plan,
        limits,
        &mut written,
        &mut watcher,
        &stop,
        chance(),
    );
    run.expect("memory takes the header").go();
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let _alone = alone();
    if !can("a_panic_leaves_nothing_behind", [linux::clock::can(), linux::disk::can()]) {
        return;
    }
    let directory = TempDir::new().expect("there is a temporary directory");
    let place = directory.path().to_str().expect("temporary paths are text").to_owned();
    let inventory = Inventory { names: vec![place], ..nothing_more() };
    let before = inventory.take();
    let panic = catch_unwind(AssertUnwindSafe(|| panics(directory.path()))).expect_err("it panics");
    assert!(
        panic.downcast_ref::<String>().is_some_and(|text| text.contains("planted"))
            || panic.downcast_ref::<&str>().is_some_and(|text| text.contains("planted"))
    );
    assert_eq!(inventory.take(), before);
}

#[test]
fn a_machine_that_is_still_broken_is_refused_until_it_is_cleaned() {
    let _alone = alone();
    let test = "a_machine_that_is_still_broken_is_refused_until_it_is_cleaned";
    if !can(test, [linux::clock::can(), linux::disk::can()]) {
        return;
    }
    let Midst { mut child, inventory, before, store } = midst("local", &[], &["sicken"], nothing_more());
    // Whoever kills the warden as well has to clean up himself.
    let wardens: Vec<u32> = inventory
        .processes()
        .into_iter()
        .filter(|(_, line)| line.contains(" warden "))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(wardens.len(), 1, "{wardens:?}");
    for victim in [wardens[0], child.id()] {
        let killed = std::process::Command::new("kill").args(["-KILL", &victim.to_string()]).status();
        assert!(killed.expect("there is kill").success());
    }
    child.wait().expect("it is our child");
    let mounts = || inventory.take().iter().filter(|thing| thing.starts_with("mount")).count();
    wait_until("every node is gone", 5, || inventory.take().len() == mounts());
    assert_eq!(mounts(), 5);
    let next = TempDir::new().expect("there is a temporary directory");
    let args = ["test", "raft", "--on", "local", "--time-limit", "1s", "--nemesis", "none"];
    let refused = run(&args, next.path());
    assert_eq!(refused.code, Some(255), "{}", refused.said());
    let place = store.path().to_str().expect("temporary paths are text");
    for words in ["still broken", place, "nodes/n3/data", "`tribunal clean`"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.said());
    }
    let cleaned = run(&["clean"], next.path());
    assert!(cleaned.code == Some(0) && cleaned.out.contains(place), "{}", cleaned.said());
    assert_eq!(inventory.take(), before);
    let begun = run(&args, next.path());
    assert!(!begun.err.contains("still broken"), "{}", begun.said());
}
