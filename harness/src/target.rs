//! Where a cluster runs, and which one.

use crate::args::Target;
use crate::exit::Exit;
use cluster::{Cluster, HarnessError};
use history::Chance;
use protocols::{Flaw, Options};
use std::path::Path;

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

/// The systems that can be tested, each with a line about it.
pub fn systems() -> Vec<(&'static str, &'static str)> {
    vec![("raft", "the reference node running Raft: linearizable registers with compare-and-set")]
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
    let _ = (system, nodes, flaw, chance, home);
    Err(HarnessError::new("run real processes", "not yet"))
}

/// Runs one reference node until it is told to stop.
pub fn node(args: Box<node::NodeArgs>) -> Exit {
    let _ = args;
    Exit::Usage
}
