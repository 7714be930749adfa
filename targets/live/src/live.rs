//! A cluster of real processes.

use crate::daemon::Daemon;
use crate::faults;
use crate::hosts::Ground;
use crate::pressures;
use crate::settled;
use crate::site::Site;
use crate::worker::{self, Job};
use cluster::{Abilities, Arrival, ClockReading, Cluster, HarnessError, System};
use history::{Call, Chance, Fault, FaultKind, NodeId, ProcessId, Time};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// How often a waiting runner looks whether the harness itself is in trouble.
const GLANCE: Duration = Duration::from_millis(200);
/// How long killed processes may take to be gone.
const CLEARING: Duration = Duration::from_secs(5);

/// A cluster of real processes, one per node, on some kind of ground.
pub struct Live<G> {
    ground: G,
    system: Arc<dyn System>,
    nodes: Vec<NodeId>,
    spares: Vec<NodeId>,
    directory: PathBuf,
    seed: u64,
    clock: Instant,
    lossy_disks: bool,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    site: Arc<Site>,
    arrivals: mpsc::Receiver<Arrival>,
    faults: UnboundedSender<Fault>,
    /// Who makes faults, and who mends what we lose sight of.
    keepers: [JoinHandle<()>; 2],
    workers: BTreeMap<ProcessId, UnboundedSender<Job>>,
}

impl<G: Ground + Default> Live<G> {
    /// A cluster of so many nodes, which will keep their data and logs in `directory`. Time begins now; nothing
    /// is started yet.
    pub fn new(system: Arc<dyn System>, nodes: u16, directory: PathBuf, seed: u64) -> Live<G> {
        Live::on(G::default(), system, nodes, directory, seed)
    }
}

impl<G> Live<G> {
    /// A cluster on this ground, otherwise as [`Live::new`].
    pub fn on(ground: G, system: Arc<dyn System>, nodes: u16, directory: PathBuf, seed: u64) -> Live<G> {
        let (nodes, clock) = (NodeId::all(nodes), Instant::now());
        let spares = Vec::new();
        Live { ground, system, nodes, spares, directory, seed, clock, lossy_disks: false, running: None }
    }

    /// Gives every node a disk that forgets what was not synced when its power is cut, and that can be made ill.
    /// Without it, crash and disk faults are skipped. Every sync costs a little more then, so it is not the default.
    #[must_use]
    pub fn with_lossy_disks(mut self) -> Live<G> {
        self.lossy_disks = true;
        self
    }

    /// Has so many more nodes stand by, which may join the cluster later.
    #[must_use]
    pub fn with_spares(mut self, spares: u16) -> Live<G> {
        let founders = self.nodes.len();
        self.nodes = NodeId::all(founders as u16 + spares);
        self.spares = self.nodes[founders..].to_vec();
        self
    }

    fn founders(&self) -> Vec<NodeId> {
        self.nodes.iter().copied().filter(|node| !self.spares.contains(node)).collect()
    }

    fn running(&mut self, doing: &str) -> Result<&mut Running, HarnessError> {
        self.running.as_mut().ok_or_else(|| HarnessError::new(doing, "the cluster is not running"))
    }

    fn must_know(&self, fault: &Fault) -> Result<(), HarnessError> {
        let unknown = match fault {
            Fault::Cut { links, .. } | Fault::Impair { links, .. } => {
                let ends = links.iter().flat_map(|link| [link.from, link.to]);
                let selves = links.iter().filter(|link| link.from == link.to).map(|link| link.from);
                selves.chain(ends.filter(|node| !self.nodes.contains(node))).next()
            }
            Fault::Kill { nodes }
            | Fault::Terminate { nodes }
            | Fault::Crash { nodes, .. }
            | Fault::Start { nodes }
            | Fault::Pause { nodes }
            | Fault::Resume { nodes }
            | Fault::Skew { nodes, .. }
            | Fault::Sicken { nodes, .. }
            | Fault::Press { nodes, .. }
            | Fault::Damage { nodes, .. } => nodes.iter().copied().find(|node| !self.nodes.contains(node)),
            Fault::Members { join, leave } => {
                join.iter().chain(leave).copied().find(|node| !self.nodes.contains(node))
            }
            Fault::Repair { .. } => None,
        };
        match unknown {
            Some(node) => {
                Err(HarnessError::new(fault.to_string(), format!("there is no such node or link: {node}")))
            }
            None => Ok(()),
        }
    }
}

