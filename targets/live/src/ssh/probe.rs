//! What can be broken on each host.

use super::deploy::Cargo;
use super::remote::{Errand, Remote};
use super::session::Connection;
use super::{HostLine, SshOptions};
use agent::words::{Answer, Request};
use cluster::HarnessError;
use history::FaultKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

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
    let doing = "ask the hosts what can be broken there";
    let cargo = Arc::new(Cargo::load(options.program.as_deref())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|why| HarnessError::new(doing, why))?;
    let asked = runtime.block_on(async {
        let mut asking = JoinSet::new();
        for (place, host) in hosts.iter().cloned().enumerate() {
            let (cargo, options) = (Arc::clone(&cargo), options.clone());
            asking.spawn(async move { (place, ask(host, options, cargo).await) });
        }
        let mut asked = asking.join_all().await;
        asked.sort_by_key(|(place, _)| *place);
        asked
    });
    Ok(asked.into_iter().flat_map(|(_, rows)| rows).collect())
}

async fn ask(host: HostLine, options: SshOptions, cargo: Arc<Cargo>) -> Vec<HostAbility> {
    let (line, reaching, limit) = (host.clone(), options.clone(), options.silence + Duration::from_secs(2));
    let reached = tokio::task::spawn_blocking(move || reach(&line, &reaching, &cargo, "probe")).await;
    let abilities = match reached {
        Ok(Ok(remote)) => {
            let asked = timeout(limit, remote.ask(Request::Probe)).await;
            let _let_go = tokio::task::spawn_blocking(move || drop(remote)).await;
            asked.unwrap_or_else(|_| Err("its agent does not answer".to_owned()))
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    };
    let row = |fault, able| HostAbility { host: host.name.clone(), fault, able };
    match abilities {
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
