//! Everything that a running cluster is made of.

use crate::clocks::Clocks;
use crate::daemon::{Daemon, Life};
use crate::damages::Damages;
use crate::disks::Disks;
use crate::faults::processes;
use crate::hosts::{Hosts, Place};
use crate::members::Members;
use crate::pressures::Pressures;
use cluster::{Arrival, HarnessError, Seat, System};
use history::{Call, Chance, Injection, Key, NodeId, Outcome, ProcessId, Reply, Ticket};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

/// Everything that a running cluster is made of.
pub struct Site {
    /// How to speak to its nodes.
    pub system: Arc<dyn System>,
    /// Where they live.
    pub hosts: Arc<dyn Hosts>,
    /// Their processes.
    pub daemons: BTreeMap<NodeId, Arc<Daemon>>,
    /// Their clocks.
    pub clocks: Arc<Clocks>,
    /// Their disks, if those forget.
    pub disks: Disks,
    /// What was done to their data.
    pub damages: Damages,
    /// Who has too little of something.
    pub pressures: Pressures,
    /// Who is meant to run, and who says so.
    pub members: Members,
    /// Where everything that happens is told.
    pub arrivals: mpsc::Sender<Arrival>,
    /// What went wrong with the harness itself.
    trouble: Mutex<Option<HarnessError>>,
}

/// How long a whole cluster may take to come to life and to find a leader.
const READY: Duration = Duration::from_secs(20);

