//! The world a simulated cluster lives in.

use history::Chance;
use std::time::Duration;

/// The weather of one run, before any nemesis: every seed has its own, so that many seeds meet many worlds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// The least that a message between nodes takes.
    pub delay_min: Duration,
    /// The mean of what it takes beyond that, exponentially distributed: messages overtake one another.
    pub delay_mean: Duration,
    /// How many messages are lost, out of a thousand.
    pub loss: u16,
    /// How many messages arrive twice, out of a thousand.
    pub duplicate: u16,
    /// The mean time that a sync of a disk takes, exponentially distributed.
    pub sync_mean: Duration,
    /// How much fast or slow each clock may run, in parts per million.
    pub drift: u32,
}

impl World {
    /// The world of a seed: from a quiet rack to a poor wide-area network with slow disks.
    pub fn draw(chance: &mut Chance) -> World {
        let micros = |low, high, chance: &mut Chance| Duration::from_micros(chance.between(low, high));
        World {
            delay_min: micros(50, 500, chance),
            delay_mean: micros(100, 3_000, chance),
            loss: chance.below(10) as u16,
            duplicate: chance.below(10) as u16,
            sync_mean: micros(100, 8_000, chance),
            drift: chance.below(50_000) as u32,
        }
    }
}