impl<G: Ground> Cluster for Live<G> {
    fn nodes(&self) -> Vec<NodeId> {
        let employed = |running: &Running| running.site.members.staff(|staff| staff.employed());
        self.running.as_ref().map_or_else(|| self.founders(), employed)
    }

    fn spares(&self) -> Vec<NodeId> {
        let spares = |running: &Running| running.site.members.staff(|staff| staff.spares());
        self.running.as_ref().map_or_else(|| self.spares.clone(), spares)
    }

    fn abilities(&self) -> Abilities {
        let able = |kind| match kind {
            FaultKind::Crash | FaultKind::Disk => linux::disk::can(),
            FaultKind::Clock => linux::clock::can(),
            FaultKind::Pressure => pressures::can(),
            FaultKind::Members if !self.system.can_change() => {
                Err("the members of this system do not change while it runs".to_owned())
            }
            FaultKind::Members if self.spares.is_empty() => Err(self.ground.nobody_stands_by().to_owned()),
            FaultKind::Partition
            | FaultKind::Kill
            | FaultKind::Pause
            | FaultKind::Packets
            | FaultKind::Members
            | FaultKind::Damage => Ok(()),
        };
        let able = |kind| match self.ground.can(kind) {
            Ok(()) if self.ground.is_here() || kind == FaultKind::Members => able(kind),
            other => other,
        };
        let faults = FaultKind::ALL.into_iter().map(|kind| (kind, able(kind))).collect();
        Abilities { calls: self.system.serves(), faults }
    }

    fn primaries(&self) -> Vec<NodeId> {
        self.running.as_ref().map_or_else(Vec::new, |running| running.site.primaries())
    }

    fn serving(&self) -> Vec<NodeId> {
        self.running.as_ref().map_or_else(Vec::new, |running| running.site.serving())
    }

    fn now(&self) -> Time {
        Time::ZERO + self.clock.elapsed()
    }

    fn start(&mut self) -> Result<(), HarnessError> {
        if self.running.is_some() || self.nodes.is_empty() {
            let why = if self.nodes.is_empty() { "it has no nodes" } else { "it runs already" };
            return Err(HarnessError::new("start the cluster", why));
        }
        if self.ground.is_here() {
            settled::refuse("start the cluster", settled::dead_mounts)?;
        }
        allow_open_files();
        let chance = Chance::new(self.seed);
        let (runtime, hosts) = self.ground.lay_out(&self.nodes, self.system.framing(), &chance)?;
        let (tell, arrivals) = mpsc::channel();
        let system = Arc::clone(&self.system);
        let nodes = (&self.nodes[..], &self.spares[..]);
        let site = Arc::new(Site::lay_out(system, hosts, nodes, &self.directory, &chance, tell)?);
        let ((faults, todo), (lost, told)) = (unbounded_channel(), unbounded_channel());
        site.hosts.watch(lost);
        let making = runtime.spawn(faults::serve(Arc::clone(&site), todo));
        let keepers = [making, runtime.spawn(Arc::clone(&site).mend(told))];
        let (workers, starting) = (BTreeMap::new(), Arc::clone(&site));
        // Where the ground has none, crash and disk faults are known to be missing.
        let lossy = self.lossy_disks && self.ground.can(FaultKind::Disk).is_ok();
        let running = self.running.insert(Running { runtime, site, arrivals, faults, keepers, workers });
        let mounted = if lossy { starting.mount_disks() } else { Ok(()) };
        // On a thread of the runtime: this one may be in another network than the nodes.
        let started = running.runtime.spawn(async move {
            mounted?;
            starting.start().await
        });
        let started = running.runtime.block_on(started);
        let started = started.unwrap_or_else(|why| Err(HarnessError::new("start the cluster", why)));
        started.map_err(|error| match self.stop() {
            Ok(()) => error,
            Err(unclean) => HarnessError { why: format!("{}; moreover: {unclean}", error.why), ..error },
        })
    }

