//! The disks of the nodes, when they are ones that forget.
//!
//! Whoever wants to cut power or make disks ill needs them below the nodes from the beginning; others do not pay for
//! them, because every request to such a disk goes through us.

use crate::levers::Levers;
use cluster::HarnessError;
use history::{Chance, Illness, NodeId, Unsynced};
use linux::disk::{Counters, Lost, Trouble};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The disks of the nodes, when they are ones that forget. Everything here may block for a while.
pub struct Disks {
    /// Who mounts them and makes them ill.
    pub levers: Arc<dyn Levers>,
    mounted: Mutex<Mounted>,
}

struct Mounted {
    lossy: BTreeSet<NodeId>,
    /// Those that something was wrong with since they were last all well.
    ill: BTreeSet<NodeId>,
    /// Each power cut goes its own way.
    chance: Chance,
}

impl Disks {
    /// None yet.
    pub fn new(levers: Arc<dyn Levers>, chance: Chance) -> Disks {
        Disks {
            levers,
            mounted: Mutex::new(Mounted { lossy: BTreeSet::new(), ill: BTreeSet::new(), chance }),
        }
    }

    /// Mounts a disk that forgets over a node's data directory.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(&self, node: NodeId, data: &Path) -> Result<(), HarnessError> {
        self.levers.mount(node, data).map_err(|why| {
            let error = HarnessError::new(format!("give {node} a disk that forgets"), why);
            error.advise("`tribunal doctor` says whether they can be had there, and what to do")
        })?;
        self.mounted().lossy.insert(node);
        Ok(())
    }

    /// Whether a node has a disk that forgets.
    pub fn has(&self, node: NodeId) -> bool {
        self.mounted().lossy.contains(&node)
    }

    /// Cuts a dead node's power: what it had not synced is lost or torn, by chance if it is not said. Which, and what it
    /// took.
    ///
    /// # Errors
    /// If its disk does not forget, or the disk's own disk fails.
    pub fn cut_power(&self, node: NodeId, unsynced: Option<Unsynced>) -> Result<(Unsynced, Lost), String> {
        let (clean, seed) = {
            let mut mounted = self.mounted();
            (mounted.chance.coin(0.5), mounted.chance.bits())
        };
        let unsynced = unsynced.unwrap_or(if clean { Unsynced::Lost } else { Unsynced::Torn });
        let tear = (unsynced == Unsynced::Torn).then_some(seed);
        self.levers.cut_power(node, tear).map(|lost| (unsynced, lost))
    }

    /// Makes a node's disk ill; what it had done before.
    ///
    /// # Errors
    /// If it does not obey.
    pub fn sicken(&self, node: NodeId, illness: Illness) -> Result<Counters, String> {
        self.mounted().ill.insert(node);
        self.levers.sicken(node, trouble(illness))
    }

    /// Makes every disk well; those that were not.
    ///
    /// # Errors
    /// If one does not obey.
    pub fn cure(&self) -> Result<BTreeSet<NodeId>, String> {
        let ill = std::mem::take(&mut self.mounted().ill);
        let cure = |node: &NodeId| self.levers.sicken(*node, Trouble::default()).map(|_| ());
        ill.iter().try_for_each(cure)?;
        Ok(ill)
    }

    fn mounted(&self) -> MutexGuard<'_, Mounted> {
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
