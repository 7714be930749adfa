//! What can be broken on each host.

use super::deploy::Cargo;
use super::remote::{Errand, Remote};
use super::session::Connection;
use super::{HostLine, SshOptions};
use agent::words::{Answer, Request};
use cluster::HarnessError;
use history::FaultKind;
use std::panic::resume_unwind;
use std::thread;

/// Whether one kind of fault can be made on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAbility {
    /// The host's name.
    pub host: String,
    /// Which fault.
    pub fault: FaultKind,
    /// It can, or why it cannot and what to do.
    pub able: Result<(), String>,
}

/// Asks every host what can be broken there: the program is brought there, looks, and breaks nothing. The rows
/// come in the order of the hosts; if a host cannot be used at all, each of its rows says why.
///
/// # Errors
/// If the program to deploy cannot be read.
pub fn probe(hosts: &[HostLine], options: &SshOptions) -> Result<Vec<HostAbility>, HarnessError> {
    let cargo = Cargo::load(options.program.as_deref())?;
    Ok(thread::scope(|scope| {
        let asking = hosts.iter().map(|host| scope.spawn(|| ask(host, options, &cargo)));
        let asking: Vec<_> = asking.collect();
        asking
            .into_iter()
            .flat_map(|asked| asked.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    }))
}

fn ask(host: &HostLine, options: &SshOptions, cargo: &Cargo) -> Vec<HostAbility> {
    let row = |fault, able| HostAbility { host: host.name.clone(), fault, able };
    let reached = reach(host, options, cargo, "probe").map_err(|why| why.to_string());
    match reached.and_then(|remote| remote.ask(Request::Probe)) {
        Ok(Answer::Abilities(abilities)) => {
            abilities.into_iter().map(|ability| row(ability.fault, ability.able)).collect()
        }
        Ok(other) => vec![row(FaultKind::Partition, Err(format!("its agent answered {other:?}")))],
        Err(why) => FaultKind::ALL.into_iter().map(|fault| row(fault, Err(why.clone()))).collect(),
    }
}

/// Starts an agent on a host that runs no node; it could wipe `home`, which is below our directory there.
///
/// # Errors
/// If the host cannot be used, or another agent is at work there.
pub fn reach(
    host: &HostLine,
    options: &SshOptions,
    cargo: &Cargo,
    home: &str,
) -> Result<Remote, HarnessError> {
    let connection = Connection::open(host, options)?;
    let program = cargo.deliver(&connection, &options.remote_dir)?;
    drop(connection);
    let errand = Errand {
        program,
        home: format!("{}/{home}", options.remote_dir),
        lock: format!("{}/agent.lock", options.remote_dir),
        sudo: options.sudo,
        silence: options.silence,
    };
    Remote::open(Connection::open(host, options)?, &errand, |_| {})
}
