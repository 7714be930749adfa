//! Processes on this machine, with a proxy of ours on every path between them.

use super::{Door, Ground, Hosts, Offspring, Place, runtime};
use crate::link::Link;
use crate::network::Network;
use crate::proxies::Proxies;
use crate::proxy;
use cluster::{Framing, HarnessError, Ports};
use history::{Chance, NodeId};
use nix::unistd::Pid;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Processes on this machine, on its loopback. Needs no privileges, and touches nothing but its own processes,
/// its own ports and its own directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loopback;

impl Ground for Loopback {
    fn lay_out(
        &self,
        nodes: &[NodeId],
        framing: Framing,
        chance: &Chance,
    ) -> Result<(Runtime, Arc<dyn Hosts>), HarnessError> {
        let runtime = runtime()?;
        let within = runtime.enter();
        let proxies = Proxies::open(nodes, framing, chance);
        drop(within);
        let proxies = proxies.map_err(|why| HarnessError::new("open the proxies between nodes", why))?;
        Ok((runtime, Arc::new(Neighbours { proxies })))
    }
}

/// Processes that share everything but the paths between them.
#[derive(Debug)]
struct Neighbours {
    proxies: Proxies,
}

impl Hosts for Neighbours {
    fn place(&self, node: NodeId) -> Place {
        Place {
            peers: self.proxies.peers_of(node),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Ports::default(),
            parent: std::process::id(),
        }
    }

    fn spawn(&self, _: NodeId, mut command: Command) -> io::Result<Box<dyn Offspring>> {
        Ok(Box::new(command.spawn()?))
    }

    fn locate(&self, node: NodeId, peers: Option<SocketAddr>) {
        self.proxies.locate(node, peers);
    }

    /// A proxy, which closes with this life, so that a client of a dead node is refused before it says anything,
    /// even if another process has its port by then.
    fn door(&self, clients: SocketAddr) -> io::Result<Door> {
        // Clients' links are never in trouble, so their dice are never thrown.
        let link = || Arc::new(Link::new(Framing::Opaque, Chance::new(0)));
        let (_, whereabouts) = watch::channel(Some(clients));
        let proxy = proxy::open(whereabouts, link(), link())?;
        Ok(Door { address: proxy.address, proxy: Some(proxy) })
    }

    fn network(&self) -> &dyn Network {
        &self.proxies
    }
}

impl Offspring for Child {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.id().cast_signed())
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        Child::wait(self)
    }
}
