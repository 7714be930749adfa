//! Who cleans up after an agent that was killed.
//!
//! An agent repairs what it has broken, unless it is killed itself. Most of it the kernel undoes then, but not all: who is
//! frozen does not die, a mount stays when its file system is dead, and who descends from the node was never tied to
//! anybody. So an agent is not started by sshd but by a guard, a process of the same program in a session of its own, which
//! becomes the parent of whoever loses his (`PR_SET_CHILD_SUBREAPER`). When the agent has ended, however it did, the guard
//! removes what is left, and ends. Until then no other agent begins on this machine.

use crate::AgentArgs;
use crate::pressure::{self, fields};
use crate::{disk, service};
use linux::process::Process;
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, wait, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long whoever was killed may take to be gone.
const DYING: Duration = Duration::from_secs(5);

/// Starts an agent with these arguments, waits for its end and removes what it leaves.
///
/// # Errors
/// If another guard is at work on this machine, the agent cannot be started or fails, or something is left.
pub fn watch(args: &AgentArgs) -> Result<(), String> {
    let home = args.home.as_deref().ok_or("--home is missing")?;
    // Held until the end of this process, by whatever it ends. The agent's own lock ends with the agent.
    let _held = args.lock.as_deref().map(|lock| service::hold(&lock.with_extension("guard"))).transpose()?;
    // What ends the agent must not end its guard: nobody's terminal, nobody's process group.
    let _leader_already = setsid();
    let failed = |doing: &str, why: &dyn std::fmt::Display| format!("cannot {doing}: {why}");
    set_child_subreaper(true).map_err(|why| failed("become a guard", &why))?;
    let agent = start(args).map_err(|why| failed("start the agent", &why))?;
    let deaf = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT]);
    deaf.thread_block().map_err(|why| failed("become a guard", &why))?;
    hush().map_err(|why| failed("leave the line to the agent", &why))?;
    let end = loop {
        match wait() {
            Ok(end) if end.pid() == Some(agent) => break end,
            // Somebody whose parent had ended before.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(why) => return Err(failed("wait for the agent", &why)),
        }
    };
    clear(home)?;
    if end == WaitStatus::Exited(agent, 0) { Ok(()) } else { Err(format!("the agent ended: {end:?}")) }
}

fn start(args: &AgentArgs) -> io::Result<Pid> {
    let AgentArgs { stdio: _, guard: _, under: _, home, lock, spare, lease, tie: _, command: _ } = args;
    let mut agent = Command::new(std::env::current_exe()?);
    agent.args(["agent", "--stdio", "--under", &std::process::id().to_string()]);
    agent.args(["--lease", &lease.to_string()]);
    let paths = [("--home", home), ("--lock", lock)];
    for (name, path) in paths.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
        agent.arg(name).arg(path);
    }
    for address in spare {
        agent.args(["--spare", &address.to_string()]);
    }
    // Its guard waits for all its children at once.
    let child = agent.process_group(0).spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// The line to the controller is the agent's alone: who is at its other end shall hear when the agent ends.
fn hush() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    Ok(())
}

/// Removes what an agent has left that lived in `home`; nothing, if it has repaired everything itself.
fn clear(home: &Path) -> Result<(), String> {
    // Who is frozen does not even die.
    let thawed = pressure::sweep();
    let gone = bury();
    thawed.and(gone).and(disk::sweep(home))
}

/// Kills everybody who descended from the agent and was left without a parent.
fn bury() -> Result<(), String> {
    let deadline = Instant::now() + DYING;
    loop {
        // Who is killed here may leave children of his own.
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(end) if end != WaitStatus::StillAlive) {}
        let left = children();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("processes {left:?} do not end"));
        }
        for child in left {
            // They are our children and not reaped, so their numbers are theirs.
            let _gone = kill(child, Signal::SIGKILL);
        }
        sleep(Duration::from_millis(2));
    }
}

/// Our children that live.
fn children() -> Vec<Pid> {
    const PARENT: usize = 4 - 3;
    let ours = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let child = |pid: &String| fields(pid).is_some_and(|all| all.get(PARENT) == Some(&ours));
    let numbers = pids.filter(child).filter_map(|pid| pid.parse::<u32>().ok());
    numbers.filter(|pid| Process::of(*pid).is_some()).map(|pid| Pid::from_raw(pid.cast_signed())).collect()
}
