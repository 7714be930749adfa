//! What all searches of one check spend together.

use crate::Budget;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a search ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The time is up.
    Time,
    /// The memory is used up.
    Memory,
}

/// A budget shared by parallel searches.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Budget,
    taken: AtomicUsize,
}

impl Meter {
    /// Nothing is spent yet.
    pub fn new(budget: &Budget) -> Meter {
        Meter { budget: *budget, taken: AtomicUsize::new(0) }
    }

    /// Takes so much memory, or says that there is not so much left.
    pub fn take(&self, bytes: usize) -> Result<(), Stop> {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.budget.bytes {
            self.give_back(bytes);
            return Err(Stop::Memory);
        }
        Ok(())
    }

    /// Gives memory back.
    pub fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether there is time left. A system call.
    pub fn time(&self) -> Result<(), Stop> {
        if self.budget.is_over() { Err(Stop::Time) } else { Ok(()) }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::Time => "the time was up",
            Stop::Memory => "the memory was used up",
        })
    }
}
