//! Everything that a running cluster is made of.

use crate::clocks::Clocks;
use crate::daemon::{Daemon, Life};
use crate::disks::Disks;
use crate::hosts::{Hosts, Place};
use cluster::{Arrival, HarnessError, Seat, System};
use history::{Chance, NodeId};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
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
    /// Where everything that happens is told.
    pub arrivals: mpsc::Sender<Arrival>,
}

/// How long a whole cluster may take to come to life and to find a leader.
const READY: Duration = Duration::from_secs(20);

impl Site {
    /// Makes a directory for each node; starts nothing.
    ///
    /// # Errors
    /// If a directory cannot be had, or a node of an earlier run has left data.
    pub fn lay_out(
        system: Arc<dyn System>,
        hosts: Arc<dyn Hosts>,
        nodes: &[NodeId],
        directory: &Path,
        chance: &Chance,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<Site, HarnessError> {
        let mut daemons = BTreeMap::new();
        for node in nodes {
            let place = directory.join("nodes").join(node.to_string());
            let Place { peers, listen, ports, parent } = hosts.place(*node);
            let seat = Seat {
                node: *node,
                peers,
                listen,
                ports,
                parent,
                data: place.join("data"),
                ready: place.join("ready"),
                seed: chance.split(&format!("node {node}")).bits(),
            };
            prepare(&seat)?;
            let (system, hosts) = (Arc::clone(&system), Arc::clone(&hosts));
            let daemon = Daemon::new(seat, place.join("node.log"), system, hosts, arrivals.clone());
            daemons.insert(*node, Arc::new(daemon));
        }
        let disks = Disks::new(chance.split("disks"));
        Ok(Site { system, hosts, daemons, clocks: Arc::default(), disks, arrivals })
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
        for daemon in self.daemons.values() {
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
            tokio::spawn(Arc::clone(daemon).observe());
        }
        while self.primaries().is_empty() {
            if Instant::now() >= deadline {
                let why = format!("none of {} nodes leads after {} s", self.daemons.len(), READY.as_secs());
                return Err(HarnessError::new("start the cluster", why));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The nodes that run and said last that they lead.
    pub fn primaries(&self) -> Vec<NodeId> {
        let leads = |life: &Life| {
            let standing = life.serving.as_ref().and_then(|serving| serving.standing);
            life.runs() && !life.paused && standing.is_some_and(|standing| standing.primary)
        };
        self.those(leads)
    }

    /// The nodes whose processes stand like this.
    pub fn those(&self, stand: impl Fn(&Life) -> bool) -> Vec<NodeId> {
        let those = self.daemons.values().filter(|daemon| daemon.life(&stand));
        those.map(|daemon| daemon.node()).collect()
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
