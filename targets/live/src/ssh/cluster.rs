//! A cluster on machines that the user has.

use super::client::{self, Job};
use super::crew::Crew;
use super::faults;
use super::{HostLine, SshOptions};
use cluster::{Abilities, Arrival, Cluster, HarnessError, System};
use history::{Call, Fault, FaultKind, NodeId, ProcessId, Time};
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

/// A cluster on machines that are reached over SSH: one node on each. Nothing but our own directory, processes
/// and packet filter table is touched there, and nothing of it remains.
pub struct Ssh {
    system: Arc<dyn System>,
    lines: Vec<HostLine>,
    directory: PathBuf,
    seed: u64,
    options: SshOptions,
    clock: Instant,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    crew: Arc<Crew>,
    arrivals: mpsc::Receiver<Arrival>,
    faults: UnboundedSender<Fault>,
    keepers: Vec<JoinHandle<()>>,
    workers: BTreeMap<ProcessId, UnboundedSender<Job>>,
}

impl Ssh {
    /// A cluster of one node on each of these hosts; their logs will come to `directory`. Time begins now; no
    /// host is reached yet.
    pub fn new(
        system: Arc<dyn System>,
        hosts: Vec<HostLine>,
        directory: PathBuf,
        seed: u64,
        options: SshOptions,
    ) -> Ssh {
        Ssh { system, lines: hosts, directory, seed, options, clock: Instant::now(), running: None }
    }

    fn running(&mut self, doing: &str) -> Result<&mut Running, HarnessError> {
        self.running.as_mut().ok_or_else(|| HarnessError::new(doing, "the cluster is not running"))
    }

    fn must_know(&self, fault: &Fault) -> Result<(), HarnessError> {
        let nodes = self.nodes();
        let unknown = match fault {
            Fault::Cut { links, .. } => {
                let ends = links.iter().flat_map(|link| [link.from, link.to]);
                let selves = links.iter().filter(|link| link.from == link.to).map(|link| link.from);
                selves.chain(ends.filter(|node| !nodes.contains(node))).next()
            }
            Fault::Kill { nodes: named }
            | Fault::Start { nodes: named }
            | Fault::Pause { nodes: named }
            | Fault::Resume { nodes: named } => named.iter().copied().find(|node| !nodes.contains(node)),
            // The others are not made here, whoever is named.
            _ => None,
        };
        unknown.map_or(Ok(()), |node| {
            Err(HarnessError::new(fault.to_string(), format!("there is no such node or link: {node}")))
        })
    }
}

impl Cluster for Ssh {
    fn nodes(&self) -> Vec<NodeId> {
        NodeId::all(u16::try_from(self.lines.len()).unwrap_or(u16::MAX))
    }

    fn abilities(&self) -> Abilities {
        let able = |kind| match kind {
            FaultKind::Partition | FaultKind::Kill | FaultKind::Pause => Ok(()),
            FaultKind::Crash => {
                Err("the power of somebody's machine is not ours to cut; use kill, or --on sim".to_owned())
            }
            other => Err(format!("{other} faults are not made over ssh yet; use --on netns or --on sim")),
        };
        let faults = FaultKind::ALL.into_iter().map(|kind| (kind, able(kind))).collect();
        Abilities { calls: self.system.serves(), faults }
    }

    fn primaries(&self) -> Vec<NodeId> {
        self.running.as_ref().map_or_else(Vec::new, |running| running.crew.primaries())
    }

    fn now(&self) -> Time {
        Time::ZERO + self.clock.elapsed()
    }

    fn start(&mut self) -> Result<(), HarnessError> {
        if self.running.is_some() || self.lines.is_empty() {
            let why = if self.lines.is_empty() { "it has no hosts" } else { "it runs already" };
            return Err(HarnessError::new("start the cluster", why));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|why| HarnessError::new("start the runtime", why))?;
        let (tell, arrivals) = mpsc::channel();
        let system = Arc::clone(&self.system);
        let (crew, lost) = Crew::seat(system, &self.lines, &self.options, &self.directory, self.seed, tell)?;
        let crew = Arc::new(crew);
        let reached = runtime.block_on(crew.reach());
        let (faults, todo) = unbounded_channel();
        let keepers = vec![
            runtime.spawn(faults::serve(Arc::clone(&crew), todo)),
            runtime.spawn(Arc::clone(&crew).mend(lost)),
        ];
        let running =
            Running { runtime, crew: Arc::clone(&crew), arrivals, faults, keepers, workers: BTreeMap::new() };
        let running = self.running.insert(running);
        if let Err(error) = reached {
            // Hosts that were reached are let go of; on the others there is nothing to clear.
            let _incomplete = self.stop();
            return Err(error);
        }
        running.runtime.block_on(crew.start()).map_err(|error| match self.stop() {
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
        let Running { runtime, crew, workers, .. } = self.running("ask")?;
        let worker = workers.entry(process).or_insert_with(|| {
            let (jobs, todo) = unbounded_channel();
            runtime.spawn(client::work(process, todo, Arc::clone(crew)));
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
            if let Some(error) = running.crew.trouble() {
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

    fn stop(&mut self) -> Result<(), HarnessError> {
        let Some(Running { runtime, crew, keepers, .. }) = self.running.take() else { return Ok(()) };
        // Before anything is killed, nobody may be left who starts something.
        for keeper in keepers {
            keeper.abort();
            let _aborted = runtime.block_on(keeper);
        }
        let cleared = runtime.block_on(crew.clear());
        runtime.shutdown_timeout(self.options.silence);
        cleared
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!("{error}");
        }
    }
}
