//! Becoming a program that dies with its parent.
//!
//! The wish to die with one's parent survives `exec`, so any program can be tied to the agent's life without
//! knowing of it.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Becomes `command`, whose life ends with its parent's.
///
/// # Errors
/// If the parent is not `parent` any more, or there is no such program. It does not return otherwise.
pub fn become_tied(parent: i32, command: &[String]) -> Result<(), String> {
    set_pdeathsig(Signal::SIGKILL).map_err(|why| format!("cannot ask to die with the parent: {why}"))?;
    // It may have died before we asked.
    if getppid().as_raw() != parent {
        return Err(format!("the parent is not process {parent} any more"));
    }
    let (program, args) = command.split_first().ok_or("there is no command to become")?;
    let why = Command::new(program).args(args).exec();
    Err(format!("cannot run {program}: {why}"))
}
