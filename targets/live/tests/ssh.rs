//! Real clusters of toys on machines behind real sshds: five namespaces that `scripts/ssh-machines` makes.
//!
//! Needs root and sshd; where there is none every test is skipped by name, loudly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "it is made for more than these tests")]
mod toy;

use cluster::{Arrival, Cluster, Ports};
use history::{
    Call, Fault, FaultKind, Illness, Injection, Key, NodeId, Outcome, Pressure, ProcessId, Refusal, Reply,
    Trouble, Value,
};
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use toy::{Toy, cut, installed, kill, link, nodes, processes, soon, start, toy};
use tribunal_live::ssh::{HostLine, SshOptions, clean, probe};
use tribunal_live::{Live, Remotes, Ssh};

type Test = (&'static str, fn(&Path));

const TESTS: &[Test] = &[
    ("only_known_hosts_are_trusted_and_only_friends_are_let_in", trust),
    ("every_usual_kind_of_key_opens_the_door", keys),
    ("a_password_an_ssh_agent_and_sudo_open_doors_as_well", other_doors),
    ("every_host_says_what_can_be_broken_there", doctor),
    ("a_cluster_answers_and_leaves_nothing_behind", answers),
    ("who_is_cut_off_hears_its_peers_no_more_but_us", partition),
    ("who_is_killed_or_paused_is_so_and_the_kernel_agrees", victims),
    ("what_comes_late_or_twice_does_so_where_it_should", packets),
    ("links_are_broken_in_ipv6_as_well", six),
    ("who_has_too_little_feels_it_and_no_group_is_left", pressure),
    ("a_lost_connection_is_our_trouble_and_mended", lost),
    ("a_killed_agent_leaves_no_mount_and_its_node_comes_back", lossy),
    ("hosts_heal_by_themselves_when_the_controller_is_killed", killed_controller),
    ("hosts_heal_by_themselves_when_the_wire_is_dead", dead_wire),
    ("hosts_heal_by_themselves_when_their_agents_are_killed", killed_agents),
    ("two_runs_do_not_share_a_host", shared),
    ("what_is_left_is_cleaned_unless_somebody_works_on_it", cleaning),
];

/// Set for the copy that waits to be killed: the directory of the machines.
const VICTIM: &str = "TRIBUNAL_TEST_VICTIM";
/// Set for the copy whose only key is in an ssh-agent: the directory of the machines.
const AGENT: &str = "TRIBUNAL_TEST_AGENT";
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
    if let Some(machines) = std::env::var_os(AGENT) {
        let asks = SshOptions { key: None, agent: true, ..options(Path::new(&machines)) };
        let rows = probe(&hosts(Path::new(&machines))[..1], &asks).unwrap();
        return if rows.iter().any(|row| row.able.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
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
    prepare_on(hosts(machines), machines)
}

fn prepare_on(hosts: Vec<HostLine>, machines: &Path) -> Bench {
    let directory = TempDir::new().unwrap();
    let (toy, run) = (Arc::new(Toy { program: toy() }), directory.path().join("run"));
    let ground = Remotes::new(hosts, options(machines));
    let cluster = Live::on(ground, toy, 5, run, 7);
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

/// The first process of one machine, by its number here. Others come and go while one looks, and may have smaller
/// numbers once these have started anew; this one stays as long as its machine.
fn on_machine(machine: u16) -> String {
    let network = format!("tribssh{machine}");
    let pids = Command::new("ip").args(["netns", "pids", &network]).output().unwrap();
    let pids = String::from_utf8(pids.stdout).unwrap();
    // Its number here, and 1 inside.
    let first = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        numbers.split_whitespace().skip(1).eq(["1"])
    };
    pids.lines().find(|pid| first(pid)).expect("the machine is up").to_owned()
}

/// Runs a command on one machine, by its namespaces and not by SSH; what it says.
fn on(machine: u16, command: &str) -> String {
    let first = on_machine(machine);
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

fn other_doors(machines: &Path) {
    let scratch = TempDir::new().unwrap();
    let (one, usual) = (&hosts(machines)[..1], options(machines));
    let socket = scratch.path().join("agent");
    let mut keeper = Command::new("ssh-agent");
    let mut keeper = keeper.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    soon(|| socket.exists());
    let ask = || {
        let mut copy = Command::new(std::env::current_exe().unwrap());
        copy.env(AGENT, machines).env("HOME", scratch.path()).env("SSH_AUTH_SOCK", &socket);
        copy.status().unwrap().success()
    };
    assert!(!ask(), "it has no key yet");
    let added =
        Command::new("ssh-add").arg("-q").arg(machines.join("key")).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.unwrap().success() && ask());
    keeper.kill().unwrap();
    keeper.wait().unwrap();

    on(1, "useradd --create-home worker; echo worker:sesame | chpasswd");
    let worker = SshOptions {
        user: "worker".to_owned(),
        key: Some(machines.join("host_2")),
        password: Some("sesame".to_owned()),
        remote_dir: "/home/worker/tribunal".to_owned(),
        ..usual
    };
    let why = refused(&one[0], SshOptions { password: Some("wrong".to_owned()), ..worker.clone() });
    assert!(why.contains("cannot log in to m1") && why.contains("the password"), "{why}");
    for row in probe(one, &worker).unwrap() {
        let can = matches!(
            row.fault,
            FaultKind::Kill | FaultKind::Pause | FaultKind::Clock | FaultKind::Damage | FaultKind::Members
        );
        // What needs no rights is the same for everyone; what needs some, he lacks.
        assert!(
            row.able.is_ok() == can || row.fault == FaultKind::Disk || row.fault == FaultKind::Crash,
            "{row:?}"
        );
    }
    let why = refused(&one[0], SshOptions { sudo: true, ..worker.clone() });
    assert!(why.contains("sudo must need no password there"), "{why}");
    on(1, "echo 'worker ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/worker");
    let worker = SshOptions { sudo: true, ..worker };
    let rows = probe(one, &worker).unwrap();
    let row = rows.iter().find(|row| row.fault == FaultKind::Packets).unwrap();
    assert!(row.able.is_ok(), "{row:?}");
    clean(one, &worker).unwrap();
    assert_eq!(on(1, "ls -d /home/worker/tribunal"), "");
}

fn doctor(machines: &Path) {
    let rows = probe(&hosts(machines), &options(machines)).unwrap();
    assert_eq!(rows.len(), 5 * FaultKind::ALL.len());
    assert!(rows.iter().all(|row| row.able.is_ok()), "{rows:?}");
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
    assert!(evidence.starts_with("3 of 3 links swallowed"), "{evidence}");
    assert_eq!(bench.write(2, 6), Outcome::Ok(Reply::Done), "both n2 and n1 hear us");
    let evidence = installed(bench.inject(Fault::Repair { kind: FaultKind::Partition }));
    assert!(evidence.starts_with("3 links are open again, and"), "{evidence}");
    let (mut made, mut healed) = (Vec::new(), Vec::new());
    let halves: Vec<_> =
        [1, 2].iter().flat_map(|a| [3, 4, 5].map(|b| [link(*a, b), link(b, *a)])).flatten().collect();
    for _ in 0..5 {
        let begin = Instant::now();
        installed(bench.inject(cut(halves.clone())));
        made.push(begin.elapsed());
        let begin = Instant::now();
        installed(bench.inject(Fault::Repair { kind: FaultKind::Partition }));
        healed.push(begin.elapsed());
    }
    println!("halves of five: seen within {made:?}, seen healed within {healed:?}");
    bench.stop();
}

fn victims(machines: &Path) {
    let mut bench = begin(machines);
    let evidence = installed(bench.inject(kill(1)));
    assert!(evidence.starts_with("n1, process ") && evidence.contains("signal: 9"), "{evidence}");
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
    assert!(matches!(
        bench.inject(Fault::Crash { nodes: nodes([1]), unsynced: None }),
        Injection::Skipped(_)
    ));
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

/// The control groups of agents on the machines, which share this one's tree but not its numbers of processes.
fn groups() -> String {
    let world = fs::read_link("/proc/self/ns/pid").unwrap().display().to_string();
    let here = format!("tribunal-agent-{}-*", world.replace(|letter: char| !letter.is_ascii_digit(), ""));
    let find = ["/sys/fs/cgroup", "-name", "tribunal-agent-*", "-not", "-name", &here];
    let found = Command::new("find").args(find).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}

fn pressure(machines: &Path) {
    let mut bench = begin(machines);
    let press = |node, pressure| Fault::Press { nodes: nodes([node]), pressure };
    // One thousandth is so little that a node which does next to nothing feels it.
    let busy = installed(bench.inject(press(1, Pressure::Cpu { permille: 1 })));
    assert!(busy.contains("and was throttled in"), "{busy}");
    assert_eq!(groups().lines().count(), 1, "{}", groups());
    // Another kind takes the place of the first.
    let evidence = installed(bench.inject(press(1, Pressure::Freeze)));
    assert_eq!(evidence, "n1's control group is frozen");
    assert_eq!(groups().lines().count(), 1, "{}", groups());
    assert!(bench.write(1, 8).is_unknown());
    let evidence = installed(bench.inject(Fault::Repair { kind: FaultKind::Pressure }));
    assert_eq!(evidence, "n1 has all it wants again");
    assert_eq!(groups(), "");
    assert_eq!(bench.write(1, 9), Outcome::Ok(Reply::Done));

    installed(bench.inject(press(3, Pressure::Freeze)));
    let killed = installed(bench.inject(kill(3)));
    assert!(
        killed.starts_with("n3, process ") && killed.contains("signal: 9"),
        "who is frozen dies: {killed}"
    );
    // An agent that is killed leaves a frozen node, which its guard lets die.
    installed(bench.inject(press(4, Pressure::Freeze)));
    let dead = groups();
    kill_agent(4);
    let begin = Instant::now();
    // What was frozen is to be so again, in a group of the next agent.
    while dead.lines().all(|group| Path::new(group).exists()) || groups().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{dead}, {}", groups());
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("frozen again {:.2} s after its agent was killed", begin.elapsed().as_secs_f64());
    bench.cluster.inject(press(2, Pressure::Memory { spare_kib: 16 })).unwrap();
    let starved = loop {
        // The kernel may kill it for want of memory before it is seen to have too little.
        match bench.arrival() {
            Arrival::Injected { result, .. } => break installed(result),
            Arrival::Died { node: NodeId(2), .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(starved.starts_with("n2 has ") && starved.contains("and wanted more"), "{starved}");
    bench.stop();
    assert_eq!(groups(), "");
}

fn packets(machines: &Path) {
    let mut bench = begin(machines);
    // There what comes from m1 is late; what comes back is not.
    let network = linux::net::Namespace::of_process(on_machine(1).parse().unwrap()).unwrap();
    let round_trip = |to: &str| {
        let to = format!("{to}:22");
        let connect = || {
            let begin = Instant::now();
            std::net::TcpStream::connect(&to).unwrap();
            begin.elapsed()
        };
        (0..3).map(|_| network.inside(connect).unwrap()).min().unwrap()
    };
    let trouble = Trouble { delay_ms: 50, ..Trouble::default() };
    let evidence = installed(bench.inject(Fault::Impair { links: vec![link(1, 2)], trouble }));
    assert!(evidence.contains("on 1 of 1 links 0 were lost"), "{evidence}");
    let (late, other, control) = (round_trip("10.56.0.2"), round_trip("10.56.0.3"), round_trip("10.55.0.2"));
    println!("50 ms late: {late:?}; another link {other:?}, the way of control {control:?}");
    assert!(late >= Duration::from_millis(50) && other < late / 2 && control < late / 2);
    assert_eq!(bench.write(2, 4), Outcome::Ok(Reply::Done), "we are not late");

    let trouble = Trouble { loss: 200, duplicate: 200, reorder: 200, corrupt: 200, ..Trouble::default() };
    let links = [1, 2].iter().flat_map(|from| [3, 4, 5].map(|to| link(*from, to))).collect();
    let evidence = installed(bench.inject(Fault::Impair { links, trouble }));
    assert!(evidence.contains("on 6 of 6 links"), "{evidence}");
    let evidence = installed(bench.inject(Fault::Repair { kind: FaultKind::Packets }));
    assert!(evidence.starts_with("7 links are open again"), "{evidence}");
    assert!(round_trip("10.56.0.2") < late / 2);
    bench.stop();
}

fn six(machines: &Path) {
    let mut bench = prepare_on(HostLine::read(&machines.join("hosts6")).unwrap(), machines);
    bench.cluster.start().unwrap();
    let evidence = installed(bench.inject(cut(vec![link(1, 2), link(3, 2)])));
    assert!(evidence.starts_with("2 of 2 links swallowed"), "{evidence}");
    let trouble = Trouble { delay_ms: 5, ..Trouble::default() };
    let evidence = installed(bench.inject(Fault::Impair { links: vec![link(4, 5)], trouble }));
    assert!(evidence.contains("on 1 of 1 links"), "{evidence}");
    assert_eq!(bench.write(2, 6), Outcome::Ok(Reply::Done), "it hears us");
    for kind in [FaultKind::Partition, FaultKind::Packets] {
        installed(bench.inject(Fault::Repair { kind }));
    }
    bench.stop();
}

fn kill_agent(machine: u16) {
    on(machine, "kill -9 $(ps -eo pid,args | awk '/agent --stdio/ && !/awk/ { print $1 }')");
}

/// How many disks of ours are mounted on a machine.
fn mounts(machine: u16) -> String {
    on(machine, &format!("grep -c 'tribunal-[0-9-]* {THERE}' /proc/mounts")).trim().to_owned()
}

fn lossy(machines: &Path) {
    let mut bench = prepare(machines);
    bench.cluster = bench.cluster.with_lossy_disks();
    bench.cluster.start().unwrap();
    assert_eq!(mounts(2), "1");
    let slow = Illness::SlowSyncs { delay_ms: 1 };
    // The toy never syncs, so nobody feels it.
    let felt = bench.inject(Fault::Sicken { nodes: nodes([2]), illness: slow });
    assert!(matches!(felt, Injection::Doubtful(_)), "{felt:?}");
    let evidence = installed(bench.inject(Fault::Crash { nodes: nodes([1]), unsynced: None }));
    assert!(evidence.starts_with("n1: process ") && evidence.contains("0 files lost"), "{evidence}");
    // The others ask n1.
    installed(bench.inject(Fault::Repair { kind: FaultKind::Crash }));
    assert_eq!(bench.write(2, 1), Outcome::Ok(Reply::Done));
    kill_agent(2);
    let begin = Instant::now();
    let within = |what| assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
    while bench.write(2, 1) == Outcome::Ok(Reply::Done) {
        within("n2 does not go");
    }
    while bench.write(2, 1) != Outcome::Ok(Reply::Done) {
        within("n2 does not come back");
    }
    assert_eq!(mounts(2), "1", "the dead one is gone, and there is another");
    bench.stop();
    assert_eq!(mounts(2), "0");
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
    // The cut was made again: what n1 says to n2 does not arrive.
    let again = installed(bench.inject(cut(vec![link(1, 2)])));
    assert!(again.starts_with("1 of 1 links swallowed"), "{again}");
    installed(bench.inject(Fault::Repair { kind: FaultKind::Partition }));
    bench.stop();
}

/// What a controller does that another test starts and kills.
fn wait_to_be_killed(machines: &Path) -> ! {
    let mut bench = prepare(machines);
    bench.cluster = bench.cluster.with_lossy_disks();
    bench.cluster.start().unwrap();
    installed(bench.inject(cut(vec![link(1, 2), link(2, 1)])));
    let trouble = Trouble { hold: true, ..Trouble::default() };
    installed(bench.inject(Fault::Impair { links: vec![link(1, 4)], trouble }));
    installed(bench.inject(Fault::Pause { nodes: nodes([3]) }));
    installed(bench.inject(Fault::Press { nodes: nodes([5]), pressure: Pressure::Freeze }));
    fs::write(machines.join("broken"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
    std::process::exit(1)
}

/// A controller in the middle of its faults.
fn victim(machines: &Path) -> Child {
    let mut controller = Command::new(std::env::current_exe().unwrap());
    let controller = controller.env(VICTIM, machines).spawn().unwrap();
    let begin = Instant::now();
    while !machines.join("broken").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "everything should be broken by now");
        std::thread::sleep(Duration::from_millis(5));
    }
    controller
}

fn stop(controller: &Child) {
    let pid = nix::unistd::Pid::from_raw(controller.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
}

fn killed_controller(machines: &Path) {
    let mut controller = victim(machines);
    assert!(at_work() >= 10, "five agents and five nodes");
    controller.kill().unwrap();
    controller.wait().unwrap();
    let killed = Instant::now();
    soon(|| at_work() == 0);
    assert_eq!((mounts(2).as_str(), groups().as_str()), ("0", ""));
    println!("every host was healed {:.2} s after the controller was killed", killed.elapsed().as_secs_f64());
    // Its table would be in the way of this cut, and its cuts in the way of these packets.
    let mut bench = begin(machines);
    let evidence = installed(bench.inject(cut(vec![link(1, 2)])));
    assert!(evidence.starts_with("1 of 1 links swallowed"), "{evidence}");
    bench.stop();
    fs::remove_file(machines.join("broken")).unwrap();
}

fn dead_wire(machines: &Path) {
    let mut controller = victim(machines);
    // Nobody hangs up: there is silence.
    stop(&controller);
    let silent = Instant::now();
    soon(|| at_work() == 0);
    assert_eq!((mounts(2).as_str(), groups().as_str()), ("0", ""));
    println!(
        "every host was healed {:.2} s after the controller fell silent",
        silent.elapsed().as_secs_f64()
    );
    assert!(silent.elapsed() > Duration::from_secs(3), "a short silence does no harm");
    controller.kill().unwrap();
    controller.wait().unwrap();
    fs::remove_file(machines.join("broken")).unwrap();
}

fn killed_agents(machines: &Path) {
    let mut controller = victim(machines);
    // It must not reach them again.
    stop(&controller);
    (1..=5).for_each(kill_agent);
    let killed = Instant::now();
    soon(|| at_work() == 0);
    for machine in 1..=5 {
        assert_eq!(mounts(machine), "0", "m{machine}");
    }
    assert_eq!(groups(), "", "who was frozen was thawed, and died");
    println!("every host was healed {:.2} s after its agent was killed", killed.elapsed().as_secs_f64());
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
