//! Machines that the user has, reached over SSH: one node on each.
//!
//! Links are cut and impaired where they end: each host drops, or delays and so on, what comes from the data addresses
//! of others. Nothing else is touched, so our own way to the hosts never suffers.

use super::{Door, Ground, Hosts, Offspring, Place, frames, runtime};
use crate::levers::Levers;
use crate::link::{Condition, Counts};
use crate::network::{Network, Unit};
use crate::ssh::{Cargo, HostLine, Member, SshOptions, probe};
use agent::Turned;
use agent::words::{self, Answer, Request, State};
use cluster::{Framing, HarnessError, Launch, Seat};
use history::{Chance, Damage, FaultKind, Link, NodeId};
use linux::cgroup::{Limit, Reading};
use linux::clock::Turn;
use linux::disk::{Lost, Trouble};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::block_in_place;

/// Machines that are reached over SSH. Nothing but our own directory, processes, mounts and packet filter table is
/// touched there, and nothing of it remains.
#[derive(Debug)]
pub struct Remotes {
    lines: Vec<HostLine>,
    options: SshOptions,
    can: OnceLock<BTreeMap<FaultKind, Result<(), String>>>,
}

impl Remotes {
    /// These hosts, none of which is reached yet.
    pub fn new(lines: Vec<HostLine>, options: SshOptions) -> Remotes {
        Remotes { lines, options, can: OnceLock::new() }
    }

    /// What can be done on all hosts. Hosts that cannot even be reached have no say: the start of the cluster will
    /// tell why.
    fn ask(&self) -> BTreeMap<FaultKind, Result<(), String>> {
        let rows = probe(&self.lines, &self.options).unwrap_or_default();
        let reached = |host: &str| {
            rows.iter().any(|row| row.host == host && row.fault == FaultKind::Kill && row.able.is_ok())
        };
        let no = |kind| {
            let mut rows = rows.iter().filter(|row| row.fault == kind && reached(&row.host));
            rows.find_map(|row| row.able.as_ref().err().map(|why| format!("{}: {why}", row.host)))
        };
        FaultKind::ALL.into_iter().map(|kind| (kind, no(kind).map_or(Ok(()), Err))).collect()
    }
}

impl Ground for Remotes {
    fn lay_out(
        &self,
        nodes: &[NodeId],
        _: Framing,
        chance: &Chance,
    ) -> Result<(Runtime, Arc<dyn Hosts>), HarnessError> {
        let runtime = runtime()?;
        let (options, cargo) =
            (Arc::new(self.options.clone()), Arc::new(Cargo::load(self.options.program.as_deref())?));
        let run = run_name();
        let mut members = BTreeMap::new();
        for (node, line) in nodes.iter().zip(&self.lines) {
            let home = format!("{}/runs/{run}/{node}", options.remote_dir);
            let (means, seed) = ((Arc::clone(&options), Arc::clone(&cargo)), chance.split("network").bits());
            members.insert(*node, Arc::new(Member::new((*node, line.clone()), means, home, seed)?));
        }
        let fleet = Fleet { members, options, links: Mutex::default() };
        let reached: Vec<HarnessError> =
            fleet.everywhere(|member| member.reach()).into_iter().flat_map(Result::err).collect();
        match reached.as_slice() {
            [] => Ok((runtime, Arc::new(fleet))),
            [error] => Err(error.clone()),
            errors => {
                let all: Vec<String> = errors.iter().map(HarnessError::to_string).collect();
                Err(HarnessError::new(format!("reach {} hosts", all.len()), all.join("\n")))
            }
        }
    }

    fn can(&self, kind: FaultKind) -> Result<(), String> {
        let able = self.can.get_or_init(|| self.ask());
        able.get(&kind).cloned().unwrap_or(Ok(()))
    }

    fn nobody_stands_by(&self) -> &'static str {
        crate::ssh::NEEDS_SPARES
    }

    fn is_here(&self) -> bool {
        false
    }
}

/// A name that no other run on these hosts has.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_millis(), std::process::id())
}

/// The hosts of a running cluster.
struct Fleet {
    members: BTreeMap<NodeId, Arc<Member>>,
    options: Arc<SshOptions>,
    links: Mutex<Links>,
}

/// What is wrong between the hosts, and what links did.
#[derive(Debug, Default)]
struct Links {
    conditions: BTreeMap<Link, Condition>,
    /// What each did when it was last asked for.
    last: BTreeMap<Link, Counts>,
    /// What each did before the agent that counts began to count.
    past: BTreeMap<Link, Counts>,
}

impl Fleet {
    fn member(&self, node: NodeId) -> &Arc<Member> {
        self.members.get(&node).expect("only members are asked about")
    }

