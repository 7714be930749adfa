//! Who cleans up after a controller that was killed.
//!
//! Most of what a cluster is made of dies with its controller, because the kernel ties it to it: nodes, namespaces,
//! packet filters. Some things do not: a mount whose file system is dead, what a container engine keeps, and what was done
//! to containers of somebody else. For these a small process of the same program waits in a session of its own, at the end of a pipe whose other end
//! only the controller holds. When the pipe ends without a word, it waits until the controller is gone and removes
//! what belonged to it.
//!
//! It needs no list of what was made. What is ours has a name that says whose it is before it is there: mounts our
//! source and a place below the run's directory, containers and control groups the number and the birth of the
//! controller's process. So has the book of what is owed to containers of others (`docker/debts.rs`).

use crate::docker::{self, Engine};
use crate::pressures;
use cluster::HarnessError;
use linux::process::Process;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;
use std::fs;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the controller says when there is nothing to be done.
const FAREWELL: u8 = b'.';
/// What the warden says when it is ready.
const READY: u8 = b'!';
/// How often it looks.
const GLANCE: Duration = Duration::from_millis(50);
/// Orders of a controller that was killed may still be under way, so it looks until it has found nothing for this
/// long.
const QUIET: Duration = Duration::from_secs(1);
/// After this it gives up, and says so in the run's directory.
const LIMIT: Duration = Duration::from_secs(10);
/// Where it says so.
const LOG: &str = "warden.log";

/// The warden of this process, waiting.
#[derive(Debug)]
pub struct Warden {
    child: Child,
    line: Option<PipeWriter>,
}

impl Warden {
    /// Starts a warden by this command, which must come to [`watch`], and waits until it watches.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Result<Warden, HarnessError> {
        let failed =
            |why: io::Error| HarnessError::new("start the warden, who cleans up if this is killed", why);
        let (heard, line) = pipe().map_err(failed)?;
        let (mut ready, says) = pipe().map_err(failed)?;
        // It must keep no directory busy.
        command.current_dir("/").stdin(heard).stdout(says).stderr(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        // With the command its copies of our ends go.
        drop(command);
        let warden = Warden { child, line: Some(line) };
        let mut said = [0];
        ready.read_exact(&mut said).map_err(failed)?;
        Ok(warden)
    }

    /// Sends it away: nothing is left to be removed.
    pub fn dismiss(mut self) {
        if let Some(mut line) = self.line.take() {
            // If it is gone, it is gone.
            let _gone = line.write_all(&[FAREWELL]);
        }
        let _reaped = self.child.wait();
    }
}

/// What a warden watches over.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The process of the controller.
    pub controller: u32,
    /// The run's directory.
    pub directory: PathBuf,
    /// The container engine's command, if containers are made.
    pub engine: Option<String>,
}

/// Waits for the end of the controller, and removes what it leaves behind.
///
/// # Errors
/// If something is left: what. It is also written into the run's directory.
pub fn watch(watch: &Watch) -> Result<(), String> {
    // What ends the controller must not end its warden: nobody's terminal, nobody's process group.
    let _leader_already = setsid();
    let deaf = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT]);
    deaf.thread_block().map_err(|why| why.to_string())?;
    let owner = Process::of(watch.controller).ok_or("there is no such controller")?;
    // If nobody hears it the controller is gone already.
    let _unheard = io::stdout().write_all(&[READY]).and_then(|()| io::stdout().flush());
    if farewell(&mut io::stdin().lock()) {
        return Ok(());
    }
    while !owner.is_gone() {
        sleep(GLANCE);
    }
    let done = clear(watch, owner);
    if let Err(left) = &done {
        let said =
            format!("the run was killed, and this could not be removed: {left}; try `tribunal clean`\n");
        let _nobody_reads_it = fs::write(watch.directory.join(LOG), said);
    }
    done
}

/// Whether the other side says goodbye before it ends.
fn farewell(line: &mut impl Read) -> bool {
    let mut said = [0];
    matches!(line.read(&mut said), Ok(1) if said[0] == FAREWELL)
}

fn clear(watch: &Watch, owner: Process) -> Result<(), String> {
    let begin = Instant::now();
    let (mut quiet, mut left) = (begin, Ok(()));
    while quiet.elapsed() < QUIET {
        let removed = remove(watch, owner);
        if !matches!(removed, Ok(0)) {
            quiet = Instant::now();
        }
        left = removed.map(drop);
        if begin.elapsed() >= LIMIT {
            break;
        }
        sleep(GLANCE);
    }
    left
}

/// Removes everything that was the owner's, and undoes what it owes to others; how many things that were.
fn remove(watch: &Watch, owner: Process) -> Result<usize, String> {
    let mounts = mounts(&watch.directory);
    // Who is frozen in a group of ours has not even died.
    let groups: Result<Vec<PathBuf>, _> = pressures::remove(|run| run.owner() == owner).into_iter().collect();
    let debts: Result<Vec<String>, _> = docker::settle_for(|run| run.owner() == owner).into_iter().collect();
    let things = watch
        .engine
        .as_ref()
        .map_or(Ok(Vec::new()), |command| docker::remove(&Engine::new(command), |run| run.owner() == owner));
    Ok(mounts? + groups.map_err(|why| why.to_string())?.len() + debts?.len() + things?.len())
}

fn mounts(directory: &Path) -> Result<usize, String> {
    let dead = linux::disk::leftovers().map_err(|why| why.to_string())?;
    let ours: Vec<PathBuf> = dead.into_iter().filter(|mount| mount.starts_with(directory)).collect();
    ours.iter().try_for_each(|mount| linux::disk::clean(mount)).map_err(|why| why.to_string())?;
    Ok(ours.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farewell_is_told_from_an_end() {
        assert!(farewell(&mut &b"."[..]));
        assert!(!farewell(&mut &b""[..]) && !farewell(&mut &b"x"[..]));
    }

    #[test]
    fn a_warden_that_cannot_be_started_is_missed() {
        let error = Warden::start(Command::new("/no/such/program")).unwrap_err().to_string();
        assert!(error.contains("start the warden"), "{error}");
        let error = Warden::start(Command::new("true")).unwrap_err().to_string();
        assert!(error.contains("start the warden"), "{error}");
    }

    #[test]
    fn nobody_watches_over_who_is_not_there() {
        assert_eq!(Process::of(u32::MAX), None);
        assert!(!Process::of(std::process::id()).unwrap().is_gone());
    }
}
