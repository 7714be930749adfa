//! The container engine, by its command line.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// An engine that takes longer than this for anything is out of order.
const PATIENCE: Duration = Duration::from_secs(60);

/// The container engine, by its command line: `docker`, or one that takes the same arguments.
#[derive(Debug, Clone)]
pub struct Engine {
    command: String,
}

impl Engine {
    /// The engine with this command.
    pub fn new(command: &str) -> Engine {
        Engine { command: command.to_owned() }
    }

    /// Its command.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Whether there is an engine that we can break things in.
    ///
    /// # Errors
    /// If not: why, and what to do about it.
    pub fn can(&self) -> Result<(), String> {
        let version = self.ask(&["version", "--format", "{{.Server.Version}}"]);
        version.map_err(|why| {
            let command = &self.command;
            format!("{why}; start the engine (dockerd) or say which command to use, as in --docker-command {command}")
        })?;
        if nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        Err("the networks of containers can be broken by root only; run this as root (sudo)".to_owned())
    }

    /// Gives it a command; what it answers.
    ///
    /// # Errors
    /// With the last line of its complaint, or that it does not answer.
    pub fn ask(&self, args: &[&str]) -> Result<String, String> {
        self.feed(args, io::empty())
    }

    /// Gives it a command and something to read; what it answers.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub fn feed(&self, args: &[&str], mut input: impl Read + Send + 'static) -> Result<String, String> {
        let doing =
            format!("{} {}", self.command, args.iter().take(2).copied().collect::<Vec<_>>().join(" "));
        let mut command = Command::new(&self.command);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|why| format!("{doing}: {why}"))?;
        let (pid, (tell, told)) = (Pid::from_raw(child.id().cast_signed()), channel());
        thread::spawn(move || {
            // If it does not want to read, it says why in its own words.
            let _unread = child.stdin.take().map(|mut stdin| io::copy(&mut input, &mut stdin));
            let _unheard = tell.send(child.wait_with_output());
        });
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(output)) => answer(&output).map_err(|why| format!("{doing}: {why}")),
            Ok(Err(why)) => Err(format!("{doing}: {why}")),
            Err(RecvTimeoutError::Timeout) => {
                // The thread above has not reaped it yet, so the number is still its own.
                let _gone = kill(pid, Signal::SIGKILL);
                Err(format!("{doing}: no answer within {} s", PATIENCE.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(format!("{doing}: nobody waits for the answer")),
        }
    }
}

fn answer(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let complaint = text(&output.stderr);
    Err(complaint.lines().last().map_or_else(|| output.status.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_answers_or_says_why_not() {
        assert_eq!(Engine::new("echo").ask(&["a", "b"]).unwrap(), "a b");
        assert_eq!(Engine::new("cat").feed(&[], &b"fed"[..]).unwrap(), "fed");
        let why = Engine::new("ls").ask(&["/no/such/file"]).unwrap_err();
        assert!(why.starts_with("ls /no/such/file: ls:"), "{why}");
        let why = Engine::new("no-such-engine").can().unwrap_err();
        assert!(why.contains("no-such-engine version") && why.contains("start the engine"), "{why}");
    }
}
