//! The machine that the tests run on: one heavy test at a time, and a look at what is left on it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static MACHINE: Mutex<()> = Mutex::new(());

/// The machine for one test alone: real clusters need their processors, and so does a sweep of many seeds.
pub fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program under test.
pub fn tribunal(args: &[&str], store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
    command.args(args).env("TRIBUNAL_STORE", store).env_remove("RUST_LOG");
    command
}

/// Runs it to its end.
pub fn run(args: &[&str], store: &Path) -> Ended {
    Ended::of(tribunal(args, store).output().expect("the program starts"))
}

/// How it ended.
pub struct Ended {
    /// The exit code, if it was not killed.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// What a finished process left.
    pub fn of(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Everything it said, for complaints.
    pub fn said(&self) -> String {
        format!("exit {:?}\n{}{}", self.code, self.out, self.err)
    }
}

/// The command lines of nodes that mention `path`: they name their data directory.
pub fn processes_of(path: &Path) -> Vec<String> {
    processes_with(path, " node ")
}

/// The command lines of processes that mention `path`, and have these words.
pub fn processes_with(path: &Path, words: &str) -> Vec<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = path.to_str().expect("temporary paths are text");
    let processes = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let line = |process: std::fs::DirEntry| {
        process.file_name().to_str()?.parse::<u32>().ok()?;
        // The line of a zombie is empty: it is gone.
        let line =
            String::from_utf8_lossy(&std::fs::read(process.path().join("cmdline")).ok()?).replace('\0', " ");
        (line.contains(path) && line.contains(words)).then_some(line)
    };
    processes.filter_map(line).collect()
}

/// Waits until `done`, or panics with `what` after so many seconds.
pub fn wait_until(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(seconds);
    while !done() {
        assert!(Instant::now() < limit, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
