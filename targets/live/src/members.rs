//! Which nodes are meant to run, and the administrator who decides that.

use cluster::Staff;
use history::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which nodes are meant to run, and whose turn it is to decide that.
#[derive(Debug)]
pub struct Members {
    /// How many nodes the cluster had at first.
    pub size: usize,
    staff: Mutex<Staff>,
    /// How often the administrator was told what to do.
    assigned: AtomicU64,
    /// Held by whoever is at work: one at a time.
    pub office: tokio::sync::Mutex<()>,
}

impl Members {
    /// Of these nodes all run but the spares.
    pub fn new(nodes: &[NodeId], spares: &[NodeId]) -> Members {
        let founders: Vec<NodeId> = nodes.iter().copied().filter(|node| !spares.contains(node)).collect();
        Members {
            size: founders.len(),
            staff: Mutex::new(Staff::new(&founders, spares.to_vec())),
            assigned: AtomicU64::new(0),
            office: tokio::sync::Mutex::new(()),
        }
    }

    /// Looks at who is meant to run, or changes it.
    pub fn staff<T>(&self, look: impl FnOnce(&mut Staff) -> T) -> T {
        look(&mut self.staff.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new task: its number. Whoever is at an earlier one leaves it.
    pub fn assign(&self) -> u64 {
        self.assigned.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether this is the latest task.
    pub fn is_latest(&self, task: u64) -> bool {
        self.assigned.load(Ordering::SeqCst) == task
    }
}
