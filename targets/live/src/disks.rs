//! The disks of the nodes, when they are ones that forget.
//!
//! Whoever wants to cut power or make disks ill needs them below the nodes from the beginning; others do not pay for
//! them, because every request to such a disk goes through us.

use cluster::HarnessError;
use history::{Chance, Illness, NodeId};
use linux::disk::{DiskError, LossyDisk, Lost, Names, Trouble};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The disks of the nodes, when they are ones that forget. Everything here may block for a while.
#[derive(Debug)]
pub struct Disks(Mutex<Mounted>);

#[derive(Debug)]
struct Mounted {
    disks: BTreeMap<NodeId, Arc<LossyDisk>>,
    /// Those that something was wrong with since they were last all well.
    ill: BTreeSet<NodeId>,
    /// Each power cut goes its own way.
    chance: Chance,
}

impl Disks {
    /// None yet.
    pub fn new(chance: Chance) -> Disks {
        Disks(Mutex::new(Mounted { disks: BTreeMap::new(), ill: BTreeSet::new(), chance }))
    }

    /// Mounts a disk that forgets over a node's data directory.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(&self, node: NodeId, data: &Path) -> Result<(), HarnessError> {
        let disk = LossyDisk::mount(data, data, Names::Journaled).map_err(|why| {
            let error = HarnessError::new(format!("give {node} a disk that forgets"), why);
            error.advise("`tribunal doctor` says whether they can be had here, and what to do")
        })?;
        self.lock().disks.insert(node, Arc::new(disk));
        Ok(())
    }

    /// A node's disk, if it has one that forgets.
    pub fn of(&self, node: NodeId) -> Option<Arc<LossyDisk>> {
        self.lock().disks.get(&node).cloned()
    }

    /// Cuts a dead node's power: what it had not synced is lost or, by chance, torn. None if its disk does not
    /// forget.
    ///
    /// # Errors
    /// If the disk's own disk fails.
    pub fn cut_power(&self, node: NodeId) -> Option<Result<(Cut, Lost), DiskError>> {
        let disk = self.of(node)?;
        let (clean, seed) = {
            let mut mounted = self.lock();
            (mounted.chance.coin(0.5), mounted.chance.bits())
        };
        Some(match clean {
            true => disk.lose_unsynced().map(|lost| (Cut::Clean, lost)),
            false => disk.tear(seed).map(|lost| (Cut::Torn, lost)),
        })
    }

    /// Makes a node's disk ill. None if its disk does not obey.
    ///
    /// # Errors
    /// If the kernel does not forget what it has cached.
    pub fn sicken(&self, node: NodeId, illness: Illness) -> Option<Result<Arc<LossyDisk>, DiskError>> {
        let disk = self.of(node)?;
        self.lock().ill.insert(node);
        Some(disk.set(trouble(illness)).map(|()| disk))
    }

    /// Makes every disk well; those that were not.
    ///
    /// # Errors
    /// If the kernel does not forget what it has cached.
    pub fn cure(&self) -> Result<BTreeSet<NodeId>, DiskError> {
        let ill = std::mem::take(&mut self.lock().ill);
        ill.iter().filter_map(|node| self.of(*node)).try_for_each(|disk| disk.set(Trouble::default()))?;
        Ok(ill)
    }

    /// Unmounts all, with everything in place that was written.
    ///
    /// # Errors
    /// What may be left mounted.
    pub fn unmount(&self) -> Vec<String> {
        let disks = std::mem::take(&mut self.lock().disks);
        let unmount = |(node, disk): (NodeId, Arc<LossyDisk>)| match Arc::try_unwrap(disk) {
            Ok(disk) => disk.unmount().err().map(|error| format!("{node}: {error}")),
            // Whoever watches it still is the last one to let go of it.
            Err(_watched) => None,
        };
        disks.into_iter().filter_map(unmount).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Mounted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before anything more was written back.
    Clean,
    /// In the middle of writing back.
    Torn,
}

fn trouble(illness: Illness) -> Trouble {
    let well = Trouble::default();
    match illness {
        Illness::ReadErrors => Trouble { fail_reads: true, ..well },
        Illness::WriteErrors => Trouble { fail_writes: true, ..well },
        Illness::SyncErrors => Trouble { fail_syncs: true, ..well },
        Illness::Full => Trouble { full: true, ..well },
        Illness::SlowSyncs { delay_ms } => {
            Trouble { sync_delay: Duration::from_millis(u64::from(delay_ms)), ..well }
        }
    }
}
