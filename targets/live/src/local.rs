//! A cluster of processes on this machine.

use crate::faults::{self, NO_CLOCK, NO_CRASH};
use crate::site::Site;
use crate::worker::{self, Job};
use cluster::{Abilities, Arrival, Cluster, HarnessError, System};
use history::{Call, Fault, FaultKind, NodeId, ProcessId, Time};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// How long killed processes may take to be gone.
const CLEARING: Duration = Duration::from_secs(5);

/// A cluster of processes on this machine, one per node, with a proxy on every path between them. It needs no
/// privileges and touches nothing but its own processes, its own ports and its own directory.
pub struct Local {
    system: Arc<dyn System>,
    nodes: Vec<NodeId>,
    directory: PathBuf,
    seed: u64,
    clock: Instant,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    site: Arc<Site>,
    arrivals: mpsc::Receiver<Arrival>,
    faults: UnboundedSender<Fault>,
    making: JoinHandle<()>,
    workers: BTreeMap<ProcessId, UnboundedSender<Job>>,
}

impl Local {
    /// A cluster of so many nodes, which will keep their data and logs in `directory`. Time begins now; nothing
    /// is started yet.
    pub fn new(system: Arc<dyn System>, nodes: u16, directory: PathBuf, seed: u64) -> Local {
        let clock = Instant::now();
        Local { system, nodes: NodeId::all(nodes), directory, seed, clock, running: None }
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
            | Fault::Crash { nodes }
            | Fault::Start { nodes }
            | Fault::Pause { nodes }
            | Fault::Resume { nodes }
            | Fault::Skew { nodes, .. } => nodes.iter().copied().find(|node| !self.nodes.contains(node)),
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

impl Cluster for Local {
    fn nodes(&self) -> Vec<NodeId> {
        self.nodes.clone()
    }

    fn abilities(&self) -> Abilities {
        let able = |kind| match kind {
            FaultKind::Crash => Err(NO_CRASH.to_owned()),
            FaultKind::Clock => Err(NO_CLOCK.to_owned()),
            FaultKind::Partition | FaultKind::Kill | FaultKind::Pause | FaultKind::Packets => Ok(()),
        };
        let faults = FaultKind::ALL.into_iter().map(|kind| (kind, able(kind))).collect();
        Abilities { calls: self.system.serves(), faults }
    }

    fn primaries(&self) -> Vec<NodeId> {
        self.running.as_ref().map_or_else(Vec::new, |running| running.site.primaries())
    }

    fn now(&self) -> Time {
        Time::ZERO + self.clock.elapsed()
    }

    fn start(&mut self) -> Result<(), HarnessError> {
        if self.running.is_some() || self.nodes.is_empty() {
            let why = if self.nodes.is_empty() { "it has no nodes" } else { "it runs already" };
            return Err(HarnessError::new("start the cluster", why));
        }
        allow_open_files();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|why| HarnessError::new("start the runtime", why))?;
        let (tell, arrivals) = mpsc::channel();
        let system = Arc::clone(&self.system);
        let within = runtime.enter();
        let site = Site::lay_out(system, &self.nodes, &self.directory, self.seed, tell)?;
        drop(within);
        let (faults, todo) = unbounded_channel();
        let site = Arc::new(site);
        let making = runtime.spawn(faults::serve(Arc::clone(&site), todo));
        let workers = BTreeMap::new();
        let running = Running { runtime, site: Arc::clone(&site), arrivals, faults, making, workers };
        let started = self.running.insert(running).runtime.block_on(site.start());
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
        let limit = until.since(self.now());
        let running = self.running("wait")?;
        match running.arrivals.recv_timeout(limit) {
            Ok(arrival) => {
                // A client whose call ended unknown never speaks again.
                if let Arrival::Completed { process, outcome } = &arrival
                    && outcome.is_unknown()
                {
                    running.workers.remove(process);
                }
                Ok(Some(arrival))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(HarnessError::new("wait", "every task is gone")),
        }
    }

    fn stop(&mut self) -> Result<(), HarnessError> {
        let Some(Running { runtime, site, making, .. }) = self.running.take() else { return Ok(()) };
        // Before anything is killed, nobody may be left who starts something.
        making.abort();
        let _aborted = runtime.block_on(making);
        for daemon in site.daemons.values() {
            daemon.kill();
        }
        let mut left = Vec::new();
        for daemon in site.daemons.values() {
            if let Err(error) = runtime.block_on(daemon.down_within(CLEARING)) {
                left.push(format!("{}: {error}", daemon.node()));
            }
        }
        // Ends all tasks, and with them every proxy's port.
        runtime.shutdown_timeout(CLEARING);
        if left.is_empty() {
            return Ok(());
        }
        Err(HarnessError::new("stop every node", left.join("; ")))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
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
