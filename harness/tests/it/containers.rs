//! Containers, ours and those of a user: the same command, judged the same way.

use crate::machine::{alone, run, tribunal, wait_until};
use crate::machines::{both_power_cuts, come_and_go, judged, skip};
use linux::clock::Skew;
use linux::process::Process;
use std::collections::BTreeMap;
use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The static program for containers, or `None` after saying what is missing.
fn can(test: &str) -> Option<PathBuf> {
    let program = std::env::var_os("TRIBUNAL_STATIC").map(PathBuf::from);
    let Some(program) = program else {
        skip(test, "TRIBUNAL_STATIC names no static build (.ci/static)");
        return None;
    };
    let options = live::DockerOptions { program: Some(program.clone()), ..Default::default() };
    options.can().map_err(|why| skip(test, &why)).ok().map(|()| program)
}

/// What the engine answers.
fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("there is docker");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn five_containers_are_broken_in_every_way_and_judged() {
    let _alone = alone();
    if can("five_containers_are_broken_in_every_way_and_judged").is_none() {
        return;
    }
    let store = TempDir::new().expect("there is a temporary directory");
    let args =
        ["test", "raft", "--on", "docker", "--time-limit", "26s", "--nemesis-interval", "2s", "--seed", "3"];
    // Members change below, where they have the time.
    let kinds = "partition,kill,kill:terminate,crash:lost,crash:torn,pause,packets,clock,disk,pressure";
    let ended = run(&[&args[..], &["--nemesis", kinds]].concat(), store.path());
    let faults = ["cut", "kill", "terminate", "crash", "pause", "impair", "skew", "sicken", "press"];
    judged(&ended, store.path(), &faults);
    both_power_cuts(store.path());
    let filter = format!("label={}", live::DOCKER_LABEL);
    for list in [&["ps", "--all", "--quiet"][..], &["network", "ls", "--quiet"]] {
        assert_eq!(docker(&[list, &["--filter", &filter]].concat()), "", "docker {list:?}");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("there is /proc");
    assert!(!mounts.contains(store.path().to_str().expect("temporary paths are text")), "{mounts}");
}

#[test]
fn containers_join_and_leave() {
    let _alone = alone();
    if can("containers_join_and_leave").is_none() {
        return;
    }
    let store = TempDir::new().expect("there is a temporary directory");
    come_and_go(&["--on", "docker"], store.path());
}

/// Five containers that a user has made, as docs/compose.yaml does, until the end of the test.
struct Theirs {
    name: String,
}

impl Theirs {
    /// With more arguments for some of them.
    fn make(program: PathBuf, more: impl Fn(u32) -> &'static [&'static str]) -> Theirs {
        let theirs = Theirs { name: format!("their-raft-{}", std::process::id()) };
        let folder = program.parent().expect("it is in a folder");
        let mut tar = Command::new("tar");
        let tar = tar.arg("-c").arg("-C").arg(folder).arg("tribunal").stdout(Stdio::piped()).spawn();
        let mut tar = tar.expect("there is tar");
        let import = ["import", "--change", r#"ENTRYPOINT ["/tribunal"]"#, "-", &theirs.name];
        let packed = tar.stdout.take().expect("it is piped");
        let imported = Command::new("docker").args(import).stdin(packed).stdout(Stdio::null()).status();
        assert!(imported.expect("there is docker").success() && tar.wait().expect("it ends").success());
        let third = std::process::id() % 250;
        let address = |node: u32| format!("10.83.{third}.{}", 10 + node);
        docker(&["network", "create", "--subnet", &format!("10.83.{third}.0/24"), &theirs.name]);
        for node in 1..=5 {
            let (container, ip, id) = (theirs.container(node), address(node), format!("n{node}"));
            let mut args = vec!["run", "--detach", "--pull", "never", "--name", &container];
            args.extend(more(node));
            args.extend(["--network", &theirs.name, "--ip", &ip, "--volume", "/data", &theirs.name]);
            args.extend(["node", "--id", &id, "--listen", &ip, "--ports", "7001,7002,7003"]);
            args.extend(["--data", "/data", "--ready", "/data/ready"]);
            let peers = (1..=5).filter(|peer| *peer != node);
            let peers: Vec<String> = peers.map(|peer| format!("n{peer}={}:7001", address(peer))).collect();
            peers.iter().for_each(|peer| args.extend(["--peer", peer]));
            docker(&args);
        }
        theirs
    }

    fn container(&self, node: u32) -> String {
        format!("{}-n{node}", self.name)
    }

    fn all(&self) -> Vec<String> {
        (1..=5).map(|node| self.container(node)).collect()
    }

    fn states(&self) -> Vec<BTreeMap<String, String>> {
        self.all().iter().map(|name| state(name)).collect()
    }

    /// How many the engine says run.
    fn running(&self) -> usize {
        let state = |name: &String| docker(&["inspect", "--format", "{{.State.Running}}", name]) == "true";
        self.all().iter().filter(|name| state(name)).count()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        let _gone = remove.args(["rm", "--force", "--volumes"]).args(self.all()).output();
        let _gone = Command::new("docker").args(["network", "rm", &self.name]).output();
        let _gone = Command::new("docker").args(["rmi", &self.name]).output();
    }
}

#[test]
fn containers_of_a_user_are_broken_healed_and_left_running() {
    let _alone = alone();
    let Some(program) = can("containers_of_a_user_are_broken_healed_and_left_running") else { return };
    let (store, theirs) =
        (TempDir::new().expect("there is a temporary directory"), Theirs::make(program, |_| &[]));
    let names = theirs.all().join(",");
    let args =
        ["test", "raft", "--on", "docker", "--containers", &names, "--time-limit", "12s", "--seed", "2"];
    let kinds = "partition,kill,kill:terminate,pause,packets,clock,pressure";
    let kinds = ["--nemesis", kinds, "--nemesis-interval", "1s"];
    let ended = run(&[&args[..], &kinds].concat(), store.path());
    judged(&ended, store.path(), &["cut", "kill", "terminate", "pause", "impair", "skew", "press"]);
    assert_eq!(theirs.running(), 5);
    // Another history would not begin with nothing.
    let again = run(&[&args[..6], &["--nemesis", "none", "--time-limit", "2s"]].concat(), store.path());
    assert!(again.code != Some(0) && again.err.contains("data of an earlier run"), "{}", again.said());
    assert_eq!(theirs.running(), 5, "{}", again.said());

    let data = run(&[&args[..6], &["--nemesis", "crash"]].concat(), store.path());
    assert!(data.code == Some(254) && data.err.contains("not ours to break"), "{}", data.said());
    let members = run(&[&args[..6], &["--nemesis", "members"]].concat(), store.path());
    assert!(members.code == Some(254) && members.err.contains("who belongs together"), "{}", members.said());
    let missing =
        ["test", "raft", "--on", "docker", "--containers", "no-such-container", "--nemesis", "none"];
    let missing = run(&missing, store.path());
    assert!(missing.err.contains("use the container no-such-container as n1"), "{}", missing.said());
}

/// The user has given n3 and n5 less than all. What we give them is less still.
fn frugal(node: u32) -> &'static [&'static str] {
    match node {
        3 => &["--cpu-period", "50000", "--cpu-quota", "40000"],
        5 => &["--memory", "512m"],
        _ => &[],
    }
}

