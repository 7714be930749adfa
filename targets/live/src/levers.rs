//! What can be done to the node of a host: to its process, its clocks, its disk and what it may use.
//!
//! On this machine we do it ourselves; on another the agent there does.

use crate::{pressures, process};
use agent::{Clock, Data, Turned};
use history::{Damage, NodeId};
use linux::cgroup::{Before, CgroupError, Limit, Reading, Squeeze};
use linux::clock::Turn;
use linux::disk::{Counters, LossyDisk, Lost, Names, Trouble};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What can be done to the node of a host. Everything may block for a while, but for [`Levers::signal`].
pub trait Levers: Send + Sync {
    /// Sends a signal to a node's process and everyone who descends from it. It need not have arrived yet.
    ///
    /// # Errors
    /// If it cannot be sent.
    fn signal(&self, node: NodeId, pid: Pid, signal: Signal) -> io::Result<()>;

    /// Whether every thread of a node's process is stopped; `None` if there is no such process.
    fn is_stopped(&self, node: NodeId, pid: Pid) -> Option<bool>;

    /// What the host's own clock says: nanoseconds since 1970.
    ///
    /// # Errors
    /// If nobody says.
    fn wall(&self, node: NodeId) -> Result<i64, String>;

    /// Turns the clocks of a node's process.
    ///
    /// # Errors
    /// If it is gone or may not be traced. Its clocks are as before then.
    fn turn(&self, node: NodeId, pid: Pid, wall: Turn, monotonic: Turn) -> Result<Turned, String>;

    /// Gives true clocks again to a node's process; none if they were true.
    ///
    /// # Errors
    /// If it is gone or can no longer be traced.
    fn restore(&self, node: NodeId) -> Option<Result<Turned, String>>;

    /// Mounts a disk that forgets over a node's data directory.
    ///
    /// # Errors
    /// If it cannot be mounted.
    fn mount(&self, node: NodeId, data: &Path) -> Result<(), String>;

    /// Cuts the power of such a disk, whose node is dead: what was not synced is lost, or torn by dice that begin at
    /// this number.
    ///
    /// # Errors
    /// If the disk's own disk fails.
    fn cut_power(&self, node: NodeId, tear: Option<u64>) -> Result<Lost, String>;

    /// Lets something be wrong with such a disk; what it had done before.
    ///
    /// # Errors
    /// If it does not obey.
    fn sicken(&self, node: NodeId, trouble: Trouble) -> Result<Counters, String>;

    /// What such a disk did so far.
    ///
    /// # Errors
    /// If nobody says.
    fn counters(&self, node: NodeId) -> Result<Counters, String>;

    /// Copies a node's data, for a rollback later.
    ///
    /// # Errors
    /// If it cannot be copied.
    fn copy(&self, node: NodeId, data: &Path) -> Result<(), String>;

    /// Damages the data of a node that is down, where `seed` says; what was done, exactly. A rollback gives back what
    /// was copied last.
    ///
    /// # Errors
    /// If there is nothing to damage, or the disk refuses.
    fn damage(&self, node: NodeId, data: &Path, damage: &Damage, seed: u64) -> Result<String, String>;

    /// Makes the data of a node that is down what it was before it was damaged last.
    ///
    /// # Errors
    /// If it never was, or the disk refuses.
    fn put_back(&self, node: NodeId, data: &Path) -> Result<(), String>;

    /// Gives a node's processes no more than this, and no longer too little of something else; what the kernel said of
    /// their control group then.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn press(&self, node: NodeId, pid: Pid, limit: Limit) -> Result<Reading, String>;

    /// What the kernel says of that group now.
    ///
    /// # Errors
    /// If it is gone, or there was none.
    fn pressure(&self, node: NodeId) -> Result<Reading, String>;

    /// Gives a node's processes all they want again.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn relieve(&self, node: NodeId) -> Result<(), String>;

    /// Unmounts all such disks, with everything in place that was written; what may be left mounted.
    fn unmount(&self) -> Vec<String>;
}

/// The levers of nodes on this machine.
#[derive(Debug)]
pub struct Here {
    /// Whether each node has control groups of its own, which somebody else made, as containers have.
    given: bool,
    hands: Mutex<Hands>,
}

#[derive(Debug, Default)]
struct Hands {
    clocks: BTreeMap<NodeId, Clock>,
    disks: BTreeMap<NodeId, Arc<LossyDisk>>,
    squeezes: BTreeMap<NodeId, Squeeze>,
}

impl Here {
    /// Of nodes that have control groups of their own, or have not.
    pub fn new(given: bool) -> Here {
        Here { given, hands: Mutex::default() }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self, node: NodeId) -> Result<Arc<LossyDisk>, String> {
        let disk = self.hands().disks.get(&node).cloned();
        disk.ok_or_else(|| "its disk does not forget".to_owned())
    }

