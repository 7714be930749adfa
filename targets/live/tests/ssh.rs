//! Real clusters of toys on machines behind real sshds: five namespaces that `scripts/ssh-machines` makes.
//!
//! Needs root and sshd; where there is none every test is skipped by name, loudly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "it is made for more than these tests")]
mod toy;

use cluster::{Arrival, Cluster, Ports};
use history::{Call, Fault, FaultKind, Injection, Key, NodeId, Outcome, ProcessId, Refusal, Reply, Value};
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use toy::{Toy, cut, installed, kill, link, nodes, processes, soon, start, toy};
use tribunal_live::ssh::{HostLine, Ssh, SshOptions, clean, probe};

type Test = (&'static str, fn(&Path));

const TESTS: &[Test] = &[
    ("only_known_hosts_are_trusted_and_only_friends_are_let_in", trust),
    ("every_usual_kind_of_key_opens_the_door", keys),
    ("every_host_says_what_can_be_broken_there", doctor),
    ("a_cluster_answers_and_leaves_nothing_behind", answers),
    ("who_is_cut_off_hears_its_peers_no_more_but_us", partition),
    ("who_is_killed_or_paused_is_so_and_the_kernel_agrees", victims),
    ("a_lost_connection_is_our_trouble_and_mended", lost),
    ("hosts_heal_by_themselves_when_the_controller_is_killed", killed_controller),
    ("hosts_heal_by_themselves_when_the_wire_is_dead", dead_wire),
    ("two_runs_do_not_share_a_host", shared),
    ("what_is_left_is_cleaned_unless_somebody_works_on_it", cleaning),
];

/// Set for the copy that waits to be killed: the directory of the machines.
const VICTIM: &str = "TRIBUNAL_TEST_VICTIM";
/// Our directory on the hosts.
const THERE: &str = "/var/tmp/tribunal";

/// The machines; they are removed with this.
struct Machines(TempDir);

impl Drop for Machines {
    fn drop(&mut self) {
        script("down", &self.0.path().join("machines"));
    }
}

fn main() -> ExitCode {
    if let Some(machines) = std::env::var_os(VICTIM) {
        wait_to_be_killed(Path::new(&machines));
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let tests = TESTS.iter().filter(|(name, _)| wanted.iter().all(|wanted| name.contains(wanted)));
    let machines = machines();
    let mut failed = false;
    for (name, test) in tests {
        match &machines {
            Err(why) => {
                println!("skipped: {name}: {why}");
                // In CI nothing may be.
                failed |= std::env::var_os("CI").is_some();
            }
            Ok(Machines(directory)) => {
                let (begin, directory) = (Instant::now(), directory.path().join("machines"));
                let passed = catch_unwind(|| test(&directory)).is_ok();
                let result = if passed { "ok" } else { "FAILED" };
                println!("test {name} ... {result} ({:.1} s)", begin.elapsed().as_secs_f64());
                failed |= !passed;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn machines() -> Result<Machines, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("machines in namespaces need root".to_owned());
    }
    if !Path::new("/usr/sbin/sshd").exists() {
        return Err("there is no sshd (apt-get install openssh-server)".to_owned());
    }
    let machines = Machines(TempDir::new().unwrap());
    assert!(script("up", &machines.0.path().join("machines")), "the machines cannot be made");
    Ok(machines)
}

fn script(what: &str, directory: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/ssh-machines");
    Command::new(script).arg(what).arg(directory).status().unwrap().success()
}

fn hosts(machines: &Path) -> Vec<HostLine> {
    HostLine::read(&machines.join("hosts")).unwrap()
}

fn options(machines: &Path) -> SshOptions {
    SshOptions {
        user: "root".to_owned(),
        key: Some(machines.join("key")),
        agent: false,
        known_hosts: Some(machines.join("known_hosts")),
        program: Some(toy()),
        remote_dir: THERE.to_owned(),
        ports: Ports { peers: 7001, clients: 7002, control: 7003 },
        ..SshOptions::default()
    }
}

/// A cluster that runs, and a client.
struct Bench {
    cluster: Ssh,
    directory: TempDir,
    process: u32,
}

fn prepare(machines: &Path) -> Bench {
    let directory = TempDir::new().unwrap();
    let (toy, run) = (Arc::new(Toy { program: toy() }), directory.path().join("run"));
    let cluster = Ssh::new(toy, hosts(machines), run, 7, options(machines));
    Bench { cluster, directory, process: 0 }
}

fn begin(machines: &Path) -> Bench {
    let mut bench = prepare(machines);
    bench.cluster.start().unwrap();
    bench
}

impl Bench {
    fn arrival(&mut self) -> Arrival {
        let limit = self.cluster.now() + Duration::from_secs(20);
        self.cluster.next(limit).unwrap().expect("something should arrive")
    }

    fn ask(&mut self, node: u16, call: Call) -> Outcome {
        let process = ProcessId(self.process);
        self.cluster.invoke(process, NodeId(node), call, Duration::from_millis(500)).unwrap();
        match self.arrival() {
            Arrival::Completed { process: done, outcome } if done == process => {
                self.process += u32::from(outcome.is_unknown());
                outcome
            }
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, node: u16, value: i64) -> Outcome {
        self.ask(node, Call::Write { key: Key(0), value: Value(value) })
    }

    fn inject(&mut self, fault: Fault) -> Injection {
        self.cluster.inject(fault.clone()).unwrap();
        match self.arrival() {
            Arrival::Injected { fault: made, result } if made == fault => result,
            other => panic!("{other:?}"),
        }
    }

    fn stop(&mut self) {
        self.cluster.stop().unwrap();
        assert_eq!(at_work(), 0, "agents and nodes end");
    }
}

/// How many agents and nodes work on all machines: their processes are this machine's as well.
fn at_work() -> usize {
    processes(Path::new(THERE))
}

/// Runs a command on one machine, by its namespaces and not by SSH; what it says.
fn on(machine: u16, command: &str) -> String {
    let network = format!("tribssh{machine}");
    let pids = Command::new("ip").args(["netns", "pids", &network]).output().unwrap();
    let pids = String::from_utf8(pids.stdout).unwrap();
    // The first of them made the machine and is not inside: its numbers of processes are this machine's.
    let world = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    let first = pids.lines().find(|pid| world(pid) != world("self")).unwrap().to_owned();
    let enter = ["--target", &first, "--mount", "--net", "--pid", "--", "sh", "-c", command];
    let said = Command::new("nsenter").args(enter).output().unwrap();
    String::from_utf8(said.stdout).unwrap()
}

fn refused(host: &HostLine, options: SshOptions) -> String {
    let rows = probe(std::slice::from_ref(host), &options).unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row.able.is_err()), "{rows:?}");
    rows[0].able.clone().unwrap_err()
}

fn trust(machines: &Path) {
    let scratch = TempDir::new().unwrap();
    let own = scratch.path().join("known_hosts");
    let strange = SshOptions { known_hosts: Some(own.clone()), ..options(machines) };
    let host = &hosts(machines)[0];
    let why = refused(host, strange.clone());
    assert!(why.contains("is not in") && why.contains("--accept-new-hosts"), "{why}");
    let welcome = SshOptions { accept_new_hosts: true, ..strange.clone() };
    assert!(probe(std::slice::from_ref(host), &welcome).unwrap().iter().any(|row| row.able.is_ok()));
    assert!(probe(std::slice::from_ref(host), &strange).unwrap().iter().any(|row| row.able.is_ok()));

    let others = fs::read_to_string(machines.join("known_hosts")).unwrap();
    let second = others.lines().nth(1).unwrap().replacen("10.55.0.2", "10.55.0.1", 1);
    fs::write(&own, format!("{second}\n")).unwrap();
    let why = refused(host, SshOptions { accept_new_hosts: true, ..strange });
    assert!(why.contains("ITS KEY IS NOT THE ONE"), "a key that changed is never accepted: {why}");

    let why = refused(host, SshOptions { key: Some(machines.join("host_2")), ..options(machines) });
    assert!(why.contains("cannot log in to m1") && why.contains("host_2"), "{why}");
    let nobody = HostLine { control: "10.55.0.77".to_owned(), ..host.clone() };
    let brief = SshOptions { connecting: Duration::from_millis(300), ..options(machines) };
    let why = refused(&nobody, brief);
    assert!(why.contains("cannot connect to m1 (10.55.0.77:22)"), "{why}");
    let foreign = SshOptions { program: Some(PathBuf::from("/etc/passwd")), ..options(machines) };
    let why = refused(host, foreign);
    assert!(why.contains("does not run there") && why.contains("crt-static"), "{why}");
}

fn keys(machines: &Path) {
    let scratch = TempDir::new().unwrap();
    for (kind, phrase) in [("rsa", ""), ("ecdsa", ""), ("ed25519", "open sesame"), ("rsa", "open sesame")] {
        let key = scratch.path().join(format!("{kind}{}", phrase.len()));
        let mut make = Command::new("ssh-keygen");
        assert!(make.args(["-q", "-t", kind, "-N", phrase, "-f"]).arg(&key).status().unwrap().success());
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        on(1, &format!("echo '{}' >> /etc/ssh/tribunal_users", public.trim()));
        let passphrase = (!phrase.is_empty()).then(|| phrase.to_owned());
        let key = SshOptions { key: Some(key), passphrase, ..options(machines) };
        let rows = probe(&hosts(machines)[..1], &key).unwrap();
        assert!(rows.iter().any(|row| row.able.is_ok()), "{kind} {phrase:?}: {rows:?}");
    }
}

fn doctor(machines: &Path) {
    let rows = probe(&hosts(machines), &options(machines)).unwrap();
    assert_eq!(rows.len(), 5 * FaultKind::ALL.len());
    for row in &rows {
        let can = matches!(row.fault, FaultKind::Partition | FaultKind::Kill | FaultKind::Pause);
        assert_eq!(row.able.is_ok(), can, "{row:?}");
    }
    assert_eq!(rows[0].host, "m1");
    assert_eq!(at_work(), 0);
}

fn answers(machines: &Path) {
    let asked = Instant::now();
    let mut bench = begin(machines);
    println!("five nodes were deployed and started in {:.2} s", asked.elapsed().as_secs_f64());
    assert_eq!(bench.cluster.primaries(), nodes([1]));
    assert_eq!(bench.write(3, 5), Outcome::Ok(Reply::Done), "n3 says: ask n1");
    assert_eq!(bench.ask(5, Call::Read { key: Key(0) }), Outcome::Ok(Reply::Read(Some(Value(5)))));
    assert_eq!(on(2, &format!("ls {THERE}/runs/*")).trim(), "n2", "each on its own machine");
    bench.stop();
    bench.stop();
    assert_eq!(on(2, &format!("ls {THERE}/runs/*/n2 2>&1 | grep -c data")).trim(), "0");
    assert!(bench.directory.path().join("run/nodes/n2/node.log").exists());
}

fn partition(machines: &Path) {
    let mut bench = begin(machines);
    let apart = cut(vec![link(1, 2), link(1, 3), link(2, 1)]);
    let evidence = installed(bench.inject(apart));
    assert!(evidence.starts_with("3 of 3 links dropped"), "{evidence}");
    assert_eq!(bench.write(2, 6), Outcome::Ok(Reply::Done), "both n2 and n1 hear us");
    let evidence = installed(bench.inject(Fault::Repair { kind: FaultKind::Partition }));
    assert!(evidence.starts_with("3 links are open again on 3 hosts"), "{evidence}");
    let (mut made, mut healed) = (Vec::new(), Vec::new());
    let halves: Vec<_> =
        [1, 2].iter().flat_map(|a| [3, 4, 5].map(|b| [link(*a, b), link(b, *a)])).flatten().collect();
    for _ in 0..10 {
        made.push(millis(&installed(bench.inject(cut(halves.clone())))));
        healed.push(millis(&installed(bench.inject(Fault::Repair { kind: FaultKind::Partition }))));
    }
    made.sort_by(f64::total_cmp);
    healed.sort_by(f64::total_cmp);
    println!("halves of five: made in {made:?} ms, healed in {healed:?} ms");
    bench.stop();
}

/// The span in "… within 1.2 ms …".
fn millis(evidence: &str) -> f64 {
    evidence.split("within ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

fn victims(machines: &Path) {
    let mut bench = begin(machines);
    let evidence = installed(bench.inject(kill(1)));
    assert!(evidence.contains("n1 on m1") && evidence.contains("is gone"), "{evidence}");
    assert_eq!(bench.write(1, 7), Outcome::Fail(Refusal::Unreachable));
    assert!(matches!(bench.inject(kill(1)), Injection::Skipped(_)));
    let evidence = installed(bench.inject(start(1)));
    assert!(evidence.contains("serves in term 1"), "{evidence}");
    assert_eq!(bench.write(1, 7), Outcome::Ok(Reply::Done));
    let evidence = installed(bench.inject(Fault::Pause { nodes: nodes([1]) }));
    assert!(evidence.contains("stopped (state T)"), "{evidence}");
    assert!(bench.write(1, 8).is_unknown());
    installed(bench.inject(Fault::Repair { kind: FaultKind::Pause }));
    assert_eq!(bench.write(1, 9), Outcome::Ok(Reply::Done));
    assert!(matches!(bench.inject(Fault::Crash { nodes: nodes([1]) }), Injection::Skipped(_)));
    assert!(bench.cluster.inject(kill(9)).is_err());

    let process = ProcessId(99);
    let beast = Call::Write { key: Key(0), value: Value(666) };
    bench.cluster.invoke(process, NodeId(1), beast, Duration::from_millis(500)).unwrap();
    let both = [bench.arrival(), bench.arrival()];
    let told = both.iter().any(|arrival| {
        matches!(arrival, Arrival::Died { node: NodeId(1), how } if how.contains("the number of the beast"))
    });
    assert!(told, "{both:?}");
    bench.stop();
}

fn lost(machines: &Path) {
    let mut bench = begin(machines);
    installed(bench.inject(cut(vec![link(1, 2)])));
    // The sshd that serves the agent's connection dies, and the connection with it.
    on(2, "kill -9 $(ps -eo pid,args | awk '/sshd: root@notty/ && !/awk/ { print $1 }')");
    let begin = Instant::now();
    let within = |limit| assert!(begin.elapsed() < Duration::from_secs(limit), "nothing changes for n2");
    while bench.write(2, 1) == Outcome::Ok(Reply::Done) {
        within(10);
    }
    while bench.write(2, 1) != Outcome::Ok(Reply::Done) {
        within(20);
    }
    println!("n2 was back {:.2} s after its connection was lost", begin.elapsed().as_secs_f64());
    let evidence = installed(bench.inject(Fault::Repair { kind: FaultKind::Partition }));
    let dropped: u64 =
        evidence.split("had dropped ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(dropped > 0, "the cut was made again: {evidence}");
    bench.stop();
}

/// What a controller does that another test starts and kills.
fn wait_to_be_killed(machines: &Path) -> ! {
    let mut bench = begin(machines);
    installed(bench.inject(cut(vec![link(1, 2), link(2, 1)])));
    installed(bench.inject(Fault::Pause { nodes: nodes([3]) }));
    fs::write(machines.join("broken"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
    std::process::exit(1)
}

fn killed_controller(machines: &Path) {
    let mut controller = Command::new(std::env::current_exe().unwrap());
    let mut controller = controller.env(VICTIM, machines).spawn().unwrap();
    soon(|| machines.join("broken").exists());
    assert!(at_work() >= 10, "five agents and five nodes");
    controller.kill().unwrap();
    controller.wait().unwrap();
    let killed = Instant::now();
    soon(|| at_work() == 0);
    println!("every host was healed {:.2} s after the controller was killed", killed.elapsed().as_secs_f64());
    // Its table would be in the way of this cut, and its cuts in the way of these packets.
    let mut bench = begin(machines);
    let evidence = installed(bench.inject(cut(vec![link(1, 2)])));
    assert!(evidence.starts_with("1 of 1 links"), "{evidence}");
    bench.stop();
    fs::remove_file(machines.join("broken")).unwrap();
}

fn dead_wire(machines: &Path) {
    let mut controller = Command::new(std::env::current_exe().unwrap());
    let mut controller = controller.env(VICTIM, machines).spawn().unwrap();
    soon(|| machines.join("broken").exists());
    // Nobody hangs up: there is silence.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(controller.id().cast_signed()),
        nix::sys::signal::Signal::SIGSTOP,
    )
    .unwrap();
    let silent = Instant::now();
    soon(|| at_work() == 0);
    println!(
        "every host was healed {:.2} s after the controller fell silent",
        silent.elapsed().as_secs_f64()
    );
    assert!(silent.elapsed() > Duration::from_secs(3), "a short silence does no harm");
    controller.kill().unwrap();
    controller.wait().unwrap();
    fs::remove_file(machines.join("broken")).unwrap();
}

fn shared(machines: &Path) {
    let mut bench = begin(machines);
    let error = prepare(machines).cluster.start().unwrap_err().to_string();
    assert!(error.contains("another agent holds"), "{error}");
    assert_eq!(bench.write(1, 3), Outcome::Ok(Reply::Done), "the first is not disturbed");
    bench.stop();
}

fn cleaning(machines: &Path) {
    let mut bench = begin(machines);
    let error = clean(&hosts(machines)[..1], &options(machines)).unwrap_err().to_string();
    assert!(error.contains("another agent holds"), "{error}");
    assert_eq!(bench.write(1, 4), Outcome::Ok(Reply::Done), "nobody was disturbed");
    bench.stop();
    on(1, &format!("mkdir -p {THERE}/runs/old/n1/data"));
    clean(&hosts(machines), &options(machines)).unwrap();
    assert_eq!(on(1, &format!("ls -d {THERE}")), "");
}
