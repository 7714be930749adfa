//! Where a cluster runs, and which one.

use crate::args::Target;
use cluster::{Cluster, HarnessError};
use history::Chance;
use protocols::{Flaw, Options};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is to be deployed.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Where.
    pub target: Target,
    /// Which system.
    pub system: String,
    /// How many nodes of it.
    pub nodes: u16,
    /// With which bug.
    pub flaw: Option<Flaw>,
    /// Where its chance comes from.
    pub chance: Chance,
    /// The directory below which its files go.
    pub home: PathBuf,
}

impl Deployment {
    /// The cluster, not yet started.
    ///
    /// # Errors
    /// If it cannot even be prepared.
    pub fn prepare(&self) -> Result<Box<dyn Cluster>, HarnessError> {
        match self.target {
            Target::Sim => self.simulated(),
            Target::Local => self.local(),
        }
    }

    fn simulated(&self) -> Result<Box<dyn Cluster>, HarnessError> {
        let options = Options { flaw: self.flaw, ..Options::default() };
        match self.system.as_str() {
            "raft" => {
                Ok(Box::new(sim::Simulation::<protocols::raft::Raft>::new(self.nodes, options, &self.chance)))
            }
            other => Err(HarnessError::new("simulate", format!("{other} is not a protocol of ours"))),
        }
    }

    fn local(&self) -> Result<Box<dyn Cluster>, HarnessError> {
        let program =
            std::env::current_exe().map_err(|error| HarnessError::new("find our own program", error))?;
        let system = systems::lookup(&self.system, &program, self.flaw.map(Flaw::name))?;
        // Nodes run in their own directories: ours must not depend on where we stand.
        let home =
            self.home.canonicalize().map_err(|error| HarnessError::new("find the run directory", error))?;
        Ok(Box::new(live::Local::new(system, self.nodes, home, self.chance.split("nodes").bits())))
    }
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
