//! When a warden is needed, and being one.

use crate::args::{Target, TestArgs, WardenArgs};
use cluster::HarnessError;
use live::warden::{Warden, Watch};
use std::path::Path;
use std::process::{Command, ExitCode};

/// A warden for a run in this directory, if it could leave something behind that the kernel does not remove when
/// this process is killed: mounts of lossy disks, what a container engine keeps, and control groups.
///
/// # Errors
/// If there should be one and it cannot be started.
pub fn needed(
    args: &TestArgs,
    lossy_disks: bool,
    presses: bool,
    run: &Path,
) -> Result<Option<Warden>, HarnessError> {
    let containers = args.on == Target::Docker;
    let mounts = lossy_disks && matches!(args.on, Target::Local | Target::Netns | Target::Docker);
    if !(containers || mounts || presses && args.on != Target::Sim) {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(|why| HarnessError::new("find our own program", why))?;
    let run = run.canonicalize().map_err(|why| HarnessError::new("find the run directory", why))?;
    let mut command = Command::new(program);
    command.args(["warden", "--controller", &std::process::id().to_string(), "--directory"]).arg(run);
    if containers {
        command.args(["--docker-command", &args.engine.docker_command]);
    }
    Warden::start(command).map(Some)
}

/// Is one.
pub fn watch(args: WardenArgs) -> ExitCode {
    let WardenArgs { controller, directory, docker_command } = args;
    match live::warden::watch(&Watch { controller, directory, engine: docker_command }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
