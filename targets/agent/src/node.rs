//! The node of this machine: its directory and its process.

use crate::words::{Command as Line, End, Standing, State};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to obey a signal. Orders wait for it, and the lease with them.
const OBEYING: Duration = Duration::from_secs(2);
/// The longest piece of a log in one answer.
const PIECE: u64 = 64 << 10;

/// The node of this machine.
#[derive(Debug)]
pub struct Node {
    home: PathBuf,
    child: Option<Child>,
    last: u32,
    /// Ends that nobody was told of yet.
    ends: Vec<End>,
}

impl Node {
    /// A node that was never started and lives in this directory.
    pub fn new(home: PathBuf) -> Node {
        Node { home, child: None, last: 0, ends: Vec::new() }
    }

    /// Starts its process, which dies when this one does. `myself` is our own program.
    ///
    /// # Errors
    /// If it runs already, or cannot be started.
    pub fn start(&mut self, myself: &Path, line: &Line) -> Result<u32, String> {
        self.look();
        if let Some(child) = &self.child {
            return Err(format!("it runs already, as process {}", child.id()));
        }
        let spawned = self.spawn(myself, line);
        let child = spawned.map_err(|why| format!("{}: {why}", line.program))?;
        let pid = child.id();
        (self.child, self.last) = (Some(child), pid);
        Ok(pid)
    }

    fn spawn(&self, myself: &Path, line: &Line) -> io::Result<Child> {
        fs::create_dir_all(self.home.join("data"))?;
        match fs::remove_file(self.ready()) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(myself);
        command.args(["agent", "--tie", &std::process::id().to_string(), "--", &line.program]);
        command.args(&line.args).envs(line.env.iter().cloned()).current_dir(&self.home).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
    }

    fn ready(&self) -> PathBuf {
        self.home.join("ready")
    }

    fn log(&self) -> PathBuf {
        self.home.join("node.log")
    }

