//! What the kernel says about a process.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::Duration;

/// Waits until a child has ended, and leaves it unreaped: until it is, its number cannot become another's.
///
/// # Errors
/// If it is no child of ours.
pub fn await_end(pid: Pid) -> Result<(), Errno> {
    loop {
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            // It is merely traced for a moment, by us.
            Ok(WaitStatus::PtraceEvent(..) | WaitStatus::PtraceSyscall(_) | WaitStatus::Stopped(..)) => {
                thread::sleep(Duration::from_millis(1));
            }
            other => return other.map(|_| ()),
        }
    }
}

/// Sends a signal to a process, its group and everyone who descends from it, wherever they have hidden.
///
/// # Errors
/// If the kernel refuses.
pub fn signal(pid: Pid, signal: Signal) -> Result<(), Errno> {
    let mut reached = BTreeSet::new();
    // Whoever was born while we looked is found the next time.
    loop {
        let fresh: Vec<Pid> = tree(pid).into_iter().filter(|member| reached.insert(*member)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        for member in fresh {
            match kill(member, signal) {
                // It ended by itself meanwhile.
                Err(Errno::ESRCH) if member != pid => {}
                other => other?,
            }
        }
    }
}

/// A process and everyone who descends from it, itself first.
pub fn tree(pid: Pid) -> Vec<Pid> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw);
        let parent = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parent);
        if let (Some(number), Some(parent)) = (number, parent) {
            children.entry(parent).or_default().push(number);
        }
    }
    let (mut tree, mut next) = (vec![pid], 0);
    while let Some(member) = tree.get(next) {
        tree.extend(children.remove(member).unwrap_or_default());
        next += 1;
    }
    tree
}

/// Whether every thread of a process and of everyone who descends from it is stopped; `None` if there is no such
/// process.
pub fn is_stopped(pid: Pid) -> Option<bool> {
    let states: Vec<Vec<char>> = tree(pid).into_iter().map(states).collect();
    (!states[0].is_empty()).then(|| states.iter().flatten().all(|state| *state == 'T'))
}

/// The state of every thread of a process.
fn states(pid: Pid) -> Vec<char> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| state(&fs::read_to_string(thread.path().join("stat")).ok()?)).collect()
}

/// The third field of /proc/…/stat.
fn state(stat: &str) -> Option<char> {
    fields(stat)?.next()?.chars().next()
}

/// The fourth.
fn parent(stat: &str) -> Option<Pid> {
    fields(stat)?.nth(1)?.parse().ok().map(Pid::from_raw)
}

/// Its fields from the third. The second is a name in parentheses, which may contain anything.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_state() {
        assert_eq!(state("12 (a) T (b)) S 1 12"), Some('S'));
        assert_eq!(state("12 (node) T 1 12"), Some('T'));
        assert_eq!(state("nonsense"), None);
        assert_eq!(parent("12 (a) T (b)) S 1 12"), Some(Pid::from_raw(1)));
    }

    #[test]
    fn this_process_is_not_stopped_and_nobody_has_the_largest_number() {
        assert_eq!(is_stopped(Pid::this()), Some(false));
        assert_eq!(is_stopped(Pid::from_raw(i32::MAX)), None);
    }
}