    /// Does something on every host at once.
    fn everywhere<T: Send>(&self, action: impl Fn(&Arc<Member>) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let doing: Vec<_> = self.members.values().map(|member| scope.spawn(|| action(member))).collect();
            doing.into_iter().map(|done| done.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        })
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hosts for Fleet {
    fn place(&self, node: NodeId) -> Place {
        let peers = self.members.iter().filter(|(peer, _)| **peer != node);
        let peers =
            peers.map(|(peer, member)| (*peer, SocketAddr::new(member.listen, self.options.ports.peers)));
        let (listen, ports) = (self.member(node).listen, self.options.ports);
        Place { peers: peers.collect(), listen, ports, parent: 0 }
    }

    fn seat(&self, seat: &Seat) -> Seat {
        let member = self.member(seat.node);
        let home = PathBuf::from(&member.home);
        Seat { data: home.join("data"), ready: home.join("ready"), parent: member.parent(), ..seat.clone() }
    }

    fn levers(self: Arc<Self>) -> Arc<dyn Levers> {
        self
    }

    /// A system reads ready files where it is itself.
    fn bring_ready(&self, seat: &Seat) -> io::Result<()> {
        match self.member(seat.node).ask(Request::Ready).map_err(io::Error::other)? {
            Answer::Ready(Some(text)) => fs::write(&seat.ready, text),
            _ => Ok(()),
        }
    }

    fn watch(&self, tell: UnboundedSender<NodeId>) {
        self.members.values().for_each(|member| member.watch(tell.clone()));
    }

    fn recover(&self, node: NodeId) -> Result<(), HarnessError> {
        let mut links = self.links();
        let Links { last, past, .. } = &mut *links;
        for (link, counts) in last.iter().filter(|(link, _)| link.to == node) {
            past.insert(*link, *counts);
        }
        drop(links);
        self.member(node).recover()
    }

    /// What was brought to the host runs there.
    fn launch(&self, seat: &Seat, launch: Launch) -> io::Result<Launch> {
        let there = self.member(seat.node).program(&launch.program);
        Ok(Launch { program: there.map_or(launch.program.clone(), PathBuf::from), ..launch })
    }

    fn spawn(&self, node: NodeId, command: Command) -> io::Result<Box<dyn Offspring>> {
        Ok(Box::new(self.member(node).start(&command)?))
    }

    /// Nodes never move.
    fn locate(&self, _: NodeId, _: Option<SocketAddr>) {}

    /// The node's own.
    fn door(&self, clients: SocketAddr) -> io::Result<Door> {
        Ok(Door { address: clients, proxy: None })
    }

    fn network(&self) -> &dyn Network {
        self
    }

    fn dissolve(&self) -> Result<(), String> {
        let left: Vec<String> =
            self.everywhere(|member| member.wipe()).into_iter().filter_map(Result::err).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    }
}

impl Network for Fleet {
    fn carries(&self) -> Unit {
        Unit::Frames
    }

    fn all(&self, which: &dyn Fn(Condition) -> bool) -> Vec<Link> {
        let links = self.links();
        links.conditions.iter().filter(|(_, condition)| which(**condition)).map(|(link, _)| *link).collect()
    }

    /// Every host is told at once. Then every link that changes is tried with a packet of our own, so that even one that
    /// nobody uses shows what it does.
    fn change(&self, links: &[Link], change: &dyn Fn(&mut Condition)) -> Result<(), String> {
        let mut orders: BTreeMap<NodeId, BTreeMap<IpAddr, words::Condition>> = BTreeMap::new();
        let mut knocks: BTreeMap<NodeId, Vec<IpAddr>> = BTreeMap::new();
        let mut known = self.links();
        for link in links {
            let condition = known.conditions.entry(*link).or_default();
            change(condition);
            let (from, to) = (self.member(link.from).listen, self.member(link.to).listen);
            let treated = words::Condition { cut: condition.cut, policy: frames::policy(condition.trouble) };
            orders.entry(link.to).or_default().insert(from, treated);
            knocks.entry(link.from).or_default().push(to);
        }
        drop(known);
        block_in_place(|| {
            let ordered = orders.into_iter().map(|(node, conditions)| {
                let member = self.member(node);
                (member, member.treat(conditions))
            });
            let ordered: Vec<_> = ordered.collect();
            let refused = ordered.into_iter().filter_map(|(member, pending)| {
                let why = pending.and_then(|pending| pending.wait()).err()?;
                Some(format!("{}: {why}", member.place()))
            });
            let refused: Vec<String> = refused.collect();
            for (node, at) in knocks {
                let member = self.member(node);
                // Whoever refuses to send is not what is asked about here: the counters will tell.
                let _sent = member.order(Request::Knock { from: member.listen, at });
            }
            if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
        })
    }

