//! What is wrong with a link, and what it did, in the words of who carries its frames.

use crate::link;
use history::Trouble;
use linux::net::{Counts, Policy};
use std::time::Duration;

/// What a link in such trouble does to its frames.
pub fn policy(trouble: Trouble) -> Policy {
    let share = |permille: u16| f64::from(permille) / 1000.0;
    let millis = |millis: u32| Duration::from_millis(u64::from(millis));
    Policy {
        delay: millis(trouble.delay_ms),
        jitter: millis(trouble.jitter_ms),
        loss: share(trouble.loss),
        duplicate: share(trouble.duplicate),
        reorder: share(trouble.reorder),
        corrupt: share(trouble.corrupt),
        bytes_per_second: u64::from(trouble.bytes_per_second),
        hold: trouble.hold,
    }
}

/// What a link did.
pub fn counts(counts: Counts) -> link::Counts {
    link::Counts {
        passed: counts.passed,
        dropped: counts.dropped,
        met: counts.met,
        lost: counts.lost,
        delayed: counts.delayed,
        duplicated: counts.duplicated,
        reordered: counts.reordered,
        corrupted: counts.corrupted,
        held: counts.held,
        ..link::Counts::default()
    }
}
