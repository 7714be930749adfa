//! A real cluster of toys: real processes, real sockets, real signals. The toy is `examples/toy.rs`, which
//! `cargo test` builds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use cluster::{
    Addresses, Answer, Arrival, Client, Cluster, Connecting, Framing, Launch, Seat, Standing, System,
};
use history::{
    Call, CallKind, Doubt, Fault, FaultKind, Injection, Key, Link, NodeId, Outcome, ProcessId, Refusal,
    Reply, Trouble, Value,
};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tribunal_live::Local;

struct Toy {
    program: PathBuf,
}

impl System for Toy {
    fn name(&self) -> String {
        "toy".to_owned()
    }

    fn serves(&self) -> Vec<CallKind> {
        vec![CallKind::Read, CallKind::Write]
    }

    fn framing(&self) -> Framing {
        Framing::LengthPrefixed
    }

    fn launch(&self, seat: &Seat) -> Launch {
        let parent = std::process::id().to_string();
        let mut args = vec![seat.node.to_string(), seat.ready.display().to_string(), parent];
        args.extend(seat.peers.iter().map(|(_, address)| address.to_string()));
        Launch { program: self.program.clone(), args, env: vec![] }
    }

    fn addresses(&self, seat: &Seat) -> std::io::Result<Option<Addresses>> {
        let Ok(text) = std::fs::read_to_string(&seat.ready) else { return Ok(None) };
        let all: Vec<SocketAddr> = text.lines().map(|line| line.parse().unwrap()).collect();
        Ok(Some(Addresses { peers: all[0], clients: all[1], control: all[2] }))
    }

    fn connect(&self, address: SocketAddr) -> Connecting {
        Box::pin(async move {
            let stream = BufReader::new(TcpStream::connect(address).await?);
            Ok(Box::new(ToyClient { stream }) as Box<dyn Client>)
        })
    }

    fn standing(&self, address: SocketAddr) -> Answer<Option<Standing>> {
        Box::pin(async move {
            let leads = TcpStream::connect(address).await.ok()?.read_u8().await.ok()?;
            Some(Standing { primary: leads == 1, term: 1 })
        })
    }
}

struct ToyClient {
    stream: BufReader<TcpStream>,
}

impl Client for ToyClient {
    fn call(&mut self, call: &Call) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        let line = match call {
            Call::Write { value, .. } => format!("write {value}\n"),
            _ => "read\n".to_owned(),
        };
        Box::pin(async move {
            let mut answer = String::new();
            let sent = self.stream.write_all(line.as_bytes()).await;
            if sent.is_err() || self.stream.read_line(&mut answer).await.unwrap_or(0) == 0 {
                return Outcome::Unknown(Doubt::Disconnected);
            }
            match answer.trim() {
                "done" => Outcome::Ok(Reply::Done),
                "ask n1" => Outcome::Fail(Refusal::NotLeader { hint: Some(NodeId(1)) }),
                number => Outcome::Ok(Reply::Read(Some(Value(number.parse().unwrap())))),
            }
        })
    }
}

struct Bench {
    local: Local,
    directory: TempDir,
    process: u32,
}

/// The toy's executable: next to the directory that this test is in.
fn toy() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let toy = here.parent().and_then(Path::parent).unwrap().join("examples/toy");
    assert!(toy.exists(), "{} is missing: run `cargo test -p tribunal-live`, which builds it", toy.display());
    toy
}

impl Bench {
    fn new() -> Bench {
        let directory = TempDir::new().unwrap();
        let mut local = Local::new(Arc::new(Toy { program: toy() }), 3, directory.path().join("run"), 7);
        local.start().unwrap();
        Bench { local, directory, process: 0 }
    }

    fn arrival(&mut self) -> Arrival {
        let limit = self.local.now() + Duration::from_secs(10);
        self.local.next(limit).unwrap().expect("something should arrive")
    }

    fn ask(&mut self, node: u16, call: Call) -> Outcome {
        let process = ProcessId(self.process);
        self.local.invoke(process, NodeId(node), call, Duration::from_millis(300)).unwrap();
        match self.arrival() {
            Arrival::Completed { process: done, outcome } if done == process => {
                self.process += u32::from(outcome.is_unknown());
                outcome
            }
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, node: u16) -> Outcome {
        self.ask(node, Call::Read { key: Key(0) })
    }

    fn write(&mut self, node: u16, value: i64) -> Outcome {
        self.ask(node, Call::Write { key: Key(0), value: Value(value) })
    }

    fn inject(&mut self, fault: Fault) -> Injection {
        self.local.inject(fault.clone()).unwrap();
        self.injected(&fault)
    }

    fn injected(&mut self, expected: &Fault) -> Injection {
        match self.arrival() {
            Arrival::Injected { fault, result } if fault == *expected => result,
            other => panic!("{other:?}"),
        }
    }

    fn repair(&mut self, kind: FaultKind) -> String {
        installed(self.inject(Fault::Repair { kind }))
    }

    /// The processes that work for this cluster, found by their ready file, which nobody else has.
    fn processes(&self) -> usize {
        processes(self.directory.path())
    }
}

fn processes(directory: &Path) -> usize {
    let ours = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&directory.display().to_string())
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(ours).count()
}

