//! All members of a running cluster, and who sees to it that they stay connected.

use super::deploy::Cargo;
use super::member::{Life, Member, Shared};
use super::{HostLine, SshOptions};
use agent::words::Request;
use cluster::{Arrival, HarnessError, Seat, System};
use history::{Chance, Link, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

/// How long a whole cluster may take to come to life and to find a leader, once its hosts are reached.
const READY: Duration = Duration::from_secs(20);
/// The first pause between two attempts to reach a host again. It doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// All members of a running cluster.
pub struct Crew {
    /// What they run.
    pub system: Arc<dyn System>,
    /// Who they are.
    pub members: BTreeMap<NodeId, Arc<Member>>,
    /// Where everything that happens is told.
    pub arrivals: mpsc::Sender<Arrival>,
    cuts: Mutex<BTreeSet<Link>>,
    trouble: Mutex<Option<HarnessError>>,
}

impl Crew {
    /// Seats a node on each host; reaches none. Also, where it will be told whose connection is lost.
    ///
    /// # Errors
    /// If a host has no address, or there is no directory to be had here.
    pub fn seat(
        system: Arc<dyn System>,
        lines: &[HostLine],
        options: &SshOptions,
        directory: &Path,
        seed: u64,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<(Crew, UnboundedReceiver<NodeId>), HarnessError> {
        let (lost, told) = unbounded_channel();
        let cargo = Arc::new(Cargo::load(options.program.as_deref())?);
        let shared = Shared { system: Arc::clone(&system), cargo, arrivals: arrivals.clone(), lost };
        let count = u16::try_from(lines.len());
        let nodes = NodeId::all(count.map_err(|why| HarnessError::new("seat a node on each host", why))?);
        let data = lines.iter().map(HostLine::data).collect::<Result<Vec<IpAddr>, HarnessError>>()?;
        let (run, chance) = (run_name(), Chance::new(seed));
        let mut members = BTreeMap::new();
        for ((node, line), listen) in nodes.iter().zip(lines).zip(&data) {
            let here = directory.join("nodes").join(node.to_string());
            prepare(&here)?;
            let home = format!("{}/runs/{run}/{node}", options.remote_dir);
            let others = nodes.iter().zip(&data).filter(|(peer, _)| *peer != node);
            let there = Seat {
                node: *node,
                peers: others.map(|(peer, ip)| (*peer, SocketAddr::new(*ip, options.ports.peers))).collect(),
                data: PathBuf::from(format!("{home}/data")),
                ready: PathBuf::from(format!("{home}/ready")),
                seed: chance.split(&format!("node {node}")).bits(),
                listen: *listen,
                ports: options.ports,
                parent: 0,
            };
            let member = Member::new(&shared, line.clone(), options.clone(), there, home, here);
            members.insert(*node, Arc::new(member));
        }
        let crew = Crew { system, members, arrivals, cuts: Mutex::default(), trouble: Mutex::default() };
        Ok((crew, told))
    }

    fn everyone(&self) -> Vec<Arc<Member>> {
        self.members.values().cloned().collect()
    }

    /// Reaches every host, all at once.
    ///
    /// # Errors
    /// With what is wrong with each host that cannot be used.
    pub async fn reach(&self) -> Result<(), HarnessError> {
        let mut reaching = JoinSet::new();
        for member in self.everyone() {
            reaching.spawn_blocking(move || member.reach());
        }
        let mut errors: Vec<HarnessError> =
            reaching.join_all().await.into_iter().filter_map(Result::err).collect();
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            some => {
                let all: Vec<String> = errors.iter().map(HarnessError::to_string).collect();
                Err(HarnessError::new(format!("reach {some} hosts"), all.join("\n")))
            }
        }
    }

    /// Starts every node and waits until all serve and one leads.
    ///
    /// # Errors
    /// If one of them does not, with its last words.
    pub async fn start(&self) -> Result<(), HarnessError> {
        let deadline = Instant::now() + READY;
        let mut starting = JoinSet::new();
        for member in self.everyone() {
            starting.spawn(async move {
                let started = member.start().await;
                let pid =
                    started.map_err(|why| HarnessError::new(format!("start {}", member.place()), why))?;
                let served = member.serve(pid, READY).await;
                served.map_err(|why| HarnessError::new(format!("start {}", member.place()), why))?;
                tokio::spawn(Arc::clone(&member).observe());
                Ok(())
            });
        }
        starting.join_all().await.into_iter().collect::<Result<Vec<()>, HarnessError>>()?;
        while self.primaries().is_empty() {
            if Instant::now() >= deadline {
                let why = format!("none of {} nodes leads after {} s", self.members.len(), READY.as_secs());
                return Err(HarnessError::new("start the cluster", why));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The nodes that run and said last that they lead.
    pub fn primaries(&self) -> Vec<NodeId> {
        self.those(|life| {
            life.pid.is_some() && !life.paused && life.standing.is_some_and(|standing| standing.primary)
        })
    }

    /// The nodes whose processes stand like this.
    pub fn those(&self, stand: impl Fn(&Life) -> bool) -> Vec<NodeId> {
        let those = self.members.values().filter(|member| stand(&member.life()));
        those.map(|member| member.node).collect()
    }

    /// The links that are meant to be cut.
    pub fn cuts(&self) -> MutexGuard<'_, BTreeSet<Link>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went wrong with the harness itself, said once.
    pub fn trouble(&self) -> Option<HarnessError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reaches hosts again whose connections were lost, for ever.
    pub async fn mend(self: Arc<Self>, mut lost: UnboundedReceiver<NodeId>) {
        let mut mending = JoinSet::new();
        while let Some(node) = lost.recv().await {
            if let Some(member) = self.members.get(&node).cloned() {
                let crew = Arc::clone(&self);
                mending.spawn(async move {
                    if let Err(error) = crew.restore(&member).await {
                        *crew.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                });
            }
        }
    }

    /// Reaches a host again and makes everything there as it is meant to be: its agent has repaired it meanwhile.
    async fn restore(&self, member: &Arc<Member>) -> Result<(), HarnessError> {
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let again = Arc::clone(member);
            let reached = spawn_blocking(move || {
                again.let_go();
                again.reach()
            });
            match reached.await.unwrap_or_else(|why| Err(HarnessError::new("reach a host again", why))) {
                Ok(()) => break,
                Err(error) if begin.elapsed() > member.options.patience => return Err(error),
                Err(error) => tracing::debug!("{}: {error}", member.place()),
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        let failed = |why: String| HarnessError::new(format!("restore {}", member.place()), why);
        let cut_off: Vec<IpAddr> = {
            let cuts = self.cuts();
            let from = cuts.iter().filter(|link| link.to == member.node).map(|link| link.from);
            from.filter_map(|from| self.members.get(&from)).map(|from| from.there.listen).collect()
        };
        if !cut_off.is_empty() {
            member.ask(Request::Cut(cut_off)).await.map_err(failed)?;
        }
        let killed = member.life().killed;
        if !killed {
            let pid = member.start().await.map_err(failed)?;
            member.serve(pid, READY).await.map_err(failed)?;
        }
        let outage = begin.elapsed().as_secs_f64();
        tracing::warn!(
            "{}: connected again after {outage:.1} s; its node was down meanwhile",
            member.place()
        );
        Ok(())
    }

    /// Kills every node, fetches its log, clears its host and lets go of it.
    ///
    /// # Errors
    /// What may be left, and where.
    pub async fn clear(&self) -> Result<(), HarnessError> {
        let mut clearing = JoinSet::new();
        for member in self.everyone() {
            clearing.spawn(async move {
                let cleared = member.clear().await;
                let (place, home) =
                    (format!("{} ({})", member.place(), member.line.control), member.home.clone());
                // Its agent repairs what is left, if it is there.
                let _let_go = spawn_blocking(move || member.let_go()).await;
                cleared.map_err(|why| format!("{place}: {home} may be left: {why}"))
            });
        }
        let left: Vec<String> = clearing.join_all().await.into_iter().filter_map(Result::err).collect();
        if left.is_empty() { Ok(()) } else { Err(HarnessError::new("clear every host", left.join("; "))) }
    }
}

/// A name that no other run on these hosts has.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_millis(), std::process::id())
}

fn prepare(here: &Path) -> Result<(), HarnessError> {
    fs::create_dir_all(here)
        .map_err(|why| HarnessError::new(format!("make the directory {}", here.display()), why))
}
