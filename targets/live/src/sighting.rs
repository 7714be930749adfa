//! What a node's clock was seen to show whenever it was asked how it stands.

use cluster::{ClockReading, Standing};
use history::{NodeId, Time};
use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a node's wall clock was seen to show, beside ours.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// In the middle between question and answer.
    at: Instant,
    ahead_ns: i64,
    within: Duration,
}

impl Sighting {
    /// Waits for what a node says, and looks at its clock by the way.
    pub async fn of(asked: impl Future<Output = Option<Standing>>) -> (Option<Standing>, Option<Sighting>) {
        let (wall, begin) = (SystemTime::now(), Instant::now());
        let standing = asked.await;
        let within = begin.elapsed() / 2;
        let sight = |standing: Standing| {
            let wall = (wall + within).duration_since(UNIX_EPOCH).ok()?;
            let ahead_ns = standing.clock?.wall_ns - i64::try_from(wall.as_nanos()).ok()?;
            Some(Sighting { at: begin + within, ahead_ns, within })
        };
        (standing.clone(), standing.and_then(sight))
    }

    /// It as a reading of this node's clock, in a run that began then.
    pub fn reading(self, node: NodeId, began: Instant) -> ClockReading {
        let within_ns = u64::try_from(self.within.as_nanos()).unwrap_or(u64::MAX);
        let time = Time::ZERO + self.at.saturating_duration_since(began);
        ClockReading { time, node, ahead_ns: self.ahead_ns, within_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::Clock;

    #[tokio::test]
    async fn a_clock_that_is_ahead_is_seen_to_be() {
        let began = Instant::now();
        let answer = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let wall_ns = i64::try_from(wall.as_nanos()).unwrap() - 3_000_000_000;
            let clock = Some(Clock { wall_ns, monotonic_ns: 0 });
            Some(Standing { primary: false, term: 1, clock, members: None })
        };
        let (standing, sighting) = Sighting::of(answer).await;
        let reading = sighting.unwrap().reading(NodeId(2), began);
        assert!(standing.is_some() && reading.node == NodeId(2));
        assert!(reading.within_ns >= 5_000_000 && reading.time.0 >= 5_000_000, "{reading:?}");
        assert!(
            (reading.ahead_ns + 3_000_000_000).unsigned_abs() <= reading.within_ns + 1_000_000,
            "{reading:?}"
        );
        let silent = Sighting::of(async { None }).await;
        assert!(silent.0.is_none() && silent.1.is_none());
    }
}
