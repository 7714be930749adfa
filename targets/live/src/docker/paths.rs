//! The paths between containers, closed or made bad where they end: in the network of the container that is not to hear,
//! or badly.

use crate::hosts::{ours, policy};
use crate::link::{Condition, Counts};
use crate::network::{Network, Unit};
use history::{Link, NodeId, Trouble};
use linux::net::{Gate, Namespace, Refused};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The name of our table in each container's packet filter.
const TABLE: &str = "tribunal";
/// The port for what nobody listens to (RFC 863).
const DISCARD: u16 = 9;

/// The paths between containers. A container's network comes and goes with its process, so whatever is wrong on the
/// paths to it is made wrong again in its next life.
#[derive(Debug)]
pub struct Paths {
    addresses: BTreeMap<NodeId, IpAddr>,
    /// What decides the dice of bad paths.
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    conditions: BTreeMap<Link, Condition>,
    /// Of each container that has a network: there may be no process in it any more.
    ends: BTreeMap<NodeId, End>,
    /// What links did up to the last life of whom they lead to, or before they were mended.
    past: BTreeMap<Link, Counts>,
}

/// Where the paths to one container end.
#[derive(Debug)]
struct End {
    gate: Gate,
    probe: UdpSocket,
}

impl Paths {
    /// Between nodes with these addresses, of which none is there yet. `seed` decides the dice of bad paths.
    pub fn new(addresses: BTreeMap<NodeId, Ipv4Addr>, seed: u64) -> Paths {
        let addresses = addresses.into_iter().map(|(node, address)| (node, address.into())).collect();
        Paths { addresses, seed, state: Mutex::default() }
    }

    /// Before a node is born: whom it must not hear must not hear it either. When it wakes it has no gate yet, but
    /// without answers nobody can say much to it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn expect(&self, node: NodeId) -> Result<(), Refused> {
        let mut state = self.state();
        for back in state.answers_to(node) {
            if let Some(end) = state.ends.get_mut(&back.to) {
                end.gate.cut(&[self.addresses[&node]])?;
            }
        }
        Ok(())
    }

    /// A node was born, and this process is in its network.
    ///
    /// # Errors
    /// If its network cannot be reached, or the kernel refuses.
    pub fn admit(&self, node: NodeId, pid: u32) -> io::Result<()> {
        let network = Namespace::of_process(pid).map_err(|why| {
            let text =
                format!("cannot reach its network: {why}; does the container engine run on this machine?");
            io::Error::new(why.kind(), text)
        })?;
        let mut gate = Gate::open(&network, TABLE).map_err(io::Error::other)?;
        let probe = network.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??;
        probe.set_nonblocking(true)?;
        let peers = self.addresses.iter().filter(|(peer, _)| **peer != node);
        let peers: Vec<IpAddr> = peers.map(|(_, address)| *address).collect();
        gate.listen_to(&peers).map_err(io::Error::other)?;

        let mut state = self.state();
        let cut = state.conditions.iter().filter(|(link, condition)| link.to == node && condition.cut);
        let cut: Vec<IpAddr> = cut.map(|(link, _)| self.addresses[&link.from]).collect();
        gate.cut(&cut).map_err(io::Error::other)?;
        for (link, condition) in state.conditions.iter().filter(|(link, _)| link.to == node) {
            if condition.trouble != Trouble::default() {
                let from = [self.addresses[&link.from]];
                gate.impair(&from, policy(condition.trouble), self.dice(node)).map_err(io::Error::other)?;
            }
        }
        state.remember(node, &self.addresses).map_err(io::Error::other)?;
        state.ends.insert(node, End { gate, probe });
        drop(state);
        self.settle(node).map_err(io::Error::other)
    }

    /// Undoes [`Paths::expect`].
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn settle(&self, node: NodeId) -> Result<(), Refused> {
        let mut state = self.state();
        state.answers_to(node).into_iter().try_for_each(|back| state.mend(back.to, &[back], &self.addresses))
    }

    /// The dice of the paths that lead to a node.
    fn dice(&self, node: NodeId) -> u64 {
        self.seed ^ u64::from(node.0) << 32
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the kernel's rules as they are, and what we know of them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The links from a node to those whom it must not hear but may speak to.
    fn answers_to(&self, node: NodeId) -> Vec<Link> {
        let cut = |link| self.conditions.get(&link).is_some_and(|condition| condition.cut);
        let backs = self.ends.keys().map(|peer| Link { from: node, to: *peer });
        backs.filter(|back| !cut(*back) && cut(Link { from: back.to, to: back.from })).collect()
    }

    /// Lets in at a node who comes over these links, all of which lead to it.
    fn mend(
        &mut self,
        node: NodeId,
        links: &[Link],
        addresses: &BTreeMap<NodeId, IpAddr>,
    ) -> Result<(), Refused> {
        let Some(end) = self.ends.get_mut(&node) else { return Ok(()) };
        let dropped = end.gate.counts()?;
        end.gate.heal(&links.iter().map(|link| addresses[&link.from]).collect::<Vec<_>>())?;
        for link in links {
            let past = self.past.entry(*link).or_default();
            *past = *past + counts(dropped.get(&addresses[&link.from]), None, None);
        }
        Ok(())
    }

    /// What the links to a node do now is past: its gate goes.
    fn remember(&mut self, node: NodeId, addresses: &BTreeMap<NodeId, IpAddr>) -> Result<(), Refused> {
        let Some(mut end) = self.ends.remove(&node) else { return Ok(()) };
        let (dropped, heard, carried) = (end.gate.counts()?, end.gate.heard()?, end.gate.carried());
        for (peer, address) in addresses.iter().filter(|(peer, _)| **peer != node) {
            let past = self.past.entry(Link { from: *peer, to: node }).or_default();
            *past = *past + counts(dropped.get(address), heard.get(address), carried.get(address));
        }
        Ok(())
    }
}

