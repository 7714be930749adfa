//! Where nodes live.

mod docker;
mod frames;
mod guests;
mod local;
mod netns;
mod remote;

pub use docker::{Containers, DockerOptions};
pub use frames::{counts as ours, policy};
pub use local::Loopback;
pub use netns::{Namespaces, netns_ability};
pub use remote::Remotes;

use crate::levers::{Here, Levers};
use crate::network::Network;
use crate::process;
use crate::proxy::Proxy;
use cluster::{Addresses, Framing, HarnessError, Launch, Ports, Seat};
use history::{Chance, FaultKind, NodeId};
use nix::unistd::Pid;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

/// In a network of its own every node has the same ports.
const PORTS: Ports = Ports { peers: 7001, clients: 7002, control: 7003 };

/// A kind of place where nodes can live.
pub trait Ground {
    /// Lays out the hosts of these nodes, and the runtime from which every one of them is reached.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn lay_out(
        &self,
        nodes: &[NodeId],
        framing: Framing,
        chance: &Chance,
    ) -> Result<(Runtime, Arc<dyn Hosts>), HarnessError>;

    /// Whether such faults can be made here, as far as that depends on the ground.
    ///
    /// # Errors
    /// If not: why, and what to do about it.
    fn can(&self, _: FaultKind) -> Result<(), String> {
        Ok(())
    }

    /// What to do about it that no node stands by to join.
    fn nobody_stands_by(&self) -> &'static str {
        "there is no node that could join"
    }

    /// Whether nodes live on this machine, so that what this machine cannot do cannot be done to them.
    fn is_here(&self) -> bool {
        true
    }
}

/// The hosts of a cluster, one for each node: who runs processes on them, and what lies between them.
pub trait Hosts: Send + Sync {
    /// Where a node lives.
    fn place(&self, node: NodeId) -> Place;

    /// A node's seat as it looks on its host.
    fn seat(&self, seat: &Seat) -> Seat {
        seat.clone()
    }

    /// What can be done to the nodes there.
    fn levers(self: Arc<Self>) -> Arc<dyn Levers> {
        Arc::new(Here::new(self.gives_groups()))
    }

    /// Sees to it that what a node says of its addresses can be read here.
    ///
    /// # Errors
    /// If it cannot be brought here.
    fn bring_ready(&self, _: &Seat) -> io::Result<()> {
        Ok(())
    }

    /// From now on, tells which node's host we have lost sight of. That is our trouble and not the system's.
    fn watch(&self, _: UnboundedSender<NodeId>) {}

    /// Reaches the host of a node again and makes everything there as it is meant to be, but for the node's process.
    /// May take its time.
    ///
    /// # Errors
    /// If it cannot be reached any more.
    fn recover(&self, node: NodeId) -> Result<(), HarnessError> {
        Err(HarnessError::new(format!("reach the host of {node}"), "it was never lost"))
    }

    /// How a command is run on a node's host.
    ///
    /// # Errors
    /// If the operating system does not tell what that takes.
    fn launch(&self, _: &Seat, launch: Launch) -> io::Result<Launch> {
        Ok(launch)
    }

    /// Starts a process on a node's host. The calling thread is good for nothing else and lives as long as the
    /// process, which is killed when the thread ends: so nothing survives a controller that is killed itself.
    ///
    /// # Errors
    /// If it cannot be started.
    fn spawn(&self, node: NodeId, command: Command) -> io::Result<Box<dyn Offspring>>;

    /// Where a node listens, if that is known without its saying so.
    fn addresses(&self, _: NodeId) -> Option<Addresses> {
        None
    }

    /// A node listens for its peers here now, or nowhere.
    fn locate(&self, node: NodeId, peers: Option<SocketAddr>);

    /// Opens the way to a node's clients' address. Must be called within the runtime.
    ///
    /// # Errors
    /// If the operating system denies it.
    fn door(&self, clients: SocketAddr) -> io::Result<Door>;

    /// What lies between them.
    fn network(&self) -> &dyn Network;

    /// Whether each host has control groups of its own, in which a node and nothing else runs.
    fn gives_groups(&self) -> bool {
        false
    }

    /// Whether the nodes are somebody else's: they ran before the cluster was started, and go on when it is stopped.
    fn are_guests(&self) -> bool {
        false
    }

    /// Lets go of a node that is somebody else's: from now on it goes on without us.
    fn let_go(&self, _: NodeId) {}

    /// Removes the hosts, on which nothing runs any more.
    ///
    /// # Errors
    /// If something of them is left: what, where, and how to remove it.
    fn dissolve(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Where a node lives.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it reaches each of its peers.
    pub peers: Vec<(NodeId, SocketAddr)>,
    /// The address on which it listens.
    pub listen: IpAddr,
    /// The ports on which it listens.
    pub ports: Ports,
    /// The process that starts it, by the number that it knows it by.
    pub parent: u32,
}

/// A process that was started.
pub trait Offspring {
    /// Its number, and its group's. Whoever kills it kills the node.
    fn pid(&self) -> Pid;

    /// Waits for its end, and leaves it unreaped if it is a child of ours: until it is reaped, its number cannot
    /// become another's.
    ///
    /// # Errors
    /// If nobody can wait for it.
    fn await_end(&self) -> io::Result<()> {
        Ok(process::await_end(self.pid())?)
    }

    /// Brings here what it wrote into its log, if that is elsewhere.
    ///
    /// # Errors
    /// If it cannot be brought here.
    fn bring_log(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Why nobody knows how it ended, if we have lost sight of it.
    fn lost(&self) -> Option<String> {
        None
    }

    /// Waits for its end; how the node ended.
    ///
    /// # Errors
    /// If it is no child of ours.
    fn wait(&mut self) -> io::Result<ExitStatus>;
}

/// Where clients reach one life of a node.
#[derive(Debug)]
pub struct Door {
    /// Where they connect.
    pub address: SocketAddr,
    /// What stands there, if it is not the node itself. It closes with this life.
    pub proxy: Option<Proxy>,
}

/// The runtime for everything that waits. Its threads, and the sockets opened on them, are in the network of the
/// thread that calls this.
fn runtime() -> Result<Runtime, HarnessError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|why| HarnessError::new("start the runtime", why))
}
