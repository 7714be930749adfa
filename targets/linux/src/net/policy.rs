//! What an impaired link does to its frames, and what it did.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an impaired link does to its frames. The default does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Every frame comes so much later.
    pub delay: Duration,
    /// Up to so much more, drawn for each frame. Order is kept.
    pub jitter: Duration,
    /// The share of frames that are lost, from 0 to 1.
    pub loss: f64,
    /// The share of frames that arrive twice.
    pub duplicate: f64,
    /// The share of frames that are overtaken by the next.
    pub reorder: f64,
    /// The share of frames of which one bit is flipped. Checksums turn that into a loss, mostly.
    pub corrupt: f64,
    /// At most so many bytes a second; zero is no limit.
    pub bytes_per_second: u64,
    /// Every frame is kept until the policy changes.
    pub hold: bool,
}

/// What a link did, in frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Delivered.
    pub passed: u64,
    /// Dropped because the link is cut.
    pub dropped: u64,
    /// Came while the link was impaired.
    pub met: u64,
    /// Lost by the dice, or because too many were on their way.
    pub lost: u64,
    /// Kept back for a while.
    pub delayed: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Overtaken by the next.
    pub reordered: u64,
    /// Delivered with a bit flipped.
    pub corrupted: u64,
    /// Held until the policy changed.
    pub held: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.dropped += other.dropped;
        self.met += other.met;
        self.lost += other.lost;
        self.delayed += other.delayed;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.held += other.held;
    }
}