fn installed(result: Injection) -> String {
    match result {
        Injection::Installed(evidence) => evidence.0,
        other => panic!("{other}"),
    }
}

fn nodes<const N: usize>(nodes: [u16; N]) -> Vec<NodeId> {
    nodes.map(NodeId).to_vec()
}

fn link(from: u16, to: u16) -> Link {
    Link { from: NodeId(from), to: NodeId(to) }
}

fn kill(node: u16) -> Fault {
    Fault::Kill { nodes: nodes([node]) }
}

fn start(node: u16) -> Fault {
    Fault::Start { nodes: nodes([node]) }
}

fn cut(links: Vec<Link>) -> Fault {
    Fault::Cut { shape: "test".to_owned(), links }
}

const UNREACHABLE: Outcome = Outcome::Fail(Refusal::Unreachable);

#[test]
fn a_cluster_answers_follows_redirects_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    assert_eq!(bench.processes(), 3);
    assert_eq!(bench.local.primaries(), nodes([1]));
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert_eq!(bench.read(3), Outcome::Ok(Reply::Read(Some(Value(5)))), "n3 says: ask n1");
    bench.local.stop().unwrap();
    bench.local.stop().unwrap();
    assert_eq!(bench.processes(), 0);
    assert!(bench.local.invoke(ProcessId(0), NodeId(1), Call::Read { key: Key(0) }, Duration::ZERO).is_err());
}

#[test]
fn a_cluster_that_is_dropped_in_the_middle_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.local.inject(Fault::Pause { nodes: nodes([1, 2]) }).unwrap();
    bench.local.inject(kill(3)).unwrap();
    bench.local.inject(start(3)).unwrap();
    let Bench { local, directory, .. } = bench;
    drop(local);
    assert_eq!(processes(directory.path()), 0);
}

/// Tells the controller below where to run.
const DIRECTORY: &str = "TRIBUNAL_TEST_DIRECTORY";

#[test]
fn nothing_survives_a_controller_that_is_killed() {
    let directory = TempDir::new().unwrap();
    let mut controller = Command::new(std::env::current_exe().unwrap());
    controller.args(["--ignored", "--exact", "a_controller_that_waits_to_be_killed"]);
    controller.env(DIRECTORY, directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut controller = controller.spawn().unwrap();
    soon(|| directory.path().join("up").exists());
    assert_eq!(processes(directory.path()), 3);
    controller.kill().unwrap();
    controller.wait().unwrap();
    soon(|| processes(directory.path()) == 0);
}

#[test]
#[ignore = "it waits to be killed by the test above, which starts it"]
fn a_controller_that_waits_to_be_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let mut local = Local::new(Arc::new(Toy { program: toy() }), 3, directory.join("run"), 7);
    local.start().unwrap();
    local.inject(Fault::Pause { nodes: nodes([2]) }).unwrap();
    local.next(local.now() + Duration::from_secs(5)).unwrap();
    std::fs::write(directory.join("up"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

fn soon(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "this should not take long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_is_killed_refuses_until_it_is_started_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.write(1, 5), Outcome::Ok(Reply::Done));
    assert!(installed(bench.inject(kill(1))).contains("SIGKILL"));
    assert_eq!(bench.processes(), 2);
    assert_eq!(bench.read(1), UNREACHABLE);
    assert_eq!(bench.read(2), UNREACHABLE, "n2 says: ask n1");
    assert_eq!(bench.local.primaries(), []);
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
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.local.inject(kill(2)).unwrap();
        bench.local.inject(start(2)).unwrap();
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
    let mut bench = Bench::new();
    let pause = || Fault::Pause { nodes: nodes([1]) };
    assert!(installed(bench.inject(pause())).contains("state T"));
    assert_eq!(bench.write(1, 5), Outcome::Unknown(Doubt::Timeout));
    assert_eq!(bench.local.primaries(), []);
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
    let mut bench = Bench::new();
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
    let mut bench = Bench::new();
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
    let mut bench = Bench::new();
    let write = Call::Write { key: Key(0), value: Value(666) };
    bench.local.invoke(ProcessId(0), NodeId(1), write, Duration::from_secs(1)).unwrap();
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
    let mut bench = Bench::new();
    let abilities = bench.local.abilities();
    for (kind, fault) in [
        (FaultKind::Crash, Fault::Crash { nodes: nodes([1]) }),
        (FaultKind::Clock, Fault::Skew { nodes: nodes([1]), jump_ms: 5, rate_ppm: 1_000_000 }),
    ] {
        let why = abilities.faults[&kind].clone().unwrap_err();
        assert!(why.contains("--on sim"));
        assert_eq!(bench.inject(fault), Injection::Skipped(why));
        assert_eq!(bench.repair(kind), "there is no such fault here");
    }
    assert!(bench.local.inject(kill(9)).unwrap_err().to_string().contains("n9"));
    assert!(bench.local.inject(cut(vec![link(1, 1)])).is_err());
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
