//! Processes that things belong to which do not end with them, and processes that end with others.
#![expect(unsafe_code, reason = "prctl(2) between fork(2) and execve(2)")]

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::str::FromStr;

/// A process, not to be mistaken for another that gets its number later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it began, in ticks since the machine did.
    pub birth: u64,
}

impl Process {
    /// The process with this number; `None` if there is none that lives.
    pub fn of(pid: u32) -> Option<Process> {
        birth(pid).map(|birth| Process { pid, birth })
    }

    /// Whether it has ended.
    pub fn is_gone(self) -> bool {
        birth(self.pid) != Some(self.birth)
    }
}

/// The number of the namespace in which processes have the numbers that we know; zero if the kernel does not say.
pub fn world() -> u64 {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Lets what this command becomes be killed when the thread that starts it ends, whatever ends it.
pub fn tie(command: &mut Command) {
    let parent = std::process::id();
    let die_with_parent = move || {
        // SAFETY: both calls have no memory arguments.
        let (asked, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
        match asked {
            0 if now.cast_unsigned() == parent => Ok(()),
            // It died before we asked.
            0 => Err(io::Error::from_raw_os_error(libc::ESRCH)),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: it takes no lock and no memory, which another thread may have held when this process was forked.
    unsafe { command.pre_exec(die_with_parent) };
}

/// When a process began; `None` if there is none with this number, or it is dead and only not reaped yet.
fn birth(pid: u32) -> Option<u64> {
    const STATE: usize = 3;
    const BIRTH: usize = 22;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X");
    if dead { None } else { u64::from_str(fields.nth(BIRTH - STATE - 1)?).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_with_its_number_is_not_the_process() {
        let process = Process::of(std::process::id()).unwrap();
        assert!(!process.is_gone() && world() != 0);
        assert!(Process { birth: process.birth + 1, ..process }.is_gone());
        assert_eq!(Process::of(u32::MAX), None);
    }

    #[test]
    fn who_is_tied_ends_with_the_thread_that_started_it() {
        let thread = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            tie(&mut command);
            command.arg("60").spawn().unwrap()
        });
        let mut child = thread.join().unwrap();
        let end = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&end), Some(libc::SIGKILL));
    }

    #[test]
    fn who_is_dead_and_not_reaped_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(!process.is_gone());
        child.kill().unwrap();
        while !process.is_gone() {
            std::thread::yield_now();
        }
        assert_eq!(Process::of(child.id()), None);
        child.wait().unwrap();
    }
}