    fn invoke(
        &mut self,
        process: ProcessId,
        node: NodeId,
        call: Call,
        patience: Duration,
    ) -> Result<(), HarnessError> {
        let running = self.running("ask")?;
        let Running { runtime, site, workers, .. } = running;
        let worker = workers.entry(process).or_insert_with(|| {
            let (jobs, todo) = unbounded_channel();
            runtime.spawn(worker::work(process, todo, Arc::clone(site)));
            jobs
        });
        let deadline = tokio::time::Instant::now() + patience;
        let sent = worker.send(Job { node, call, deadline });
        sent.map_err(|_| HarnessError::new(format!("ask on behalf of {process}"), "its task is gone"))
    }

    fn inject(&mut self, fault: Fault) -> Result<(), HarnessError> {
        self.must_know(&fault)?;
        let sent = self.running("inject a fault")?.faults.send(fault);
        sent.map_err(|fault| {
            HarnessError::new(format!("inject {}", fault.0), "the task that injects is gone")
        })
    }

    fn next(&mut self, until: Time) -> Result<Option<Arrival>, HarnessError> {
        loop {
            let left = until.since(self.now());
            let running = self.running("wait")?;
            if let Some(error) = running.site.trouble() {
                return Err(error);
            }
            match running.arrivals.recv_timeout(left.min(GLANCE)) {
                Ok(arrival) => {
                    // A client whose call ended unknown never speaks again.
                    if let Arrival::Completed { process, outcome } = &arrival
                        && outcome.is_unknown()
                    {
                        running.workers.remove(process);
                    }
                    return Ok(Some(arrival));
                }
                Err(RecvTimeoutError::Timeout) if left <= GLANCE => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(HarnessError::new("wait", "every task is gone"));
                }
            }
        }
    }

    fn clocks(&self) -> Vec<ClockReading> {
        let daemons = self.running.iter().flat_map(|running| running.site.daemons.values());
        let seen = |daemon: &Arc<Daemon>| {
            let sighting = daemon.life(|life| life.serving.as_ref()?.sighting)?;
            Some(sighting.reading(daemon.node(), self.clock))
        };
        daemons.filter_map(seen).collect()
    }

    fn stop(&mut self) -> Result<(), HarnessError> {
        self.running.take().map_or(Ok(()), Running::stop)
    }
}

impl Running {
    fn stop(self) -> Result<(), HarnessError> {
        let Running { runtime, site, keepers, .. } = self;
        // Before anything is killed, nobody may be left who starts something.
        for keeper in keepers {
            keeper.abort();
            let _aborted = runtime.block_on(keeper);
        }
        let mut left = Vec::new();
        if site.hosts.are_guests() {
            // What is cut goes with its gates.
            left.extend(runtime.block_on(faults::undo(&site)));
            site.daemons.values().for_each(|daemon| daemon.leave());
        } else {
            // Who is frozen does not die of a signal.
            let relieved = site.pressures.relieve().into_iter();
            left.extend(relieved.filter_map(|(_, _, relieved)| relieved.err()));
            site.daemons.values().for_each(|daemon| drop(daemon.kill()));
        }
        for daemon in site.daemons.values() {
            match runtime.block_on(daemon.down_within(CLEARING)) {
                Ok(()) => daemon.rest(),
                Err(error) => left.push(format!("{}: {error}", daemon.node())),
            }
        }
        // Ends all tasks, and with them every proxy's port.
        runtime.shutdown_timeout(CLEARING);
        left.extend(site.disks.levers.unmount());
        left.extend(site.hosts.dissolve().err());
        if left.is_empty() {
            return Ok(());
        }
        Err(HarnessError::new("stop every node", left.join("; ")))
    }
}

impl<G> Drop for Live<G> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.running.take().map(Running::stop) {
            tracing::error!("{error}");
        }
    }
}

/// Every client has a connection to every node, and each of those takes three files here. The usual soft limit is
/// meant for programs that cannot bear more than 1024.
fn allow_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
}
