//! Containers that somebody else has made, and in which nodes run that he has configured.
//!
//! We neither make nor remove them: we connect to them, break them from the host as any other container, start again what
//! we have killed, and leave them running as they were. Whatever is done to one is written down before, so that it can be
//! undone even if we are killed.

use super::{Door, Hosts, Offspring, PORTS, Place};
use crate::docker::{Container, Debt, Debts, Engine, Paths};
use crate::levers::{Here, Levers};
use crate::network::Network;
use agent::Turned;
use cluster::{Addresses, HarnessError, Launch, Seat};
use history::{Chance, Damage, NodeId};
use linux::cgroup::{CgroupError, Limit, Reading};
use linux::clock::Turn;
use linux::disk::{Counters, Lost, Trouble};
use linux::process::{self, Process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why the data of these containers is spared.
pub const THEIR_DATA: &str =
    "the data of containers that you have made is not ours to break; leave out --containers";

/// Why nobody joins these containers.
pub const THEIR_MEMBERS: &str =
    "whoever has made the containers has said in them who belongs together; leave out --containers";

/// Containers of somebody else.
#[derive(Debug)]
pub struct Guests {
    engine: Engine,
    guests: BTreeMap<NodeId, Guest>,
    paths: Paths,
    here: Here,
    /// What is to be undone to them.
    debts: Debts,
    /// The commands by which we wait for their ends.
    clients: Mutex<BTreeMap<NodeId, Pid>>,
}

#[derive(Debug)]
struct Guest {
    name: String,
    address: Ipv4Addr,
}

impl Guests {
    /// Looks at these containers, one for each node in this order.
    ///
    /// # Errors
    /// If one does not exist, does not run, has no address, is used by another run, or was left broken by one.
    pub fn find(
        engine: Engine,
        nodes: &[NodeId],
        names: &[String],
        chance: &Chance,
    ) -> Result<Guests, HarnessError> {
        let mut guests = BTreeMap::new();
        for (node, name) in nodes.iter().zip(names) {
            let (name, address) = look(&engine, name).map_err(|why| {
                let error = HarnessError::new(format!("use the container {name} as {node}"), why);
                error.advise(format!("`{} ps` says which containers run", engine.command()))
            })?;
            guests.insert(*node, Guest { name, address });
        }
        let called: Vec<&str> = guests.values().map(|guest| guest.name.as_str()).collect();
        let debts = Debts::open(engine.clone(), &called)?;
        let addresses = guests.iter().map(|(node, guest)| (*node, guest.address)).collect();
        let paths = Paths::new(addresses, chance.split("network").bits());
        Ok(Guests { engine, guests, paths, here: Here::new(true), debts, clients: Mutex::default() })
    }

    fn guest(&self, node: NodeId) -> &Guest {
        self.guests.get(&node).expect("only members are asked about")
    }

    fn run(&self, node: NodeId, mut command: Command) -> io::Result<Container> {
        let Guest { name, address: known } = self.guest(node);
        // The container outlives whoever waits for its end.
        process::tie(&mut command);
        Container::run(&self.engine, name, command, |pid| {
            let (_, now) = look(&self.engine, name).map_err(io::Error::other)?;
            if now != *known {
                return Err(io::Error::other(format!(
                    "the container {name} had the address {known} and now has {now}: give it a fixed one (--ip)"
                )));
            }
            self.paths.admit(node, pid)
        })
    }

    /// Writes down what is owed to a node's container from now on.
    fn note(&self, node: NodeId, change: impl FnOnce(&mut Debt)) -> io::Result<()> {
        self.debts.note(&self.guest(node).name, change)
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<NodeId, Pid>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name, as the engine has it, and the address of a container that runs.
fn look(engine: &Engine, name: &str) -> Result<(String, Ipv4Addr), String> {
    let query = "{{.Name}} {{.State.Running}}{{range .NetworkSettings.Networks}} {{.IPAddress}}{{end}}";
    let answer = engine.ask(&["inspect", "--type", "container", "--format", query, name])?;
    let mut words = answer.split_whitespace();
    let name = words.next().unwrap_or_default().trim_start_matches('/').to_owned();
    if words.next() != Some("true") {
        return Err("it does not run".to_owned());
    }
    let address = words.find_map(|word| word.parse().ok());
    Ok((name, address.ok_or("it has no address in IPv4 on any network")?))
}

impl Hosts for Guests {
    fn levers(self: Arc<Self>) -> Arc<dyn Levers> {
        self
    }

    fn place(&self, node: NodeId) -> Place {
        let peers = self.guests.iter().filter(|(peer, _)| **peer != node);
        let peers = peers.map(|(peer, guest)| (*peer, SocketAddr::from((guest.address, PORTS.peers))));
        Place { peers: peers.collect(), listen: self.guest(node).address.into(), ports: PORTS, parent: 0 }
    }

    fn addresses(&self, node: NodeId) -> Option<Addresses> {
        let at = |port| SocketAddr::from((self.guest(node).address, port));
        Some(Addresses { peers: at(PORTS.peers), clients: at(PORTS.clients), control: at(PORTS.control) })
    }

    /// Whatever it runs is its maker's business. If it runs already, this waits for its end.
    fn launch(&self, seat: &Seat, _: Launch) -> io::Result<Launch> {
        let args = ["start", "--attach", &self.guest(seat.node).name].map(str::to_owned).to_vec();
        Ok(Launch { program: self.engine.command().into(), args, env: Vec::new() })
    }

    fn spawn(&self, node: NodeId, command: Command) -> io::Result<Box<dyn Offspring>> {
        self.paths.expect(node).map_err(io::Error::other)?;
        let born = self.run(node, command);
        if born.is_err() {
            self.paths.settle(node).map_err(io::Error::other)?;
        }
        let born = born?;
        self.clients().insert(node, born.client());
        // What its last process was owed is past; its control group has the same name again.
        self.note(node, |debt| *debt = Debt { limits: debt.limits.take(), ..Debt::default() })?;
        Ok(Box::new(born))
    }

    /// Nodes never move.
    fn locate(&self, _: NodeId, _: Option<SocketAddr>) {}

    fn door(&self, clients: SocketAddr) -> io::Result<Door> {
        Ok(Door { address: clients, proxy: None })
    }

    fn network(&self) -> &dyn Network {
        &self.paths
    }

    fn gives_groups(&self) -> bool {
        true
    }

    fn are_guests(&self) -> bool {
        true
    }

    /// The command that waits for its end ends, and the container goes on.
    fn let_go(&self, node: NodeId) {
        if let Some(client) = self.clients().remove(&node) {
            // If it has ended meanwhile, so much the better.
            let _ended = kill(client, Signal::SIGKILL);
        }
    }

    fn dissolve(&self) -> Result<(), String> {
        self.debts.close()
    }
}

/// Whatever outlives us is written down before it is done.
impl Levers for Guests {
    fn signal(&self, node: NodeId, pid: Pid, signal: Signal) -> io::Result<()> {
        match signal {
            Signal::SIGKILL | Signal::SIGTERM => self.note(node, |debt| debt.killed = true)?,
            Signal::SIGSTOP => self.note(node, |debt| debt.paused = number(pid).and_then(Process::of))?,
            _ => {}
        }
        self.here.signal(node, pid, signal)?;
        if signal == Signal::SIGCONT { self.note(node, |debt| debt.paused = None) } else { Ok(()) }
    }

    fn is_stopped(&self, node: NodeId, pid: Pid) -> Option<bool> {
        self.here.is_stopped(node, pid)
    }

    fn wall(&self, node: NodeId) -> Result<i64, String> {
        self.here.wall(node)
    }

    fn turn(&self, node: NodeId, pid: Pid, wall: Turn, monotonic: Turn) -> Result<Turned, String> {
        let noted = self.note(node, |debt| debt.bent = number(pid).and_then(Process::of));
        noted.map_err(|why| why.to_string())?;
        self.here.turn(node, pid, wall, monotonic)
    }

    fn restore(&self, node: NodeId) -> Option<Result<Turned, String>> {
        let restored = self.here.restore(node)?;
        // If it could not be done, it is still owed, unless the process is gone.
        let noted = restored.as_ref().map_or(Ok(()), |_| self.note(node, |debt| debt.bent = None));
        Some(restored.and_then(|turned| noted.map(|()| turned).map_err(|why| why.to_string())))
    }

    fn mount(&self, _: NodeId, _: &Path) -> Result<(), String> {
        Err(THEIR_DATA.to_owned())
    }

    fn cut_power(&self, _: NodeId, _: Option<u64>) -> Result<Lost, String> {
        Err(THEIR_DATA.to_owned())
    }

    fn sicken(&self, _: NodeId, _: Trouble) -> Result<Counters, String> {
        Err(THEIR_DATA.to_owned())
    }

    fn counters(&self, _: NodeId) -> Result<Counters, String> {
        Err(THEIR_DATA.to_owned())
    }

    fn copy(&self, _: NodeId, _: &Path) -> Result<(), String> {
        Err(THEIR_DATA.to_owned())
    }

    fn damage(&self, _: NodeId, _: &Path, _: &Damage, _: u64) -> Result<String, String> {
        Err(THEIR_DATA.to_owned())
    }

    fn put_back(&self, _: NodeId, _: &Path) -> Result<(), String> {
        Err(THEIR_DATA.to_owned())
    }

    fn press(&self, node: NodeId, pid: Pid, limit: Limit) -> Result<Reading, String> {
        self.relieve(node)?;
        self.here.press_noting(node, pid, limit, |before| {
            let starved = number(pid).filter(|_| matches!(limit, Limit::Memory { .. })).and_then(Process::of);
            let noted = self.note(node, |debt| (debt.limits, debt.starved) = (Some(before.clone()), starved));
            noted.map_err(|source| CgroupError { doing: "write down what it had".to_owned(), source })
        })
    }

    fn pressure(&self, node: NodeId) -> Result<Reading, String> {
        self.here.pressure(node)
    }

    fn relieve(&self, node: NodeId) -> Result<(), String> {
        self.here.relieve(node)?;
        let noted = self.note(node, |debt| {
            debt.limits = None;
            debt.killed |= debt.starved.take().is_some_and(Process::is_gone);
        });
        noted.map_err(|why| why.to_string())
    }

    fn unmount(&self) -> Vec<String> {
        Vec::new()
    }
}

fn number(pid: Pid) -> Option<u32> {
    u32::try_from(pid.as_raw()).ok()
}
