//! Where a cluster runs, and which one.

use crate::args::{EngineArgs, SshArgs, Target};
use cluster::{Cluster, HarnessError, System};
use history::Chance;
use live::ssh::{HostLine, SshOptions};
use live::{Containers, DockerOptions, Ground, Live, Local, Netns, Remotes};
use protocols::catalog::{self, Visitor};
use protocols::{Flaw, Options, Protocol};
use sim::Simulation;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// How many nodes stand by, if members are to change, where they cost nothing.
pub const SPARES: u16 = 3;

/// What is to be deployed.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Where.
    pub target: Target,
    /// Which system.
    pub system: String,
    /// How many nodes of it.
    pub nodes: u16,
    /// How many nodes more could join it.
    pub spares: u16,
    /// With which bug.
    pub flaw: Option<Flaw>,
    /// Whether clients that heard nothing ask again.
    pub retry: bool,
    /// Where its chance comes from.
    pub chance: Chance,
    /// Whether real nodes get disks that can lose what was not synced. They cost a little with every sync, so
    /// only a run that breaks disks has them.
    pub lossy_disks: bool,
    /// How containers are made, if there are any.
    pub engine: DockerOptions,
    /// How hosts are reached, if there are any.
    pub ssh: SshArgs,
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
            Target::Local => self.real(Local::new),
            Target::Netns => self.real(Netns::new),
            Target::Docker => self.real(|system, nodes, home, seed| {
                Live::on(Containers(self.engine.clone()), system, nodes, home, seed)
            }),
            Target::Ssh => self.remote(),
            Target::Auto => Err(HarnessError::new("deploy", "the target was not settled")),
        }
    }

    fn simulated(&self) -> Result<Box<dyn Cluster>, HarnessError> {
        let cluster = catalog::visit(&self.system, Simulated(self));
        let why = || HarnessError::new("simulate", format!("{} is not a protocol of ours", self.system));
        cluster.ok_or_else(why)
    }

    /// Real processes on machines that the user has.
    fn remote(&self) -> Result<Box<dyn Cluster>, HarnessError> {
        // What is brought to the hosts is what runs there.
        let program = self.engine.program.clone().map_or_else(own_program, Ok)?;
        let (mut lines, options) = (hosts(&self.ssh)?, ssh_options(&self.ssh, &self.engine));
        // Hosts that nobody needs are left alone.
        lines.truncate(usize::from(self.nodes + self.spares));
        self.on(&program, |system, nodes, home, seed| {
            Live::on(Remotes::new(lines.clone(), options.clone()), system, nodes, home, seed)
        })
    }

    /// Real processes of this very program on some kind of ground.
    fn real<G: Ground + 'static>(
        &self,
        lay: impl Fn(Arc<dyn System>, u16, PathBuf, u64) -> Live<G>,
    ) -> Result<Box<dyn Cluster>, HarnessError> {
        self.on(&own_program()?, lay)
    }

    fn on<G: Ground + 'static>(
        &self,
        program: &Path,
        lay: impl Fn(Arc<dyn System>, u16, PathBuf, u64) -> Live<G>,
    ) -> Result<Box<dyn Cluster>, HarnessError> {
        let system = systems::lookup(&self.system, program, self.flaw.map(Flaw::name), self.retry)?;
        // Nodes run in their own directories: ours must not depend on where we stand.
        let home =
            self.home.canonicalize().map_err(|error| HarnessError::new("find the run directory", error))?;
        let cluster = lay(system, self.nodes, home, self.chance.split("nodes").bits());
        let cluster = cluster.with_spares(self.spares);
        Ok(Box::new(if self.lossy_disks { cluster.with_lossy_disks() } else { cluster }))
    }
}

/// Prepares a simulation of whatever protocol it sees.
struct Simulated<'a>(&'a Deployment);

impl Visitor for Simulated<'_> {
    type Out = Box<dyn Cluster>;

    fn visit<P: Protocol>(self) -> Box<dyn Cluster> {
        let Deployment { nodes, spares, flaw, retry, chance, .. } = self.0;
        let options = Options { flaw: *flaw, ..Options::default() };
        let cluster = Simulation::<P>::new(*nodes, *spares, options, chance);
        Box::new(if *retry { cluster.insisting() } else { cluster })
    }
}

fn own_program() -> Result<PathBuf, HarnessError> {
    std::env::current_exe().map_err(|error| HarnessError::new("find our own program", error))
}

/// The hosts that were named.
///
/// # Errors
/// If none were, or their file makes no sense.
pub fn hosts(args: &SshArgs) -> Result<Vec<HostLine>, HarnessError> {
    let file = args.hosts.as_deref().ok_or_else(|| {
        HarnessError::new("reach hosts", "none are named")
            .advise("Name them in a file: --hosts FILE (docs/SSH.md).")
    })?;
    HostLine::read(file)
}

/// How many hosts are left to stand by when so many are nodes.
///
/// # Errors
/// As [`hosts`], or if there are not even so many.
pub fn spare_hosts(args: &SshArgs, nodes: u16) -> Result<u16, HarnessError> {
    let count = hosts(args)?.len();
    let left = count.checked_sub(usize::from(nodes)).and_then(|left| u16::try_from(left).ok());
    left.ok_or_else(|| {
        let error = HarnessError::new("place the nodes", format!("{nodes} need as many hosts, not {count}"));
        error.advise("Name more hosts in the file of --hosts, or fewer --nodes.")
    })
}

/// How hosts are reached, as typed.
pub fn ssh_options(args: &SshArgs, engine: &DockerOptions) -> SshOptions {
    let usual = SshOptions::default();
    SshOptions {
        user: args.ssh_user.clone().unwrap_or(usual.user),
        port: args.ssh_port,
        key: args.key.clone(),
        password: args.password.clone(),
        known_hosts: args.known_hosts.clone(),
        accept_new_hosts: args.accept_new_hosts,
        sudo: args.sudo,
        remote_dir: args.remote_dir.clone(),
        program: engine.program.clone(),
        ..SshOptions::default()
    }
}

/// How containers are made, as typed.
pub fn engine(args: &EngineArgs) -> DockerOptions {
    DockerOptions {
        command: args.docker_command.clone(),
        program: args.static_binary.clone(),
        given: args.containers.clone(),
    }
}

/// Settles where a cluster is to run: what was asked for, or what works here, and then why. Must be called while
/// the process has a single thread, since an ordinary user enters a namespace of its own.
///
/// # Errors
/// If namespaces were asked for and cannot be had.
pub fn settle(target: Target) -> Result<(Target, Option<String>), HarnessError> {
    if !matches!(target, Target::Auto | Target::Netns) {
        return Ok((target, None));
    }
    let able = linux::net::become_root_of_own_namespace().and_then(|()| linux::net::can());
    match (target, able) {
        (_, Ok(())) => Ok((Target::Netns, None)),
        (Target::Netns, Err(why)) => Err(HarnessError::new("run on netns", why)
            .advise("`--on local` needs no rights: there every link runs through a proxy of ours.")),
        (_, Err(why)) => Ok((Target::Local, Some(why))),
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
