//! A container for every node.
//!
//! The container engine's command line makes and removes them; what is broken is broken from the host, as on any
//! other ground: a container is a process with a number here, and a network that we can enter. Its main process is
//! the node's, so whoever kills that kills the container, and the command that runs it ends as it did.
//!
//! If this process is killed, the engine knows nothing of that. Nodes are told to end by themselves when nobody has
//! asked them how they stand for a while ([`LEASE`]); their containers go with them, and what is left, a network
//! and an image, the next run removes.

use super::{Door, Ground, Hosts, Offspring, Place, runtime};
use crate::docker::{self, Engine, Estate, Paths};
use crate::network::Network;
use crate::process;
use cluster::{Framing, HarnessError, Launch, Ports, Seat};
use history::{Chance, FaultKind, NodeId};
use nix::unistd::Pid;
use std::env;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// In a network of its own every node has the same ports.
const PORTS: Ports = Ports { peers: 7001, clients: 7002, control: 7003 };
/// Who starts a container's first process is not to be seen from inside.
const UNSEEN: u32 = 0;
/// How long a container may take to be born.
const BIRTH: Duration = Duration::from_secs(20);
/// The variable by which a node is told after how many milliseconds without a question it must end.
const LEASE: (&str, u32) = ("TRIBUNAL_LEASE_MS", 7000);
/// A command that ran a container ends with this much more than the number of the signal that ended it.
const BY_SIGNAL: i32 = 128;

/// How containers are made.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// The container engine's command: `docker`, or one that takes the same arguments.
    pub command: String,
    /// The program to put into the image, which must be static; this program itself if not said.
    pub program: Option<PathBuf>,
}

impl Default for DockerOptions {
    fn default() -> DockerOptions {
        DockerOptions { command: "docker".to_owned(), program: None }
    }
}

impl DockerOptions {
    /// Whether containers can be made and broken here.
    ///
    /// # Errors
    /// If not: why, and what to do about it.
    pub fn can(&self) -> Result<(), String> {
        Engine::new(&self.command).can()?;
        docker::program(self.program.as_deref()).map(|_| ()).map_err(|why| why.to_string())
    }

    /// Removes every container, network and image of ours whose controller is gone; their names.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn clean(&self) -> Result<Vec<String>, HarnessError> {
        docker::clean(&self.command)
    }
}

/// A container for every node, on a network of our own. Needs root, and a container engine on this machine.
#[derive(Debug, Clone, Default)]
pub struct Containers(pub DockerOptions);

impl Ground for Containers {
    fn lay_out(
        &self,
        nodes: &[NodeId],
        _: Framing,
        _: &Chance,
    ) -> Result<(Runtime, Arc<dyn Hosts>), HarnessError> {
        let engine = Engine::new(&self.0.command);
        engine.can().map_err(|why| HarnessError::new("make containers", why))?;
        let program = docker::program(self.0.program.as_deref())?;
        let runtime = runtime()?;
        let estate = Estate::claim(engine, &program, nodes.len())?;
        let addresses = nodes.iter().enumerate().map(|(place, node)| (*node, estate.address(place)));
        let paths = Paths::new(addresses.collect());
        Ok((runtime, Arc::new(Fleet { nodes: nodes.to_vec(), estate, paths })))
    }

    fn can(&self, kind: FaultKind) -> Result<(), String> {
        if kind == FaultKind::Packets { Err(docker::NO_TROUBLE.to_owned()) } else { Ok(()) }
    }
}

/// The containers of a cluster.
#[derive(Debug)]
struct Fleet {
    nodes: Vec<NodeId>,
    estate: Estate,
    paths: Paths,
}

impl Fleet {
    fn address(&self, node: NodeId) -> std::net::Ipv4Addr {
        let place = self.nodes.iter().position(|known| *known == node);
        self.estate.address(place.expect("only members are asked about"))
    }

    fn bear(&self, node: NodeId, mut command: Command) -> io::Result<Container> {
        let mut client = command.spawn()?;
        match self.welcome(node, &mut client) {
            Ok(pid) => Ok(Container { pid, client }),
            Err(why) => {
                // What matters is why it was not born; what is left of it the estate removes.
                let _gone = self.estate.engine().ask(&["rm", "--force", &self.estate.container(node)]);
                let _ended = client.kill().and_then(|()| client.wait());
                Err(why)
            }
        }
    }