/// Every container in another way, so that it can be told what of it was undone.
const EVERY_WAY: &str = r#"[
    [100000000, {"pause": {"these": [1]}}],
    [100000001, {"pressure": {"of": {"these": [2]}, "pressure": "freeze"}}],
    [100000002, {"pressure": {"of": {"these": [3]}, "pressure": {"cpu": {"permille": 100}}}}],
    [100000003, {"clock": {"of": {"these": [3]}, "jump_ms": -4096, "rate_ppm": 1050000}}],
    [100000004, {"kill": {"these": [4]}}],
    [100000005, {"pressure": {"of": {"these": [5]}, "pressure": {"memory": {"spare_kib": 65536}}}}]
]"#;

/// What can be seen of a container from outside, but for its number: whether it runs, or stands still, and what its
/// control groups and its clocks are.
fn state(name: &str) -> BTreeMap<String, String> {
    let pid: u32 = docker(&["inspect", "--format", "{{.State.Pid}}", name]).parse().expect("a number");
    let mut state = BTreeMap::from([("runs".to_owned(), (pid != 0).to_string())]);
    let Ok(groups) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return state };
    for line in groups.lines() {
        let (_, rest) = line.split_once(':').expect("a number, controllers, a group");
        let (controllers, group) = rest.split_once(':').expect("a number, controllers, a group");
        for mount in [controllers, "", "unified"] {
            let place = Path::new("/sys/fs/cgroup").join(mount).join(group.trim_start_matches('/'));
            for file in
                ["cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.max", "memory.limit_in_bytes", "memory.max"]
                    .into_iter()
                    .chain(["freezer.state", "cgroup.freeze"])
            {
                state.extend(fs::read_to_string(place.join(file)).map(|text| (file.to_owned(), text)));
            }
        }
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stopped = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    state.insert("stopped".to_owned(), stopped.to_string());
    let frozen = ["freezer.state", "cgroup.freeze"].map(|file| state.get(file).map(|text| text.trim()));
    if !frozen.contains(&Some("FROZEN")) && !frozen.contains(&Some("1")) {
        // Whoever looks at clocks gives them back when he goes, and is kept from it.
        let skew = Skew::attach(pid.cast_signed()).map(ManuallyDrop::new);
        let wrong =
            skew.and_then(|skew| skew.reading()).map(|reading| reading.wall.ahead_ns < -1_000_000_000);
        state.insert(
            "wrong clocks".to_owned(),
            wrong.map_or_else(|why| why.to_string(), |wrong| wrong.to_string()),
        );
    }
    state
}

