//! Agents that are killed, as they run on machines reached over SSH, but without the machines.

use crate::machine::{alone, wait_until};
use crate::machines::skip;
use agent::words::{Answer, Command as Line, Hello, Order, Request, Word};
use linux::cgroup::{self, Limit};
use linux::process::Process;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// An agent and its guard, as sshd starts them.
struct Bench {
    guard: Child,
    orders: ChildStdin,
    words: BufReader<ChildStdout>,
    agent: u32,
    home: PathBuf,
    last: u64,
}

fn guarded(place: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
    command.args(["agent", "--guard", "--lease", "60", "--home"]).arg(place.join("n1"));
    command.arg("--lock").arg(place.join("agent.lock"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

impl Bench {
    fn begin(place: &Path) -> Bench {
        let mut guard = guarded(place);
        let orders = guard.stdin.take().expect("it is piped");
        let words = BufReader::new(guard.stdout.take().expect("it is piped"));
        let mut bench = Bench { guard, orders, words, agent: 0, home: place.join("n1"), last: 0 };
        let Word::Hello(Hello { pid, .. }) = bench.hear() else { panic!("it does not say hello") };
        bench.agent = pid;
        bench
    }

    fn hear(&mut self) -> Word {
        let mut line = String::new();
        self.words.read_line(&mut line).expect("it speaks");
        serde_json::from_str(&line).unwrap_or_else(|why| panic!("{line:?}: {why}"))
    }

    fn ask(&mut self, request: Request) -> Result<Answer, String> {
        self.last += 1;
        let order = Order { id: self.last, request };
        let line = serde_json::to_string(&order).expect("an order is plain data");
        writeln!(self.orders, "{line}").expect("it listens");
        loop {
            match self.hear() {
                Word::Answer { id, answer } if id == self.last => return answer,
                _ => {}
            }
        }
    }

    /// Starts a node with a child that has hidden in a session of its own; both.
    fn start(&mut self) -> [Process; 2] {
        let script =
            "setsid sh -c 'echo $$ > child.new; mv child.new child; exec sleep 600' & exec sleep 600";
        let args = vec!["-c".to_owned(), script.to_owned()];
        let line = Line { program: "/bin/sh".to_owned(), args, env: Vec::new() };
        let child = self.home.join("child");
        // An earlier life may have left one.
        let _absent = fs::remove_file(&child);
        let Ok(Answer::Started(node)) = self.ask(Request::Start(line)) else { panic!("it does not start") };
        wait_until("its child has hidden", 10, || child.exists());
        let child = fs::read_to_string(child).expect("it is there").trim().parse().expect("a number");
        [node, child].map(|pid| Process::of(pid).expect("it lives"))
    }

    /// The control groups of this agent.
    fn groups(&self) -> Vec<PathBuf> {
        let ours = format!("-{}-", self.agent);
        let named = |group: &PathBuf| group.to_string_lossy().contains(&ours);
        cgroup::find("tribunal-agent-").into_iter().filter(named).collect()
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("there is /proc");
        mounts.contains(self.home.to_str().expect("temporary paths are text"))
    }

    fn must_be_clean(&mut self, processes: &[Process]) {
        wait_until("everybody is gone", 10, || processes.iter().all(|process| process.is_gone()));
        wait_until("no group and no mount is left", 10, || self.groups().is_empty() && !self.is_mounted());
        self.guard.wait().expect("it is our child");
    }
}

fn kill(pid: u32) {
    let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(killed.expect("there is kill").success());
}

/// Whether everything can be broken here that an agent could leave broken.
fn can(test: &str) -> bool {
    let froze = cgroup::can(&format!("tribunal-probe-{}", std::process::id()), Limit::Freeze);
    let why = linux::disk::can().and(froze).err();
    why.as_deref().map(|why| skip(test, why)).is_none()
}

#[test]
fn nothing_remains_of_an_agent_that_is_killed() {
    let _alone = alone();
    if !can("nothing_remains_of_an_agent_that_is_killed") {
        return;
    }
    let place = TempDir::new().expect("there is a temporary directory");
    let mut bench = Bench::begin(place.path());
    assert_eq!(bench.ask(Request::Mount), Ok(Answer::Done));
    let processes = bench.start();
    let press = Request::Press { pid: processes[0].pid, limit: Limit::Freeze };
    assert!(matches!(bench.ask(press), Ok(Answer::Pressure(reading)) if reading.frozen));
    assert!(bench.is_mounted() && bench.groups().len() == 1);
    kill(bench.agent);
    bench.must_be_clean(&processes);

    // Whoever is killed with its guard is found by the next.
    let mut bench = Bench::begin(place.path());
    assert_eq!(bench.ask(Request::Mount), Ok(Answer::Done));
    let [node, child] = bench.start();
    let press = Request::Press { pid: node.pid, limit: Limit::Freeze };
    assert!(bench.ask(press).is_ok());
    for pid in [bench.guard.id(), bench.agent] {
        kill(pid);
    }
    bench.guard.wait().expect("it is our child");
    let mut next = Bench::begin(place.path());
    assert_eq!(next.ask(Request::Wipe), Ok(Answer::Done));
    wait_until("the node is gone", 10, || node.is_gone());
    assert!(bench.groups().is_empty() && !bench.is_mounted());
    kill(child.pid);
    drop(next.orders);
    assert!(next.guard.wait().expect("it is our child").success(), "it ended well, and so does its guard");
}

#[test]
fn an_agent_without_its_guard_repairs_everything_and_ends() {
    let _alone = alone();
    if !can("an_agent_without_its_guard_repairs_everything_and_ends") {
        return;
    }
    let place = TempDir::new().expect("there is a temporary directory");
    let mut bench = Bench::begin(place.path());
    assert_eq!(bench.ask(Request::Mount), Ok(Answer::Done));
    let [node, child] = bench.start();
    let agent = Process::of(bench.agent).expect("it lives");
    kill(bench.guard.id());
    bench.must_be_clean(&[node, agent]);
    kill(child.pid);
}

#[test]
fn one_agent_at_a_time_is_at_work_even_after_it_was_killed() {
    let _alone = alone();
    let place = TempDir::new().expect("there is a temporary directory");
    let bench = Bench::begin(place.path());
    let second = guarded(place.path()).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("another agent holds"), "{said}");
    let Bench { mut guard, orders, .. } = bench;
    drop(orders);
    assert!(guard.wait().expect("it is our child").success());
}