/// What came in is counted behind the gate, whether it was carried or not.
fn counts(dropped: Option<&u64>, heard: Option<&u64>, carried: Option<&linux::net::Counts>) -> Counts {
    let (dropped, passed) = (dropped.copied().unwrap_or(0), heard.copied().unwrap_or(0));
    Counts { dropped, passed, ..carried.copied().map(ours).unwrap_or_default() }
}

impl Network for Paths {
    fn carries(&self) -> Unit {
        Unit::Frames
    }

    fn all(&self, which: &dyn Fn(Condition) -> bool) -> Vec<Link> {
        let state = self.state();
        state.conditions.iter().filter(|(_, condition)| which(**condition)).map(|(link, _)| *link).collect()
    }

    /// Every link that changes is tried with a packet of our own, so that even one that nobody uses shows what it
    /// does.
    fn change(&self, links: &[Link], change: &dyn Fn(&mut Condition)) -> Result<(), String> {
        let mut state = self.state();
        let (mut cut, mut mended) =
            (BTreeMap::<NodeId, Vec<Link>>::new(), BTreeMap::<NodeId, Vec<Link>>::new());
        let mut troubled = Vec::new();
        for link in links {
            let before = state.conditions.get(link).copied().unwrap_or_default();
            let mut after = before;
            change(&mut after);
            if before.trouble != after.trouble {
                troubled.push((*link, after.trouble));
            }
            match (before.cut, after.cut) {
                (false, true) => cut.entry(link.to).or_default().push(*link),
                (true, false) => mended.entry(link.to).or_default().push(*link),
                _ => {}
            }
        }
        let sources =
            |links: &[Link]| links.iter().map(|link| self.addresses[&link.from]).collect::<Vec<_>>();
        for (node, links) in &cut {
            if let Some(end) = state.ends.get_mut(node) {
                end.gate.cut(&sources(links)).map_err(|why| why.to_string())?;
            }
        }
        for (node, links) in &mended {
            state.mend(*node, links, &self.addresses).map_err(|why| why.to_string())?;
        }
        for (link, trouble) in troubled {
            if let Some(end) = state.ends.get_mut(&link.to) {
                let from = [self.addresses[&link.from]];
                let impaired = end.gate.impair(&from, policy(trouble), self.dice(link.to));
                impaired.map_err(|why| why.to_string())?;
            }
        }
        links.iter().for_each(|link| change(state.conditions.entry(*link).or_default()));
        for link in links {
            if let Some(end) = state.ends.get(&link.from) {
                // Whether it was sent and what became of it is what the counters show.
                let _unsent = end.probe.send_to(b"probe", (self.addresses[&link.to], DISCARD));
            }
        }
        Ok(())
    }

    fn counts(&self, links: &[Link]) -> Result<Vec<Counts>, String> {
        let mut state = self.state();
        let State { ends, past, .. } = &mut *state;
        let mut now = BTreeMap::new();
        for (node, end) in ends {
            let counted =
                end.gate.counts().and_then(|dropped| Ok((dropped, end.gate.heard()?, end.gate.carried())));
            now.insert(*node, counted.map_err(|why| why.to_string())?);
        }
        let of = |link: &Link| {
            let before = past.get(link).copied().unwrap_or_default();
            let from = &self.addresses[&link.from];
            let now = now.get(&link.to);
            let now = now.map(|(dropped, heard, carried)| {
                counts(dropped.get(from), heard.get(from), carried.get(from))
            });
            before + now.unwrap_or_default()
        };
        Ok(links.iter().map(of).collect())
    }
}
