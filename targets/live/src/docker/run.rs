//! Whose a container is.

use linux::process::Process;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// The label, and the first part of the name, of everything that is ours.
pub const LABEL: &str = "tribunal";

/// One cluster of one process. Its name tells whether that process still lives: what it left behind may be removed
/// when it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    owner: Process,
    number: u32,
}

impl Run {
    /// Another cluster of this process.
    ///
    /// # Errors
    /// If there is no `/proc`.
    pub fn begin() -> io::Result<Run> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let owner = Process::of(std::process::id())
            .ok_or_else(|| io::Error::other("/proc does not say when this process began"))?;
        Ok(Run { owner, number: NUMBER.fetch_add(1, Ordering::Relaxed) })
    }

    /// The cluster that something with this name belongs to, if it is one of ours.
    pub fn of(name: &str) -> Option<Run> {
        // Some engines put where it was made before an image's name.
        let name = name.rsplit('/').next()?.strip_prefix(LABEL)?.strip_prefix('-')?;
        let mut parts = name.splitn(4, '-');
        let mut part = || parts.next()?.parse().ok();
        let owner = Process { pid: u32::try_from(part()?).ok()?, birth: part()? };
        Some(Run { owner, number: u32::try_from(part()?).ok()? })
    }

    /// Whose it is.
    pub fn owner(self) -> Process {
        self.owner
    }

    /// Whether the process that it belongs to has ended.
    pub fn is_over(self) -> bool {
        self.owner.is_gone()
    }

    /// Where a search for a free network begins.
    pub fn luck(self) -> u32 {
        self.owner.pid.wrapping_add(self.number)
    }

    /// The name of a part of it.
    pub fn part(self, what: impl fmt::Display) -> String {
        format!("{self}-{what}")
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL}-{}-{}-{}", self.owner.pid, self.owner.birth, self.number)
    }
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
        let owner = run.owner();
        let successor = Process { birth: owner.birth + 1, ..owner };
        assert!(Run { owner: successor, ..run }.is_over(), "another process has its number now");
    }
}
