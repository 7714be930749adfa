//! Where a cluster runs, and which one.

use crate::args::Target;
use cluster::{Cluster, HarnessError};
use history::Chance;
use protocols::{Flaw, Options};
use std::path::Path;
use std::process::ExitCode;

/// A cluster of `system` on `target`, not yet started. Its files go below `home`.
///
/// # Errors
/// If it cannot even be prepared.
pub fn deploy(
    target: Target,
    system: &str,
    nodes: u16,
    flaw: Option<Flaw>,
    chance: &Chance,
    home: &Path,
) -> Result<Box<dyn Cluster>, HarnessError> {
    match target {
        Target::Sim => simulate(system, nodes, flaw, chance),
        Target::Local => local(system, nodes, flaw, chance, home),
    }
}

fn simulate(
    system: &str,
    nodes: u16,
    flaw: Option<Flaw>,
    chance: &Chance,
) -> Result<Box<dyn Cluster>, HarnessError> {
    let options = Options { flaw, ..Options::default() };
    match system {
        "raft" => Ok(Box::new(sim::Simulation::<protocols::raft::Raft>::new(nodes, options, chance))),
        _ => Err(HarnessError::new("simulate", format!("{system} is not a protocol of ours"))),
    }
}

fn local(
    system: &str,
    nodes: u16,
    flaw: Option<Flaw>,
    chance: &Chance,
    home: &Path,
) -> Result<Box<dyn Cluster>, HarnessError> {
    let program =
        std::env::current_exe().map_err(|error| HarnessError::new("find our own program", error))?;
    let system = systems::lookup(system, &program, flaw.map(Flaw::name))?;
    // Nodes run in their own directories: ours must not depend on where we stand.
    let home = home.canonicalize().map_err(|error| HarnessError::new("find the run directory", error))?;
    Ok(Box::new(live::Local::new(system, nodes, home, chance.split("nodes").bits())))
}

/// Runs one reference node until it is told to stop.
pub fn node(args: node::NodeArgs) -> ExitCode {
    match node::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::report::warn(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}
