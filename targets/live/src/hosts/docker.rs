//! A container for every node.
//!
//! The container engine's command line makes and removes them; what is broken is broken from the host, as on any
//! other ground: a container is a process with a number here, and a network that we can enter. Its main process is
//! the node's, so whoever kills that kills the container, and the command that runs it ends as it did.
//!
//! If this process is killed, the engine knows nothing of that. Its [`crate::warden`] removes what it made. Should
//! there be none, nodes end by themselves when nobody has asked them how they stand for a while ([`LEASE`]); their
//! containers go with them, and the network and the image are left for `tribunal clean`.

use super::guests::{Guests, THEIR_DATA, THEIR_MEMBERS};
use super::{Door, Ground, Hosts, Offspring, PORTS, Place, runtime};
use crate::docker::{self, Container, Engine, Estate, Paths};
use crate::network::Network;
use cluster::{Framing, HarnessError, Launch, Seat};
use history::{Chance, FaultKind, NodeId};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Runtime;

/// Who starts a container's first process is not to be seen from inside.
const UNSEEN: u32 = 0;
/// The variable by which a node is told after how many milliseconds without a question it must end.
const LEASE: (&str, u32) = ("TRIBUNAL_LEASE_MS", 7000);

/// How containers are made.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// The container engine's command: `docker`, or one that takes the same arguments.
    pub command: String,
    /// The program to put into the image, which must be static; this program itself if not said.
    pub program: Option<PathBuf>,
    /// Containers that are there already and in which nodes run, in the order of their nodes; none if we make them.
    pub given: Vec<String>,
}

impl Default for DockerOptions {
    fn default() -> DockerOptions {
        DockerOptions { command: "docker".to_owned(), program: None, given: Vec::new() }
    }
}

impl DockerOptions {
    /// Whether containers can be made and broken here.
    ///
    /// # Errors
    /// If not: why, and what to do about it.
    pub fn can(&self) -> Result<(), String> {
        Engine::new(&self.command).can()?;
        if !self.given.is_empty() {
            return Ok(());
        }
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
        chance: &Chance,
    ) -> Result<(Runtime, Arc<dyn Hosts>), HarnessError> {
        let engine = Engine::new(&self.0.command);
        engine.can().map_err(|why| HarnessError::new("make containers", why))?;
        if !self.0.given.is_empty() {
            let guests = Guests::find(engine, nodes, &self.0.given, chance)?;
            return Ok((runtime()?, Arc::new(guests)));
        }
        let program = docker::program(self.0.program.as_deref())?;
        let runtime = runtime()?;
        let estate = Estate::claim(engine, &program, nodes.len())?;
        let addresses = nodes.iter().enumerate().map(|(place, node)| (*node, estate.address(place)));
        let paths = Paths::new(addresses.collect(), chance.split("network").bits());
        Ok((runtime, Arc::new(Fleet { nodes: nodes.to_vec(), estate, paths, seats: Mutex::default() })))
    }

    fn can(&self, kind: FaultKind) -> Result<(), String> {
        match kind {
            FaultKind::Crash | FaultKind::Disk | FaultKind::Damage if !self.0.given.is_empty() => {
                Err(THEIR_DATA.to_owned())
            }
            FaultKind::Members if !self.0.given.is_empty() => Err(THEIR_MEMBERS.to_owned()),
            _ => Ok(()),
        }
    }
}

/// The containers of a cluster.
#[derive(Debug)]
struct Fleet {
    nodes: Vec<NodeId>,
    estate: Estate,
    paths: Paths,
    /// Where each node's data is.
    seats: Mutex<BTreeMap<NodeId, PathBuf>>,
}

impl Fleet {
    fn address(&self, node: NodeId) -> std::net::Ipv4Addr {
        let place = self.nodes.iter().position(|known| *known == node);
        self.estate.address(place.expect("only members are asked about"))
    }

    /// Makes the paths to a container what they should be, and looks at whether it finds its disk.
    fn welcome(&self, node: NodeId, pid: u32) -> io::Result<()> {
        self.paths.admit(node, pid)?;
        let data = self.seats().get(&node).cloned().unwrap_or_default();
        match linux::disk::is_seen_by(pid, &data) {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::other(format!(
                "the disk that forgets, mounted at {}, is not seen in its container: the container engine keeps mounts \
                 of its own",
                data.display()
            ))),
            Err(why) => Err(io::Error::other(why)),
        }
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<NodeId, PathBuf>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.seats().insert(seat.node, std::path::absolute(&seat.data)?);
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
        give("workdir", directory.to_string());
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
        let (engine, name) = (self.estate.engine(), self.estate.container(node));
        let born = Container::run(engine, &name, command, |pid| self.welcome(node, pid));
        if born.is_err() {
            // What matters is why it was not born; what is left of it the estate removes.
            let _gone = engine.ask(&["rm", "--force", &name]);
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

    fn gives_groups(&self) -> bool {
        true
    }

    fn dissolve(&self) -> Result<(), String> {
        self.estate.dissolve()
    }
}
