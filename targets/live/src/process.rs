//! What the kernel says about a process.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::fs;

/// Waits until a child has ended, and leaves it unreaped: until it is, its number cannot become another's.
///
/// # Errors
/// If it is no child of ours.
pub fn await_end(pid: Pid) -> Result<(), Errno> {
    loop {
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// Sends a signal to the group that this process leads.
///
/// # Errors
/// If the kernel refuses.
pub fn signal(pid: Pid, signal: Signal) -> Result<(), Errno> {
    killpg(pid, signal)
}

/// Whether every thread of a process is stopped; `None` if there is no such process.
pub fn is_stopped(pid: Pid) -> Option<bool> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let states =
        threads.filter_map(|thread| state(&fs::read_to_string(thread.ok()?.path().join("stat")).ok()?));
    let states: Vec<char> = states.collect();
    (!states.is_empty()).then(|| states.iter().all(|state| *state == 'T'))
}

/// The third field of /proc/…/stat. The second is a name in parentheses, which may contain anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_state() {
        assert_eq!(state("12 (a) T (b)) S 1 12"), Some('S'));
        assert_eq!(state("12 (node) T 1 12"), Some('T'));
        assert_eq!(state("nonsense"), None);
    }

    #[test]
    fn this_process_is_not_stopped_and_nobody_has_the_largest_number() {
        assert_eq!(is_stopped(Pid::this()), Some(false));
        assert_eq!(is_stopped(Pid::from_raw(i32::MAX)), None);
    }
}