/// Containers of a user, each broken in another way.
struct Broken {
    theirs: Theirs,
    before: Vec<BTreeMap<String, String>>,
    controller: Child,
    store: TempDir,
}

impl Broken {
    fn make(program: PathBuf) -> Broken {
        let (store, theirs) =
            (TempDir::new().expect("there is a temporary directory"), Theirs::make(program, frugal));
        let before = theirs.states();
        let plan = store.path().join("plan.json");
        fs::write(&plan, EVERY_WAY).expect("it can be written");
        let (plan, names) = (plan.to_str().expect("temporary paths are text"), theirs.all().join(","));
        let args =
            ["test", "raft", "--on", "docker", "--containers", &names, "--time-limit", "90s", "--plan", plan];
        let mut command = tribunal(&args, store.path());
        let controller =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        let broken = Broken { theirs, before, controller, store };
        wait_until("every container is broken", 60, || {
            broken.differing().iter().all(|what| !what.is_empty())
        });
        wait_until("n3 has wrong clocks", 20, || broken.differs(3, "wrong clocks"));
        for (node, what) in [(1, "stopped"), (2, "freeze"), (3, "cpu."), (4, "runs"), (5, "memory.")] {
            assert!(broken.differs(node, what), "n{node}, {what}: {:?}", broken.differing());
        }
        broken
    }

    /// What is not as it was before, of each.
    fn differing(&self) -> Vec<Vec<String>> {
        let now = self.theirs.states();
        let each = self.before.iter().zip(&now);
        let each = each.map(|(before, now)| {
            let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
            names.filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
        });
        each.collect()
    }

    /// Whether something with such a name is not as it was before.
    fn differs(&self, node: usize, what: &str) -> bool {
        self.differing()[node - 1].iter().any(|name| name.contains(what))
    }

    fn must_be_healed(&self, seconds: u64) {
        wait_until("everything is as it was before", seconds, || self.differing().concat().is_empty());
        let ours = format!("tribunal-{}-", self.controller.id());
        let books = fs::read_dir("/run/tribunal").into_iter().flatten().flatten();
        let books = books.filter(|book| book.file_name().to_string_lossy().starts_with(&ours)).count();
        assert_eq!(books, 0);
        wait_until("nobody waits for a container", 10, || {
            processes(&[" start --attach ", &self.theirs.name]).is_empty()
        });
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        // If a test has failed it lives.
        let _gone = self.controller.kill().and_then(|()| self.controller.wait());
    }
}

/// The processes whose command lines have all of these in them.
fn processes(texts: &[&str]) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("there is /proc").flatten();
    let number = |entry: fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        texts.iter().all(|text| line.contains(text)).then_some(number)
    };
    entries.filter_map(number).collect()
}

#[test]
fn containers_of_a_user_become_what_they_were_when_the_controller_is_killed() {
    let _alone = alone();
    let test = "containers_of_a_user_become_what_they_were_when_the_controller_is_killed";
    let Some(program) = can(test) else { return };
    let mut broken = Broken::make(program);
    let begin = std::time::Instant::now();
    broken.controller.kill().expect("it can be killed");
    broken.must_be_healed(10);
    println!("healed {:.1} s after the controller was killed", begin.elapsed().as_secs_f64());
    broken.controller.wait().expect("it is our child");
    assert!(!broken.store.path().join("latest/warden.log").exists());
}

#[test]
fn containers_of_a_user_that_are_still_broken_are_refused_until_they_are_cleaned() {
    let _alone = alone();
    let test = "containers_of_a_user_that_are_still_broken_are_refused_until_they_are_cleaned";
    let Some(program) = can(test) else { return };
    let mut broken = Broken::make(program);
    let number = broken.controller.id().to_string();
    let wardens = processes(&[" warden ", &format!("--controller {number} ")]);
    assert_eq!(wardens.len(), 1);
    let warden = Process::of(wardens[0]).expect("it lives");
    let killed = Command::new("kill").args(["-KILL", &wardens[0].to_string(), &number]).status();
    assert!(killed.expect("there is kill").success());
    broken.controller.wait().expect("it is our child");
    wait_until("its warden is gone", 10, || warden.is_gone());
    // The dead are one thing, what they left another.
    assert!(broken.differing().iter().all(|what| !what.is_empty()), "{:?}", broken.differing());
    // n1 is paused and n4 dead; who is merely slow must not be tried again either.
    let slow = broken.theirs.container(3);
    let args = ["test", "raft", "--on", "docker", "--containers", &slow, "--nemesis", "none"];
    let refused = run(&args, broken.store.path());
    assert_eq!(refused.code, Some(255), "{}", refused.said());
    for words in ["still broken", &slow, "`tribunal clean`"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.said());
    }
    let cleaned = run(&["clean"], broken.store.path());
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.said());
    for name in broken.theirs.all() {
        assert!(
            cleaned.out.contains(&format!("undone what was done to the container {name}")),
            "{}",
            cleaned.said()
        );
    }
    broken.must_be_healed(5);
}
