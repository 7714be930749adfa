//! Whose a container is.

use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The label, and the first part of the name, of everything that is ours.
pub const LABEL: &str = "tribunal";

/// One cluster of one process. Its name tells whether that process still lives: what it left behind may be removed
/// when it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pid: u32,
    /// When the process began, in ticks since the machine did: numbers of processes are used again.
    birth: u64,
    number: u32,
}

impl Run {
    /// Another cluster of this process.
    ///
    /// # Errors
    /// If there is no `/proc`.
    pub fn begin() -> io::Result<Run> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let pid = std::process::id();
        let birth =
            birth(pid).ok_or_else(|| io::Error::other("/proc does not say when this process began"))?;
        Ok(Run { pid, birth, number: NUMBER.fetch_add(1, Ordering::Relaxed) })
    }

    /// The cluster that something with this name belongs to, if it is one of ours.
    pub fn of(name: &str) -> Option<Run> {
        // Some engines put where it was made before an image's name.
        let name = name.rsplit('/').next()?.strip_prefix(LABEL)?.strip_prefix('-')?;
        let mut parts = name.splitn(4, '-');
        let mut part = || parts.next()?.parse().ok();
        Some(Run { pid: u32::try_from(part()?).ok()?, birth: part()?, number: u32::try_from(part()?).ok()? })
    }

    /// Whether the process that it belongs to has ended.
    pub fn is_over(self) -> bool {
        birth(self.pid) != Some(self.birth)
    }

    /// Where a search for a free network begins.
    pub fn luck(self) -> u32 {
        self.pid.wrapping_add(self.number)
    }

    /// The name of a part of it.
    pub fn part(self, what: impl fmt::Display) -> String {
        format!("{self}-{what}")
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL}-{}-{}-{}", self.pid, self.birth, self.number)
    }
}

/// When a process began; `None` if there is none with this number.
fn birth(pid: u32) -> Option<u64> {
    const FIELD: usize = 22;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may contain anything.
    let rest = stat.rsplit_once(')')?.1;
    u64::from_str(rest.split_whitespace().nth(FIELD - 3)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whose_it_is() {
        let run = Run::begin().unwrap();
        assert_ne!(run, Run::begin().unwrap());
        for name in [run.to_string(), run.part("n1"), format!("localhost/{run}")] {
            assert_eq!(Run::of(&name), Some(run), "{name}");
        }
        for name in ["tribunal", "tribunal-1-2", "tribunal-a-b-c", "mytribunal-1-2-3", "postgres"] {
            assert_eq!(Run::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_run_is_over_when_its_process_is() {
        let run = Run::begin().unwrap();
        assert!(!run.is_over());
        assert!(Run { birth: run.birth + 1, ..run }.is_over(), "another process has its number now");
        assert!(Run { pid: u32::MAX, ..run }.is_over());
    }
}
