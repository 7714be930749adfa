//! The smallest system there is, which is `examples/toy.rs`, and a cluster of it to be asked and broken.

use cluster::{
    Addresses, Answer, Arrival, Client, Cluster, Connecting, Framing, Launch, Ports, Seat, Standing, System,
};
use history::{
    Call, CallKind, Doubt, Fault, FaultKind, Injection, Key, Link, NodeId, Outcome, ProcessId, Refusal,
    Reply, Ticket, Value,
};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tribunal_live::{Ground, Live};

/// The toy.
pub struct Toy {
    pub program: PathBuf,
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
        let mut args = vec![seat.node.to_string(), seat.ready.display().to_string(), seat.parent.to_string()];
        let Ports { peers, clients, control } = seat.ports;
        args.push(seat.listen.to_string());
        args.extend([peers, clients, control].map(|port| port.to_string()));
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
            Some(Standing { primary: leads == 1, term: 1, clock: None, members: None })
        })
    }
}

struct ToyClient {
    stream: BufReader<TcpStream>,
}

impl Client for ToyClient {
    fn call(&mut self, _: Ticket, call: &Call) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
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

/// A cluster that runs, and a client.
pub struct Bench<C> {
    pub cluster: C,
    pub directory: TempDir,
    process: u32,
}

/// The toy's executable: next to the directory that this test is in.
pub fn toy() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let toy = here.parent().and_then(Path::parent).unwrap().join("examples/toy");
    assert!(toy.exists(), "{} is missing: run `cargo test -p tribunal-live`, which builds it", toy.display());
    toy
}

impl<C> Bench<C> {
    pub fn of(cluster: C, directory: TempDir) -> Bench<C> {
        Bench { cluster, directory, process: 0 }
    }
}

impl<G: Ground + Default> Bench<Live<G>> {
    pub fn start(nodes: u16) -> Bench<Live<G>> {
        let directory = TempDir::new().unwrap();
        let mut cluster = Live::new(Arc::new(Toy { program: toy() }), nodes, directory.path().join("run"), 7);
        cluster.start().unwrap();
        Bench::of(cluster, directory)
    }

    /// What a controller does that another test starts and kills.
    pub fn wait_to_be_killed(directory: &Path, nodes: u16) -> ! {
        let toy = Arc::new(Toy { program: toy() });
        let mut cluster = Live::<G>::new(toy, nodes, directory.join("run"), 7);
        cluster.start().unwrap();
        cluster.inject(Fault::Pause { nodes: self::nodes([2]) }).unwrap();
        cluster.next(cluster.now() + Duration::from_secs(5)).unwrap();
        std::fs::write(directory.join("up"), "").unwrap();
        std::thread::sleep(Duration::from_secs(60));
        std::process::exit(1)
    }

    pub fn arrival(&mut self) -> Arrival {
        let limit = self.cluster.now() + Duration::from_secs(10);
        self.cluster.next(limit).unwrap().expect("something should arrive")
    }

    pub fn ask(&mut self, node: u16, call: Call) -> Outcome {
        let process = ProcessId(self.process);
        self.cluster.invoke(process, NodeId(node), call, Duration::from_millis(300)).unwrap();
        match self.arrival() {
            Arrival::Completed { process: done, outcome } if done == process => {
                self.process += u32::from(outcome.is_unknown());
                outcome
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn read(&mut self, node: u16) -> Outcome {
        self.ask(node, Call::Read { key: Key(0) })
    }

    pub fn write(&mut self, node: u16, value: i64) -> Outcome {
        self.ask(node, Call::Write { key: Key(0), value: Value(value) })
    }

    pub fn inject(&mut self, fault: Fault) -> Injection {
        self.cluster.inject(fault.clone()).unwrap();
        self.injected(&fault)
    }

    pub fn injected(&mut self, expected: &Fault) -> Injection {
        match self.arrival() {
            Arrival::Injected { fault, result } if fault == *expected => result,
            other => panic!("{other:?}"),
        }
    }

    pub fn repair(&mut self, kind: FaultKind) -> String {
        installed(self.inject(Fault::Repair { kind }))
    }

    /// The processes that work for this cluster, found by their ready file, which nobody else has.
    pub fn processes(&self) -> usize {
        processes(self.directory.path())
    }
}

pub fn processes(directory: &Path) -> usize {
    let ours = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&directory.display().to_string())
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(ours).count()
}

pub fn installed(result: Injection) -> String {
    match result {
        Injection::Installed(evidence) => evidence.0,
        other => panic!("{other}"),
    }
}

pub fn nodes<const N: usize>(nodes: [u16; N]) -> Vec<NodeId> {
    nodes.map(NodeId).to_vec()
}

pub fn link(from: u16, to: u16) -> Link {
    Link { from: NodeId(from), to: NodeId(to) }
}

pub fn kill(node: u16) -> Fault {
    Fault::Kill { nodes: nodes([node]) }
}

pub fn start(node: u16) -> Fault {
    Fault::Start { nodes: nodes([node]) }
}

pub fn cut(links: Vec<Link>) -> Fault {
    Fault::Cut { shape: "test".to_owned(), links }
}

/// Waits until it is done, for a reasonable time.
pub fn soon(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "this should not take long");
        std::thread::sleep(Duration::from_millis(5));
    }
}
