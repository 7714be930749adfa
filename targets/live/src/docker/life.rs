//! One life of a container.

use super::engine::Engine;
use crate::hosts::Offspring;
use crate::process;
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a container may take to be born.
const BIRTH: Duration = Duration::from_secs(20);
/// A command that ran a container ends with this much more than the number of the signal that ended it.
const BY_SIGNAL: i32 = 128;

/// A container that runs.
#[derive(Debug)]
pub struct Container {
    /// Its first process, by its number here.
    pid: Pid,
    /// The command that runs it, and ends with it.
    client: Child,
}

impl Container {
    /// Runs a container by this command, and waits until it has a process.
    ///
    /// # Errors
    /// If the command ends first, or it takes too long, or whoever is to `welcome` its first process does not.
    pub fn run(
        engine: &Engine,
        name: &str,
        mut command: Command,
        welcome: impl FnOnce(u32) -> io::Result<()>,
    ) -> io::Result<Container> {
        let mut client = command.spawn()?;
        let born = born(engine, name, &mut client);
        match born.and_then(|pid| welcome(pid).map(|()| pid)) {
            Ok(pid) => Ok(Container { pid: Pid::from_raw(pid.cast_signed()), client }),
            Err(why) => {
                let _ended = client.kill().and_then(|()| client.wait());
                Err(why)
            }
        }
    }

    /// The command that runs it.
    pub fn client(&self) -> Pid {
        Offspring::pid(&self.client)
    }
}

fn born(engine: &Engine, name: &str, client: &mut Child) -> io::Result<u32> {
    let deadline = Instant::now() + BIRTH;
    let query = ["inspect", "--format", "{{.State.Pid}}", name];
    loop {
        if let Some(end) = client.try_wait()? {
            return Err(io::Error::other(format!(
                "its container ended at once ({end}); the node's log says why"
            )));
        }
        // Until there is such a container, that is what the engine complains about.
        let pid = engine.ask(&query).ok().and_then(|pid| pid.parse().ok());
        if let Some(pid) = pid.filter(|pid| *pid != 0) {
            return Ok(pid);
        }
        if Instant::now() >= deadline {
            let why = format!("the container was not born within {} s", BIRTH.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        sleep(Duration::from_millis(10));
    }
}

impl Offspring for Container {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn await_end(&self) -> io::Result<()> {
        Ok(process::await_end(self.client())?)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let end = self.client.wait()?;
        let signal = end.code().map(|code| code - BY_SIGNAL).filter(|signal| (1..=64).contains(signal));
        Ok(signal.map_or(end, ExitStatus::from_raw))
    }
}
