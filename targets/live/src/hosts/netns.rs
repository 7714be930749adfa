//! A machine of its own for every node, as far as the kernel can pretend: own network and address, own name, own
//! mounts and processes.
//!
//! Nodes speak to one another directly, over a bridge. What is cut or impaired is cut and impaired by the kernel,
//! frame by frame, in IPv4 and IPv6 alike; our own way to the nodes is another and never suffers.

use super::frames;
use super::{Door, Ground, Hosts, Offspring, PORTS, Place, runtime};
use crate::link::{Condition, Counts};
use crate::network::{Network, Unit};
use cluster::{Framing, HarnessError};
use history::{Chance, Link, NodeId, Trouble};
use linux::net::{Cell, Lab, Machine, Pair, Refused};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Runtime;

/// In a machine of its own every node is started by the same process, the first.
const FIRST: u32 = 1;

/// Whether every node can have a machine of its own here, found out by trying on a small scale.
///
/// # Errors
/// If not: why, and what to do about it.
pub fn netns_ability() -> Result<(), String> {
    linux::net::can()
}

/// A machine of its own for every node, in namespaces. Needs root, or a user namespace
/// ([`linux::net::become_root_of_own_namespace`]). Touches nothing outside: not even in the host's own network is
/// anything made, and if this process is killed nothing remains.
#[derive(Debug, Clone, Copy, Default)]
pub struct Namespaces;

impl Ground for Namespaces {
    fn lay_out(
        &self,
        nodes: &[NodeId],
        _: Framing,
        chance: &Chance,
    ) -> Result<(Runtime, Arc<dyn Hosts>), HarnessError> {
        let doing = "give every node a machine of its own";
        let advise = |error: HarnessError| {
            let hint = netns_ability().err().unwrap_or_else(|| "use --on local".to_owned());
            error.advise(hint)
        };
        let lab = Lab::build(nodes.len(), chance.split("network").bits());
        let lab = lab.map_err(|refused| advise(HarnessError::new(doing, refused)))?;
        // Every thread of the runtime is born in the hub, and so every socket of ours is opened there.
        let runtime = lab.hub().inside(runtime).map_err(|why| HarnessError::new(doing, why))??;
        let conditions = BTreeMap::new();
        let lab = Mutex::new(Broken { lab, conditions });
        Ok((runtime, Arc::new(Machines { nodes: nodes.to_vec(), broken: lab })))
    }
}

/// The machines, and what is wrong between them.
#[derive(Debug)]
struct Machines {
    nodes: Vec<NodeId>,
    broken: Mutex<Broken>,
}

#[derive(Debug)]
struct Broken {
    lab: Lab,
    conditions: BTreeMap<Link, Condition>,
}

impl Machines {
    fn broken(&self) -> MutexGuard<'_, Broken> {
        // A panic elsewhere leaves the kernel's rules as they are, and what we know of them.
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, node: NodeId) -> usize {
        self.nodes.iter().position(|known| *known == node).expect("only members are asked about")
    }

    fn machine<T>(&self, node: NodeId, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.broken().lab.machines()[self.index(node)])
    }

    fn pairs(&self, links: &[Link]) -> Vec<Pair> {
        links.iter().map(|link| (self.index(link.from), self.index(link.to))).collect()
    }
}

impl Hosts for Machines {
    fn place(&self, node: NodeId) -> Place {
        let address = |node| self.machine(node, |machine| machine.four);
        let peers = self.nodes.iter().filter(|peer| **peer != node);
        let peers = peers.map(|peer| (*peer, SocketAddr::from((address(*peer), PORTS.peers))));
        Place { peers: peers.collect(), listen: address(node).into(), ports: PORTS, parent: FIRST }
    }

    fn spawn(&self, node: NodeId, command: Command) -> io::Result<Box<dyn Offspring>> {
        let network = self.machine(node, |machine| Arc::clone(&machine.network));
        Ok(Box::new(Cell::start(command, &node.to_string(), &network)?))
    }

    /// Nodes never move.
    fn locate(&self, _: NodeId, _: Option<SocketAddr>) {}

    /// The node's own: nobody else can have its address, and its kernel refuses for it while it is down.
    fn door(&self, clients: SocketAddr) -> io::Result<Door> {
        Ok(Door { address: clients, proxy: None })
    }

    fn network(&self) -> &dyn Network {
        self
    }
}

impl Network for Machines {
    fn carries(&self) -> Unit {
        Unit::Frames
    }

    fn all(&self, which: &dyn Fn(Condition) -> bool) -> Vec<Link> {
        let broken = self.broken();
        broken.conditions.iter().filter(|(_, condition)| which(**condition)).map(|(link, _)| *link).collect()
    }

    /// Every link that changes is tried with a frame of our own, so that even one that nobody uses shows what it
    /// does.
    fn change(&self, links: &[Link], change: &dyn Fn(&mut Condition)) -> Result<(), String> {
        let mut broken = self.broken();
        let Broken { lab, conditions } = &mut *broken;
        let (mut cut, mut mended) = (Vec::new(), Vec::new());
        let mut troubled: Vec<(Trouble, Vec<Link>)> = Vec::new();
        for link in links {
            let before = conditions.get(link).copied().unwrap_or_default();
            let mut after = before;
            change(&mut after);
            match (before.cut, after.cut) {
                (false, true) => cut.push(*link),
                (true, false) => mended.push(*link),
                _ => {}
            }
            if before.trouble != after.trouble {
                match troubled.iter_mut().find(|(trouble, _)| *trouble == after.trouble) {
                    Some((_, links)) => links.push(*link),
                    None => troubled.push((after.trouble, vec![*link])),
                }
            }
        }
        let why = |refused: Refused| refused.to_string();
        lab.cut(&self.pairs(&cut)).map_err(why)?;
        lab.mend(&self.pairs(&mended)).map_err(why)?;
        for (trouble, links) in &troubled {
            lab.impair(&self.pairs(links), frames::policy(*trouble)).map_err(why)?;
        }
        links.iter().for_each(|link| change(conditions.entry(*link).or_default()));
        lab.probe(&self.pairs(links));
        Ok(())
    }

    fn counts(&self, links: &[Link]) -> Result<Vec<Counts>, String> {
        let counts = self.broken().lab.counts(&self.pairs(links));
        let counts = counts.map_err(|refused| refused.to_string())?;
        Ok(counts.into_iter().map(frames::counts).collect())
    }
}

impl Offspring for Cell {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.id().cast_signed())
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        Cell::wait(self)
    }
}