    /// Waits until a container has a process, and makes the paths to it what they should be.
    fn welcome(&self, node: NodeId, client: &mut Child) -> io::Result<Pid> {
        let (container, deadline) = (self.estate.container(node), Instant::now() + BIRTH);
        let query = ["inspect", "--format", "{{.State.Pid}}", &container];
        loop {
            if let Some(end) = client.try_wait()? {
                return Err(io::Error::other(format!(
                    "its container ended at once ({end}); the node's log says why"
                )));
            }
            // Until there is such a container, that is what the engine complains about.
            let pid = self.estate.engine().ask(&query).ok().and_then(|pid| pid.parse().ok());
            if let Some(pid) = pid.filter(|pid| *pid != 0) {
                self.paths.admit(node, pid)?;
                return Ok(Pid::from_raw(pid.cast_signed()));
            }
            if Instant::now() >= deadline {
                let why = format!("the container was not born within {} s", BIRTH.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Hosts for Fleet {
    fn place(&self, node: NodeId) -> Place {
        let peers = self.nodes.iter().filter(|peer| **peer != node);
        let peers = peers.map(|peer| (*peer, SocketAddr::from((self.address(*peer), PORTS.peers))));
        Place { peers: peers.collect(), listen: self.address(node).into(), ports: PORTS, parent: UNSEEN }
    }

    /// The program is the image's. It finds its directory where it is on the host, under the same name.
    fn launch(&self, seat: &Seat, launch: Launch) -> io::Result<Launch> {
        let directory = std::path::absolute(seat.data.parent().unwrap_or(&seat.data))?;
        let directory = directory.display();
        let owner = format!("{}:{}", nix::unistd::geteuid(), nix::unistd::getegid());
        let mut args = Vec::new();
        let mut give = |name: &str, value: String| args.extend([format!("--{name}"), value]);
        // There is no registry that knows our image.
        give("pull", "never".to_owned());
        give("name", self.estate.container(seat.node));
        give("hostname", seat.node.to_string());
        give("label", self.estate.label());
        give("network", self.estate.name());
        give("ip", self.address(seat.node).to_string());
        give("user", owner);
        give("workdir", env::current_dir()?.display().to_string());
        give("mount", format!("type=bind,source={directory},target={directory}"));
        give("log-driver", "none".to_owned());
        give("env", format!("{}={}", LEASE.0, LEASE.1));
        launch.env.iter().for_each(|(name, value)| give("env", format!("{name}={value}")));
        let args = ["run", "--rm"].map(str::to_owned).into_iter().chain(args);
        let args = args.chain([self.estate.name()]).chain(launch.args).collect();
        Ok(Launch { program: self.estate.engine().command().into(), args, env: Vec::new() })
    }

    fn spawn(&self, node: NodeId, command: Command) -> io::Result<Box<dyn Offspring>> {
        self.paths.expect(node).map_err(io::Error::other)?;
        let born = self.bear(node, command);
        if born.is_err() {
            self.paths.settle(node).map_err(io::Error::other)?;
        }
        Ok(Box::new(born?))
    }

    /// Nodes never move.
    fn locate(&self, _: NodeId, _: Option<SocketAddr>) {}

    /// The node's own: nobody else can have its address.
    fn door(&self, clients: SocketAddr) -> io::Result<Door> {
        Ok(Door { address: clients, proxy: None })
    }

    fn network(&self) -> &dyn Network {
        &self.paths
    }

    fn dissolve(&self) -> Result<(), String> {
        self.estate.dissolve()
    }
}

/// A container that runs.
#[derive(Debug)]
struct Container {
    /// Its first process, by its number here.
    pid: Pid,
    /// The command that runs it, and ends with it.
    client: Child,
}

impl Offspring for Container {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn await_end(&self) -> io::Result<()> {
        Ok(process::await_end(Offspring::pid(&self.client))?)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let end = self.client.wait()?;
        let signal = end.code().map(|code| code - BY_SIGNAL).filter(|signal| (1..=64).contains(signal));
        Ok(signal.map_or(end, ExitStatus::from_raw))
    }
}