    /// As [`Levers::press`]. If the node's control groups are somebody else's, `note` is told before what they have.
    ///
    /// # Errors
    /// As there, and what `note` fails with.
    pub fn press_noting(
        &self,
        node: NodeId,
        pid: Pid,
        limit: Limit,
        note: impl FnOnce(&Before) -> Result<(), CgroupError>,
    ) -> Result<Reading, String> {
        self.relieve(node)?;
        let squeezed = self.squeezed(node, pid, limit, note).and_then(|squeeze| {
            let reading = squeeze.reading()?;
            Ok((squeeze, reading))
        });
        let (squeeze, reading) = squeezed.map_err(|why| why.to_string())?;
        self.hands().squeezes.insert(node, squeeze);
        Ok(reading)
    }

    fn squeezed(
        &self,
        node: NodeId,
        pid: Pid,
        limit: Limit,
        note: impl FnOnce(&Before) -> Result<(), CgroupError>,
    ) -> Result<Squeeze, CgroupError> {
        let number = |pid: &Pid| pid.as_raw().unsigned_abs();
        if self.given {
            return Squeeze::theirs(number(&pid), limit, note);
        }
        let all = || process::tree(pid).iter().map(number).collect::<Vec<_>>();
        let squeeze = Squeeze::ours(&pressures::name(node)?, &all(), limit)?;
        // Who was born while we looked is found the next time.
        squeeze.also(&all())?;
        Ok(squeeze)
    }
}

impl Levers for Here {
    fn signal(&self, _: NodeId, pid: Pid, signal: Signal) -> io::Result<()> {
        Ok(process::signal(pid, signal)?)
    }

    fn is_stopped(&self, _: NodeId, pid: Pid) -> Option<bool> {
        process::is_stopped(pid)
    }

    fn wall(&self, _: NodeId) -> Result<i64, String> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|why| why.to_string())?;
        i64::try_from(since.as_nanos()).map_err(|why| why.to_string())
    }

    fn turn(&self, node: NodeId, pid: Pid, wall: Turn, monotonic: Turn) -> Result<Turned, String> {
        let mut hands = self.hands();
        let turned = hands.clocks.entry(node).or_default().turn(program(pid).as_raw(), wall, monotonic);
        turned.map_err(|why| why.to_string())
    }

    fn restore(&self, node: NodeId) -> Option<Result<Turned, String>> {
        let restored = self.hands().clocks.get_mut(&node)?.restore()?;
        Some(restored.map_err(|why| why.to_string()))
    }

    fn mount(&self, node: NodeId, data: &Path) -> Result<(), String> {
        let disk = LossyDisk::mount(data, data, Names::Journaled).map_err(|why| why.to_string())?;
        self.hands().disks.insert(node, Arc::new(disk));
        Ok(())
    }

    fn cut_power(&self, node: NodeId, tear: Option<u64>) -> Result<Lost, String> {
        let disk = self.disk(node)?;
        tear.map_or_else(|| disk.lose_unsynced(), |seed| disk.tear(seed)).map_err(|why| why.to_string())
    }

    fn sicken(&self, node: NodeId, trouble: Trouble) -> Result<Counters, String> {
        let disk = self.disk(node)?;
        let before = disk.counters();
        disk.set(trouble).map(|()| before).map_err(|why| why.to_string())
    }

    fn counters(&self, node: NodeId) -> Result<Counters, String> {
        self.disk(node).map(|disk| disk.counters())
    }

    fn copy(&self, _: NodeId, data: &Path) -> Result<(), String> {
        Data::at(data.to_owned()).copy()
    }

    fn damage(&self, _: NodeId, data: &Path, damage: &Damage, seed: u64) -> Result<String, String> {
        Data::at(data.to_owned()).damage(damage, seed)
    }

    fn put_back(&self, _: NodeId, data: &Path) -> Result<(), String> {
        Data::at(data.to_owned()).put_back()
    }

    fn press(&self, node: NodeId, pid: Pid, limit: Limit) -> Result<Reading, String> {
        self.press_noting(node, pid, limit, |_| Ok(()))
    }

    fn pressure(&self, node: NodeId) -> Result<Reading, String> {
        let hands = self.hands();
        let squeeze = hands.squeezes.get(&node).ok_or("it has all it wants")?;
        squeeze.reading().map_err(|why| why.to_string())
    }

    fn relieve(&self, node: NodeId) -> Result<(), String> {
        let squeeze = self.hands().squeezes.remove(&node);
        squeeze.map_or(Ok(()), Squeeze::release).map_err(|why| why.to_string())
    }

    fn unmount(&self) -> Vec<String> {
        let disks = std::mem::take(&mut self.hands().disks);
        let unmount = |(node, disk): (NodeId, Arc<LossyDisk>)| match Arc::try_unwrap(disk) {
            Ok(disk) => disk.unmount().err().map(|error| format!("{node}: {error}")),
            // Whoever watches it still is the last one to let go of it.
            Err(_watched) => None,
        };
        disks.into_iter().filter_map(unmount).collect()
    }
}

/// The program that runs in the place of a process that we or a container engine started. That process itself, unless it is the first of a
/// machine of its own, which only looks after the program.
pub fn program(pid: Pid) -> Pid {
    let machine = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    if machine(&pid.to_string()) == machine("self") {
        return pid;
    }
    process::tree(pid).get(1).copied().unwrap_or(pid)
}
