//! Whether all this works here.

use super::lab::Lab;
use super::namespace::unshare;
use super::policy::Policy;
use super::user;
use std::thread;
use std::time::Duration;

/// Whether networks of machines can be made and broken here, found out by doing it on a small scale: two
/// machines, a cut, an impairment. Takes about ten milliseconds, and leaves nothing.
///
/// # Errors
/// If not: why, and what to do about it.
pub fn can() -> Result<(), String> {
    if !user::is_privileged() {
        return Err(format!("this process may not make namespaces; {}", user::advice()));
    }
    attempt().map_err(|why| format!("{why}; {}", user::advice()))
}

fn attempt() -> Result<(), String> {
    let machine = || unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWPID);
    let machine = thread::scope(|scope| scope.spawn(machine).join());
    let machine = machine.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    machine.map_err(|error| format!("cannot make a machine of its own: {error}"))?;

    let refused = |refused: super::Refused| refused.to_string();
    let mut lab = Lab::build(2, 0).map_err(refused)?;
    let there = [(0, 1)];
    lab.cut(&there).map_err(refused)?;
    lab.probe(&there);
    let swallowed = lab.counts(&there).map_err(refused)?;
    if swallowed.iter().all(|counts| counts.dropped == 0) {
        return Err("this kernel accepts our packet filter and then does not use it".to_owned());
    }
    lab.mend(&there).map_err(refused)?;
    lab.impair(&there, Policy { delay: Duration::from_millis(1), ..Policy::default() }).map_err(refused)?;
    lab.impair(&there, Policy::default()).map_err(refused)
}
