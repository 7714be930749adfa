//! Where nodes live.

mod docker;
mod local;
mod netns;

pub use docker::{Containers, DockerOptions};
pub use local::Loopback;
pub use netns::{Namespaces, netns_ability};

use crate::network::Network;
use crate::process;
use crate::proxy::Proxy;
use cluster::{Framing, HarnessError, Launch, Ports, Seat};
use history::{Chance, FaultKind, NodeId};
use nix::unistd::Pid;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use tokio::runtime::Runtime;

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
}

/// The hosts of a cluster, one for each node: who runs processes on them, and what lies between them.
pub trait Hosts: Send + Sync {
    /// Where a node lives.
    fn place(&self, node: NodeId) -> Place;

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

    /// A node listens for its peers here now, or nowhere.
    fn locate(&self, node: NodeId, peers: Option<SocketAddr>);

    /// Opens the way to a node's clients' address. Must be called within the runtime.
    ///
    /// # Errors
    /// If the operating system denies it.
    fn door(&self, clients: SocketAddr) -> io::Result<Door>;

    /// What lies between them.
    fn network(&self) -> &dyn Network;

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
