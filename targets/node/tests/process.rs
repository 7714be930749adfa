//! The node as a process of its own, with a cluster of one. The program is `examples/node.rs`, which `cargo test`
//! builds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use history::{Call, Key, Outcome, ProcessId, Reply, Ticket, Value};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocols::rpc::{self, Doors, Report, Request, Response};
use protocols::wire;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The example's executable: next to the directory that this test is in.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().and_then(Path::parent).unwrap().join("examples/node");
    assert!(program.exists(), "{} is missing: run `cargo test -p tribunal-node`", program.display());
    program
}

/// A place for a node to live in.
struct Place(TempDir);

/// A node that runs. Dropping it kills it.
struct Node {
    child: Child,
    doors: Doors,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Place {
    fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command that runs a node here, preceded by `before`, a line of shell.
    fn command(&self, before: &str, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before} exec \"$0\" \"$@\"")).arg(program()).arg("node");
        command.args(["--id", "n1", "--heartbeat-ms", "10", "--election-ms", "30"]).args(args);
        command.arg("--data").arg(self.path("data")).arg("--ready").arg(self.path("ready"));
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    fn start(&self, before: &str) -> Node {
        let _none = fs::remove_file(self.path("ready"));
        let child = self.command(before, &[]).spawn().unwrap();
        let doors = soon(|| fs::read_to_string(self.path("ready")).ok()).parse().unwrap();
        let node = Node { child, doors };
        soon(|| node.report().filter(|report| report.leads));
        node
    }

    /// Runs a node that should not live long; its exit code, and everything it said.
    fn fail(&self, args: &[&str]) -> (i32, String) {
        let code = self.command("", args).status().unwrap().code().unwrap();
        (code, self.log())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

/// Of a client that never asked before.
fn ticket() -> Ticket {
    static CLIENTS: AtomicU32 = AtomicU32::new(0);
    Ticket { process: ProcessId(CLIENTS.fetch_add(1, Ordering::Relaxed)), number: 1 }
}

impl Node {
    fn report(&self) -> Option<Report> {
        read(&mut TcpStream::connect(self.doors.control).ok()?).ok()
    }

    /// Asks on a connection of its own, as a client that never asked before.
    fn ask(&self, call: Call) -> io::Result<Outcome> {
        let mut stream = TcpStream::connect(self.doors.clients)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&rpc::frame(&Request { id: 1, ticket: ticket(), call }).unwrap())?;
        read(&mut stream).map(|response: Response| response.outcome)
    }

    fn write(&self, value: i64) -> io::Result<Outcome> {
        self.ask(Call::Write { key: Key(0), value: Value(value) })
    }

    fn read(&self) -> Outcome {
        self.ask(Call::Read { key: Key(0) }).unwrap()
    }

    fn exit_code(mut self) -> Option<i32> {
        soon(|| self.child.try_wait().unwrap()).code()
    }
}

fn read<T: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut payload = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload)?;
    wire::decode(&payload).map_err(io::Error::other)
}

fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(seen) = look() {
            return seen;
        }
        sleep(Duration::from_millis(2));
    }
    panic!("this should not take long");
}

fn holds(value: i64) -> Outcome {
    Outcome::Ok(Reply::Read(Some(Value(value))))
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let place = Place::new();
    for life in 0..3 {
        let node = place.start("");
        assert_eq!(node.read(), if life == 0 { Outcome::Ok(Reply::Read(None)) } else { holds(life * 10) });
        for value in life * 10 + 1..=(life + 1) * 10 {
            assert_eq!(node.write(value).unwrap(), Outcome::Ok(Reply::Done));
        }
        assert_eq!(node.read(), holds((life + 1) * 10));
    }
}

