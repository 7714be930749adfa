//! Whether this machine has recovered from the runs before.

use cluster::HarnessError;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a warden may still be at work on what a killed run has left.
const SETTLING: Duration = Duration::from_secs(3);

/// Refuses to begin where something of a dead run is still left, after giving its warden a little time.
///
/// # Errors
/// If something is left, what it is and how to remove it; or if nobody can tell.
pub fn refuse(doing: &str, left: impl Fn() -> Result<Vec<String>, String>) -> Result<(), HarnessError> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let left = left().map_err(|why| HarnessError::new(doing, why))?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let why = format!(
                "this machine is still broken by a run that was killed, which left {}",
                left.join(", ")
            );
            return Err(
                HarnessError::new(doing, why).advise("`tribunal clean` undoes that, and nothing else.")
            );
        }
        sleep(Duration::from_millis(100));
    }
}

/// The mounts of ours whose file system is dead.
///
/// # Errors
/// If the kernel does not say.
pub fn dead_mounts() -> Result<Vec<String>, String> {
    let mounts = linux::disk::leftovers().map_err(|why| why.to_string())?;
    Ok(mounts.iter().map(|mount| format!("the mount {}", mount.display())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_goes_in_time_is_waited_for_and_what_stays_is_named() {
        let looks = Cell::new(0);
        let going = || {
            looks.set(looks.get() + 1);
            Ok(if looks.get() < 3 { vec!["a mount".to_owned()] } else { Vec::new() })
        };
        refuse("begin", going).unwrap();
        assert_eq!(looks.get(), 3);
        let stays = || Ok(vec!["a mount".to_owned(), "a network".to_owned()]);
        let error = refuse("begin", stays).unwrap_err().to_string();
        assert!(
            error.contains("which left a mount, a network") && error.contains("tribunal clean"),
            "{error}"
        );
        assert!(refuse("begin", || Err("no /proc".to_owned())).is_err());
    }
}