    /// Of hosts that are not connected, what they said last.
    fn counts(&self, links: &[Link]) -> Result<Vec<Counts>, String> {
        let asked: BTreeMap<NodeId, _> =
            links.iter().map(|link| (link.to, self.member(link.to).order(Request::Counts))).collect();
        let said = block_in_place(|| {
            let said =
                asked.into_iter().map(|(node, pending)| (node, pending.and_then(|pending| pending.wait())));
            said.collect::<BTreeMap<_, _>>()
        });
        let mut known = self.links();
        let Links { last, past, .. } = &mut *known;
        let mut counts = Vec::new();
        for link in links {
            if let Some(Ok(Answer::Counts(said))) = said.get(&link.to) {
                let now = said.get(&self.member(link.from).listen).copied().unwrap_or_default();
                let before = past.get(link).copied().unwrap_or_default();
                last.insert(*link, before + frames::counts(now));
            }
            counts.push(last.get(link).copied().unwrap_or_default());
        }
        Ok(counts)
    }
}

impl Levers for Fleet {
    fn signal(&self, node: NodeId, _: Pid, signal: Signal) -> io::Result<()> {
        let request = match signal {
            Signal::SIGKILL => Request::Kill,
            Signal::SIGTERM => Request::Terminate,
            Signal::SIGSTOP => Request::Pause,
            Signal::SIGCONT => Request::Resume,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        // What became of it shows in the process.
        self.member(node).order(request).map(drop).map_err(io::Error::other)
    }

    fn is_stopped(&self, node: NodeId, pid: Pid) -> Option<bool> {
        match self.member(node).ask(Request::Status) {
            Ok(Answer::Process(process)) if process.pid.cast_signed() == pid.as_raw() => {
                match process.state {
                    State::Gone => None,
                    State::Runs => Some(false),
                    State::Stopped => Some(true),
                }
            }
            _ => None,
        }
    }

    fn wall(&self, node: NodeId) -> Result<i64, String> {
        match self.member(node).ask(Request::Wall)? {
            Answer::Wall(nanoseconds) => Ok(nanoseconds),
            other => Err(unexpected(&other)),
        }
    }

    fn turn(&self, node: NodeId, pid: Pid, wall: Turn, monotonic: Turn) -> Result<Turned, String> {
        let pid = pid.as_raw().cast_unsigned();
        match self.member(node).ask(Request::Turn { pid, wall, monotonic })? {
            Answer::Clocks(turned) => Ok(turned),
            other => Err(unexpected(&other)),
        }
    }

    fn restore(&self, node: NodeId) -> Option<Result<Turned, String>> {
        match self.member(node).ask(Request::Restore) {
            Ok(Answer::Done) => None,
            Ok(Answer::Clocks(turned)) => Some(Ok(turned)),
            Ok(other) => Some(Err(unexpected(&other))),
            Err(why) => Some(Err(why)),
        }
    }

    fn mount(&self, node: NodeId, _: &Path) -> Result<(), String> {
        let member = self.member(node);
        member.mount().map_err(|why| format!("{}: {why}", member.line.name))
    }

    fn cut_power(&self, node: NodeId, tear: Option<u64>) -> Result<Lost, String> {
        match self.member(node).ask(Request::CutPower(tear))? {
            Answer::Lost(lost) => Ok(lost),
            other => Err(unexpected(&other)),
        }
    }

    fn sicken(&self, node: NodeId, trouble: Trouble) -> Result<linux::disk::Counters, String> {
        match self.member(node).sicken(trouble)? {
            Answer::Disk(before) => Ok(before),
            other => Err(unexpected(&other)),
        }
    }

    fn counters(&self, node: NodeId) -> Result<linux::disk::Counters, String> {
        match self.member(node).ask(Request::Disk)? {
            Answer::Disk(counters) => Ok(counters),
            other => Err(unexpected(&other)),
        }
    }

    fn copy(&self, node: NodeId, _: &Path) -> Result<(), String> {
        self.member(node).ask(Request::Copy).map(drop)
    }

    fn damage(&self, node: NodeId, _: &Path, damage: &Damage, seed: u64) -> Result<String, String> {
        match self.member(node).ask(Request::Damage { damage: damage.clone(), seed })? {
            Answer::Damaged(what) => Ok(what),
            other => Err(unexpected(&other)),
        }
    }

    fn put_back(&self, node: NodeId, _: &Path) -> Result<(), String> {
        self.member(node).ask(Request::PutBack).map(drop)
    }

    fn press(&self, node: NodeId, pid: Pid, limit: Limit) -> Result<Reading, String> {
        let pid = pid.as_raw().cast_unsigned();
        group(self.member(node).ask(Request::Press { pid, limit })?)
    }

    fn pressure(&self, node: NodeId) -> Result<Reading, String> {
        group(block_in_place(|| self.member(node).ask(Request::Pressure))?)
    }

    /// An agent that is not there has given up all pressure.
    fn relieve(&self, node: NodeId) -> Result<(), String> {
        let member = self.member(node);
        let relieved = block_in_place(|| member.ask(Request::Relieve)).map(drop);
        if member.is_connected() { relieved } else { Ok(()) }
    }

    /// Each agent unmounts what it has mounted, before it removes the node's directory or ends.
    fn unmount(&self) -> Vec<String> {
        Vec::new()
    }
}

fn group(answer: Answer) -> Result<Reading, String> {
    match answer {
        Answer::Pressure(reading) => Ok(reading),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Answer) -> String {
    format!("its agent answered {answer:?}")
}