#[test]
fn sigterm_ends_it_in_good_order() {
    let place = Place::new();
    let node = place.start("");
    kill(Pid::from_raw(node.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(node.exit_code(), Some(0));
    assert!(place.log().contains("goodbye"), "{}", place.log());
}

#[test]
fn a_full_disk_ends_it_and_nothing_acknowledged_is_lost() {
    let place = Place::new();
    // Files may grow to eight blocks and no further; the signal that would come with the error is ignored.
    let node = place.start("ulimit -f 8; trap '' XFSZ;");
    let acknowledged =
        (1..10_000).take_while(|value| matches!(node.write(*value), Ok(Outcome::Ok(_)))).count() as i64;
    assert!((1..9_000).contains(&acknowledged), "the disk should have been full after {acknowledged}");
    assert_eq!(node.exit_code(), Some(74));
    assert!(place.log().contains("wal: cannot append to it"), "{}", place.log());
    // The write that was refused may have reached the disk or not.
    let read = place.start("").read();
    assert!([holds(acknowledged), holds(acknowledged + 1)].contains(&read), "{read:?} after {acknowledged}");
}

#[test]
fn a_damaged_log_is_refused_and_a_torn_tail_is_cut() {
    let place = Place::new();
    let node = place.start("");
    for value in 1..=10 {
        assert_eq!(node.write(value).unwrap(), Outcome::Ok(Reply::Done));
    }
    drop(node);
    let wal = place.path("data/wal");
    let good = fs::read(&wal).unwrap();

    fs::write(&wal, &good[..good.len() - 1]).unwrap();
    let read = place.start("").read();
    assert!(place.log().contains("cut a torn tail of"), "{}", place.log());
    assert!([holds(9), holds(10)].contains(&read), "{read:?}");

    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    fs::write(&wal, &damaged).unwrap();
    let (code, log) = place.fail(&[]);
    assert_eq!(code, 65);
    assert!(log.contains("data/wal: damaged at byte") && log.contains("a good entry follows"), "{log}");
    assert_eq!(fs::read(&wal).unwrap(), damaged, "evidence must not be touched");
}

#[test]
fn noise_on_its_sockets_harms_nobody_else() {
    let place = Place::new();
    let node = place.start("");
    let noise =
        |address: SocketAddr, bytes: &[u8]| TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
    for door in [node.doors.peers, node.doors.clients, node.doors.control] {
        noise(door, b"GET / HTTP/1.1\r\n\r\n");
        noise(door, &[0, 0, 0, 3, 255, 255, 255]);
        noise(door, &[0, 0]);
        noise(
            door,
            &rpc::frame(&Request { id: 1, ticket: ticket(), call: Call::Read { key: Key(0) } }).unwrap(),
        );
    }
    assert_eq!(node.write(1).unwrap(), Outcome::Ok(Reply::Done));
    assert_eq!(node.read(), holds(1));
}

#[test]
fn it_does_not_outlive_the_thread_that_started_it() {
    let place = Place::new();
    let parent = std::process::id().to_string();
    // Started without a shell in between: the parent must be this process.
    let mut command = Command::new(program());
    command.args(["node", "--id", "n1", "--parent", &parent]).stderr(Stdio::null());
    command.arg("--data").arg(place.path("data")).arg("--ready").arg(place.path("ready"));
    let (done, leave) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let child = command.spawn().unwrap();
        let _leave = leave.recv();
        child
    });
    soon(|| place.path("ready").exists().then_some(()));
    drop(done);
    let mut child = thread.join().unwrap();
    let end = soon(|| child.try_wait().unwrap());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&end), Some(9));

    let (code, log) = place.fail(&["--parent", "1"]);
    assert_eq!(code, 1);
    assert!(log.contains("process 1, which started this node, is gone"), "{log}");
}

#[test]
fn it_listens_where_it_is_told_or_says_why_not() {
    let taken = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = Place::new();
    let (code, log) = place.fail(&["--listen", "127.0.0.2", "--ports", &format!("0,{port},0")]);
    assert_eq!(code, 1);
    assert!(log.contains(&format!("cannot listen on 127.0.0.2:{port}")), "{log}");
    drop(taken);
    let place = Place::new();
    let args = ["--listen", "127.0.0.2", "--ports", &format!("0,{port},0")];
    let child = place.command("", &args).spawn().unwrap();
    let doors = soon(|| fs::read_to_string(place.path("ready")).ok()).parse().unwrap();
    let node = Node { child, doors };
    assert_eq!(node.doors.clients, SocketAddr::from(([127, 0, 0, 2], port)));
    soon(|| node.report().filter(|report| report.leads));
    assert_eq!(node.write(1).unwrap(), Outcome::Ok(Reply::Done));
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for (args, why) in [
        (&["--protocol", "chat"][..], "there is no protocol \"chat\""),
        (&["--flaw", "perfection"], "perfection"),
        (&["--peer", "n1=127.0.0.1:9"], "n1 is named twice"),
    ] {
        let (code, log) = Place::new().fail(args);
        assert!(code == 254 && log.contains(why), "{code}: {log}");
    }
}

#[test]
fn it_ends_when_nobody_asks_it_for_longer_than_its_lease() {
    let place = Place::new();
    let child = place.command("", &["--lease-ms", "400"]).spawn().unwrap();
    let doors = soon(|| fs::read_to_string(place.path("ready")).ok()).parse().unwrap();
    let node = Node { child, doors };
    for _ in 0..30 {
        assert!(node.report().is_some(), "whoever is asked lives");
        sleep(Duration::from_millis(30));
    }
    assert_eq!(node.exit_code(), Some(1));
    assert!(place.log().contains("nobody has asked for 400ms"), "{}", place.log());
}
