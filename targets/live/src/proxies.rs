//! Links made of proxies.

use crate::link::{Condition, Counts, Link};
use crate::network::{Network, Unit};
use crate::proxy::{self, Proxy};
use cluster::Framing;
use history::{Chance, Link as Between, NodeId};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// All links between nodes, and the proxies on them.
#[derive(Debug)]
pub struct Proxies {
    framing: Framing,
    links: BTreeMap<Between, Arc<Link>>,
    proxies: BTreeMap<Between, Proxy>,
    whereabouts: BTreeMap<NodeId, watch::Sender<Option<SocketAddr>>>,
}

impl Proxies {
    /// Opens a proxy for every ordered pair of nodes. Must be called within the runtime.
    ///
    /// # Errors
    /// If the operating system denies a port.
    pub fn open(nodes: &[NodeId], framing: Framing, chance: &Chance) -> io::Result<Proxies> {
        let whereabouts: BTreeMap<_, _> =
            nodes.iter().map(|node| (*node, watch::Sender::new(None))).collect();
        let pairs = || nodes.iter().flat_map(|from| nodes.iter().map(|to| Between { from: *from, to: *to }));
        let pairs = || pairs().filter(|pair| pair.from != pair.to);
        let link = |pair: Between| {
            let chance = chance.split(&format!("link {pair}"));
            (pair, Arc::new(Link::new(framing, chance)))
        };
        let links: BTreeMap<_, _> = pairs().map(link).collect();
        let mut proxies = BTreeMap::new();
        for pair in pairs() {
            let back = Between { from: pair.to, to: pair.from };
            let to = whereabouts[&pair.to].subscribe();
            let proxy = proxy::open(to, Arc::clone(&links[&pair]), Arc::clone(&links[&back]))?;
            proxies.insert(pair, proxy);
        }
        Ok(Proxies { framing, links, proxies, whereabouts })
    }

    /// Where `node` reaches each of its peers.
    pub fn peers_of(&self, node: NodeId) -> Vec<(NodeId, SocketAddr)> {
        let of_node = self.proxies.iter().filter(|(pair, _)| pair.from == node);
        of_node.map(|(pair, proxy)| (pair.to, proxy.address)).collect()
    }

    /// Says where a node really is, or that it is nowhere.
    pub fn locate(&self, node: NodeId, address: Option<SocketAddr>) {
        if let Some(whereabouts) = self.whereabouts.get(&node) {
            whereabouts.send_replace(address);
        }
    }
}

impl Network for Proxies {
    fn carries(&self) -> Unit {
        match self.framing {
            Framing::LengthPrefixed => Unit::Messages,
            Framing::Opaque => Unit::Pieces,
        }
    }

    fn all(&self, which: &dyn Fn(Condition) -> bool) -> Vec<Between> {
        self.links.iter().filter(|(_, link)| which(link.condition())).map(|(between, _)| *between).collect()
    }

    fn change(&self, links: &[Between], change: &dyn Fn(&mut Condition)) -> Result<(), String> {
        for link in links.iter().filter_map(|link| self.links.get(link)) {
            link.change(change);
        }
        Ok(())
    }

    fn counts(&self, links: &[Between]) -> Result<Vec<Counts>, String> {
        Ok(links.iter().filter_map(|link| self.links.get(link)).map(|link| link.counts()).collect())
    }
}