impl Site {
    /// Makes a directory for each node, also for those that stand by; starts nothing.
    ///
    /// # Errors
    /// If a directory cannot be had, or a node of an earlier run has left data.
    pub fn lay_out(
        system: Arc<dyn System>,
        hosts: Arc<dyn Hosts>,
        (nodes, spares): (&[NodeId], &[NodeId]),
        directory: &Path,
        chance: &Chance,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<Site, HarnessError> {
        let levers = Arc::clone(&hosts).levers();
        let mut daemons = BTreeMap::new();
        for node in nodes {
            let place = directory.join("nodes").join(node.to_string());
            let Place { peers, listen, ports, parent } = hosts.place(*node);
            let seat = Seat {
                node: *node,
                peers,
                spares: spares.to_vec(),
                listen,
                ports,
                parent,
                data: place.join("data"),
                ready: place.join("ready"),
                seed: chance.split(&format!("node {node}")).bits(),
            };
            prepare(&seat)?;
            let (system, hosts) = (Arc::clone(&system), Arc::clone(&hosts));
            let log = place.join("node.log");
            let daemon = Daemon::new(seat, log, system, hosts, Arc::clone(&levers), arrivals.clone());
            daemons.insert(*node, Arc::new(daemon));
        }
        let clocks = Arc::new(Clocks::new(Arc::clone(&levers)));
        let disks = Disks::new(Arc::clone(&levers), chance.split("disks"));
        let damages = Damages::new(Arc::clone(&levers), chance.split("damages"));
        let pressures = Pressures::new(levers);
        let (members, trouble) = (Members::new(nodes, spares), Mutex::default());
        Ok(Site { system, hosts, daemons, clocks, disks, damages, pressures, members, arrivals, trouble })
    }

    /// Gives every node a disk that forgets what was not synced.
    ///
    /// # Errors
    /// If there can be none; those that there are unmount themselves.
    pub fn mount_disks(&self) -> Result<(), HarnessError> {
        self.daemons.values().try_for_each(|daemon| self.disks.mount(daemon.node(), daemon.data()))
    }

    /// Starts every node and waits until all serve and one leads.
    ///
    /// # Errors
    /// If one of them does not, with its last words.
    pub async fn start(&self) -> Result<(), HarnessError> {
        let deadline = Instant::now() + READY;
        let mut started: Vec<(&Arc<Daemon>, Pid)> = Vec::new();
        let employed = |node| self.members.staff(|staff| staff.employs(node));
        for daemon in self.daemons.values().filter(|daemon| employed(daemon.node())) {
            let pid = daemon.start().await;
            let pid = pid.map_err(|why| HarnessError::new(format!("start node {}", daemon.node()), why))?;
            started.push((daemon, pid));
        }
        for (daemon, pid) in started {
            let serves = daemon.serve(pid, deadline.saturating_duration_since(Instant::now())).await;
            serves.map_err(|why| {
                let error = HarnessError::new(format!("start node {}", daemon.node()), why);
                error.advise(format!("its log ends:\n  {}", daemon.last_words(5).join("\n  ")))
            })?;
        }
        self.daemons.values().for_each(|daemon| drop(tokio::spawn(Arc::clone(daemon).observe())));
        while self.primaries().is_empty() {
            if Instant::now() >= deadline {
                let why = format!("none of {} nodes leads after {} s", self.daemons.len(), READY.as_secs());
                return Err(HarnessError::new("start the cluster", why));
            }
            sleep(Duration::from_millis(10)).await;
        }
        if self.hosts.are_guests() { self.is_empty().await } else { Ok(()) }
    }

    /// Whether nobody has written anything yet, as far as a read tells. With the data of an earlier run, another history
    /// would begin than the one that is recorded.
    ///
    /// # Errors
    /// If it holds something: what, and what to do about it.
    pub async fn is_empty(&self) -> Result<(), HarnessError> {
        // Every run begins with this key.
        let (call, primary) = (Call::Read { key: Key(0) }, self.primaries().first().copied());
        let door = primary.and_then(|node| self.daemons.get(&node)).and_then(|daemon| daemon.door());
        let Some((address, _)) = door.filter(|_| self.system.serves().contains(&call.kind())) else {
            return Ok(());
        };
        let doing = || "look at what the nodes hold";
        let mut client = self.system.connect(address).await.map_err(|why| HarnessError::new(doing(), why))?;
        match tokio::time::timeout(
            READY,
            client.call(Ticket { process: ProcessId(u32::MAX), number: 0 }, &call),
        )
        .await
        {
            Ok(Outcome::Ok(Reply::Read(Some(value)))) => {
                let why = format!("they have data of an earlier run: key {} holds {value}", Key(0));
                let advice = "a history must begin with a system that holds nothing: make the containers and their data anew";
                Err(HarnessError::new(doing(), why).advise(advice))
            }
            _ => Ok(()),
        }
    }

    /// Reaches hosts again that we have lost sight of, and starts their nodes, for ever. Whoever was killed stays so.
    pub async fn mend(self: Arc<Self>, mut lost: UnboundedReceiver<NodeId>) {
        let mut mending = JoinSet::new();
        while let Some(node) = lost.recv().await {
            let site = Arc::clone(&self);
            mending.spawn(async move {
                if let Err(error) = site.restore(node).await {
                    *site.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            });
        }
    }

    async fn restore(self: &Arc<Self>, node: NodeId) -> Result<(), HarnessError> {
        let (begin, doing) = (Instant::now(), format!("restore {node}"));
        let hosts = Arc::clone(&self.hosts);
        let reached = spawn_blocking(move || hosts.recover(node)).await;
        reached.map_err(|why| HarnessError::new(&doing, why))??;
        let killed = self.daemons.get(&node).is_none_or(|daemon| daemon.life(|life| life.killed));
        let wanted = !killed && self.members.staff(|staff| staff.employs(node));
        if wanted && let Injection::Doubtful(why) = processes::start(self, &[node]).await.await {
            return Err(HarnessError::new(doing, why));
        }
        let outage = begin.elapsed().as_secs_f64();
        tracing::warn!("{node}: its host is connected again after {outage:.1} s; it was down meanwhile");
        Ok(())
    }

    /// What went wrong with the harness itself, said once.
    pub fn trouble(&self) -> Option<HarnessError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The nodes that run and said last that they lead.
    pub fn primaries(&self) -> Vec<NodeId> {
        let leads = |life: &Life| {
            let standing = life.serving.as_ref().and_then(|serving| serving.standing.as_ref());
            life.runs() && !life.paused && standing.is_some_and(|standing| standing.primary)
        };
        self.those(leads)
    }

    /// The nodes that run and have said that they serve.
    pub fn serving(&self) -> Vec<NodeId> {
        self.those(|life| life.runs() && life.serving.is_some())
    }

    /// The nodes that are meant to run and whose processes stand like this.
    pub fn those(&self, stand: impl Fn(&Life) -> bool) -> Vec<NodeId> {
        let employed = self.members.staff(|staff| staff.employed());
        let employed = employed.into_iter().filter_map(|node| self.daemons.get(&node));
        employed.filter(|daemon| daemon.life(&stand)).map(|daemon| daemon.node()).collect()
    }
}

/// Makes a node's directory, which must be new: with the data of an earlier run, another history would begin.
fn prepare(seat: &Seat) -> Result<(), HarnessError> {
    let doing = || format!("make the directory {}", seat.data.display());
    let parent = seat.data.parent().unwrap_or(&seat.data);
    fs::create_dir_all(parent).map_err(|why| HarnessError::new(doing(), why))?;
    fs::create_dir(&seat.data).map_err(|why| {
        let advice = "every run needs a directory of its own";
        HarnessError::new(doing(), why).advise(advice)
    })
}