    /// What its ready file says.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub fn is_ready(&self) -> Result<Option<String>, String> {
        match fs::read_to_string(self.ready()) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(format!("{}: {why}", self.ready().display())),
        }
    }

    /// Kills its process group and waits until its process is gone.
    ///
    /// # Errors
    /// If it does not go in time, or the kernel refuses.
    pub fn kill(&mut self) -> Result<Standing, String> {
        self.look();
        if self.child.is_some() {
            self.signal(Signal::SIGKILL)?;
        }
        self.until(State::Gone)
    }

    /// Asks its process group to end; how it stands then.
    ///
    /// # Errors
    /// If it has no process, or the kernel refuses.
    pub fn terminate(&mut self) -> Result<Standing, String> {
        self.look();
        if self.child.is_none() {
            return Err("it has no process".to_owned());
        }
        self.signal(Signal::SIGTERM)?;
        Ok(self.stands())
    }

    /// Stops or continues its process group and waits until the kernel says so.
    ///
    /// # Errors
    /// If it has no process, or the process does not obey in time.
    pub fn hold(&mut self, stopped: bool) -> Result<Standing, String> {
        self.look();
        if self.child.is_none() {
            return Err("it has no process".to_owned());
        }
        let (signal, state) =
            if stopped { (Signal::SIGSTOP, State::Stopped) } else { (Signal::SIGCONT, State::Runs) };
        self.signal(signal)?;
        self.until(state)
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        let Some(child) = &self.child else { return Ok(()) };
        // It leads its group, and its number is not another's as long as we have not reaped it.
        match killpg(Pid::from_raw(child.id().cast_signed()), signal) {
            // Its group is there only after it has called setpgid, which it does before anything else.
            Err(Errno::ESRCH) | Ok(()) => Ok(()),
            Err(why) => Err(format!("cannot send {signal} to process {}: {why}", child.id())),
        }
    }

    fn until(&mut self, wanted: State) -> Result<Standing, String> {
        let deadline = Instant::now() + OBEYING;
        loop {
            let standing = self.stands();
            if standing.state == wanted {
                return Ok(standing);
            }
            if Instant::now() >= deadline || standing.state == State::Gone {
                let Standing { pid, state } = standing;
                return Err(format!("process {pid} is {state:?}, not {wanted:?}"));
            }
            sleep(Duration::from_millis(2));
        }
    }

    /// How its process stands now.
    pub fn stands(&mut self) -> Standing {
        self.look();
        let state = match &self.child {
            None => State::Gone,
            Some(child) if is_stopped(child.id()) => State::Stopped,
            Some(_) => State::Runs,
        };
        Standing { pid: self.last, state }
    }

    /// The number of its process, which must still be this one.
    ///
    /// # Errors
    /// If it is gone.
    pub fn program(&mut self, pid: u32) -> Result<i32, String> {
        self.look();
        let running = self.child.as_ref().filter(|child| child.id() == pid);
        running.map(|child| child.id().cast_signed()).ok_or_else(|| format!("process {pid} is gone"))
    }

    /// For whatever must not happen while it runs.
    ///
    /// # Errors
    /// If it does.
    pub fn must_be_down(&mut self) -> Result<(), String> {
        let Standing { pid, state } = self.stands();
        if state == State::Gone { Ok(()) } else { Err(format!("it still runs, as process {pid}")) }
    }

    /// Reaps its process if it has ended.
    fn look(&mut self) {
        let Some(child) = &mut self.child else { return };
        let pid = child.id();
        let status = match child.try_wait() {
            Ok(None) => return,
            Ok(Some(status)) => Some(status.into_raw()),
            Err(_) => None,
        };
        self.child = None;
        self.ends.push(End { pid, status });
    }

    /// The ends of processes that nobody was told of yet.
    pub fn ends(&mut self) -> Vec<End> {
        self.look();
        std::mem::take(&mut self.ends)
    }

    /// A piece of its log from this byte on, and where the next begins.
    ///
    /// # Errors
    /// If there is a log that cannot be read.
    pub fn log_from(&self, begin: u64) -> Result<(String, u64), String> {
        let mut bytes = Vec::new();
        let read = File::open(self.log()).and_then(|mut log| {
            log.seek(SeekFrom::Start(begin))?;
            log.take(PIECE).read_to_end(&mut bytes)
        });
        match read {
            Ok(length) => Ok((String::from_utf8_lossy(&bytes).into_owned(), begin + length as u64)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok((String::new(), begin)),
            Err(why) => Err(format!("{}: {why}", self.log().display())),
        }
    }

    /// Removes its directory. It must not run.
    ///
    /// # Errors
    /// If it runs, or something cannot be removed.
    pub fn wipe(&mut self) -> Result<(), String> {
        self.must_be_down()?;
        match fs::remove_dir_all(&self.home) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                Err(format!("{}: {why}", self.home.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether every thread of a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    let states: Vec<Option<char>> = stats.map(|stat| state(&stat)).collect();
    !states.is_empty() && states.iter().all(|state| *state == Some('T'))
}

/// The third field of /proc/…/stat. The second is a name in parentheses, which may contain anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for our own program: `agent --tie PID -- PROGRAM ARGS`.
    fn myself(directory: &Path) -> PathBuf {
        let path = directory.join("myself");
        fs::write(&path, "#!/bin/sh\nshift 4\nexec \"$@\"\n").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn shell(script: &str) -> Line {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Line { program: "/bin/sh".to_owned(), args, env: vec![("GREETING".to_owned(), "hello".to_owned())] }
    }

    #[test]
    fn a_node_is_started_held_released_and_killed_and_the_kernel_agrees() {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Node::new(directory.path().join("n1"));
        let line = shell("echo $GREETING; echo there > ready; exec sleep 60");
        let pid = node.start(&myself(directory.path()), &line).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while node.is_ready().unwrap().is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(node.is_ready().unwrap().as_deref(), Some("there\n"));
        assert_eq!(node.stands(), Standing { pid, state: State::Runs });
        assert!(node.start(Path::new("/bin/true"), &line).unwrap_err().contains("runs already"));
        assert_eq!(node.hold(true).unwrap().state, State::Stopped);
        assert_eq!(node.hold(false).unwrap().state, State::Runs);
        assert!(node.wipe().is_err(), "it still runs");
        assert_eq!(node.kill().unwrap(), Standing { pid, state: State::Gone });
        let ends = node.ends();
        assert_eq!(ends, [End { pid, status: Some(Signal::SIGKILL as i32) }]);
        assert!(node.program(pid).is_err(), "it is gone");
        assert_eq!(node.log_from(0).unwrap(), ("hello\n".to_owned(), 6));
        node.wipe().unwrap();
        assert!(!directory.path().join("n1").exists());
    }

    #[test]
    fn who_is_asked_to_end_may_do_what_is_left_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Node::new(directory.path().join("n1"));
        let script = "trap 'echo goodbye; exit 0' TERM; touch ready; while :; do :; done";
        node.start(&myself(directory.path()), &shell(script)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while node.is_ready().unwrap().is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        node.terminate().unwrap();
        while node.stands().state != State::Gone && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(node.ends().iter().map(|end| end.status).collect::<Vec<_>>(), [Some(0)]);
        assert_eq!(node.log_from(0).unwrap().0, "goodbye\n");
        assert!(node.terminate().unwrap_err().contains("no process"));
    }

    #[test]
    fn a_death_of_its_own_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Node::new(directory.path().join("n1"));
        node.start(&myself(directory.path()), &shell("echo alas; exit 3")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while node.stands().state != State::Gone && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        let ends = node.ends();
        assert!(ends.len() == 1 && ends[0].status == Some(3 << 8), "{ends:?}");
        assert_eq!(node.log_from(0).unwrap().0, "alas\n");
        assert!(node.hold(true).is_err());
    }
}
