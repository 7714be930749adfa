//! Removing what is left on the hosts.

use super::deploy::{Cargo, quoted};
use super::probe::reach;
use super::session::Connection;
use super::{HostLine, SshOptions};
use agent::words::Request;
use cluster::HarnessError;

/// Removes what earlier runs left on these hosts, and the program that was brought there: all that is in our
/// directory. What was cut or ran is healed and ended already, or an agent is at work on it, and then the host is
/// left alone.
///
/// # Errors
/// Each host that could not be cleaned, and why. The others are clean then.
pub fn clean(hosts: &[HostLine], options: &SshOptions) -> Result<(), HarnessError> {
    let doing = "clean the hosts";
    let cargo = Cargo::load(options.program.as_deref())?;
    let mut left = Vec::new();
    for host in hosts {
        // As the agent, who may be root: what it made, only it can remove.
        let wiped = reach(host, options, &cargo, "runs").and_then(|agent| {
            let asked = agent.ask(Request::Wipe);
            asked.map(|_| ()).map_err(|why| HarnessError::new(format!("clean {}", host.name), why))
        });
        if let Err(error) = wiped.and_then(|()| forget_program(host, options)) {
            left.push(error.to_string());
        }
    }
    if left.is_empty() { Ok(()) } else { Err(HarnessError::new(doing, left.join("\n"))) }
}

fn forget_program(host: &HostLine, options: &SshOptions) -> Result<(), HarnessError> {
    let directory = quoted(&options.remote_dir);
    let connection = Connection::open(host, options)?;
    let said = connection.run(&format!(
        "cd {directory} && rm -f tribunal-* agent.lock agent.guard && cd / && rmdir {directory}"
    ))?;
    if said.code == 0 {
        return Ok(());
    }
    let doing = format!("remove {} on {}", options.remote_dir, connection.place());
    Err(HarnessError::new(doing, said.err.trim()))
}
