//! What a search may cost.

use std::time::{Duration, Instant};

/// The limits that every search obeys. Reaching one ends in `unknown`, never in a guess.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// When to stop.
    pub deadline: Instant,
    /// How many bytes the whole check may hold at once, beside the history itself.
    pub bytes: usize,
}

impl Budget {
    /// So much time from now, and so much memory.
    pub fn new(time: Duration, bytes: usize) -> Budget {
        Budget { deadline: Instant::now() + time, bytes }
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// So much time from now, and so much memory, but no more than this budget has.
    #[must_use]
    pub fn at_most(&self, time: Duration, bytes: usize) -> Budget {
        Budget { deadline: self.deadline.min(Instant::now() + time), bytes: self.bytes.min(bytes) }
    }

    /// Whether the time is up. Costs a system call: ask every few thousand steps.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

impl Default for Budget {
    /// A minute and two gibibytes.
    fn default() -> Budget {
        Budget::new(Duration::from_secs(60), 2 << 30)
    }
}
