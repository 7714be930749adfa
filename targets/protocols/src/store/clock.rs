//! The store's own time.
//!
//! A replicated state may not look at a clock: its replicas would see different times. So time comes in through the log:
//! who proposes a call that is about time writes down what its own clock shows, and everybody reads that.
//!
//! Clocks of different nodes show anything, so the readings of two leaders say nothing together. What passed between two
//! readings of one leader's reign has passed, as far as its clock is true; what passed from one reign to the next is left
//! out. So the store's clock never goes back, and never runs faster than the clock of whoever leads: a lease may last
//! longer than it was given for, and is never cut short (etcd does the same: a new leader gives every lease its whole
//! time again).

use history::{Call, Time};
use serde::{Deserialize, Serialize};

/// What the clock of a leader showed when it proposed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading {
    /// Whose clock: the term, epoch, view or ballot in which one node led from one boot.
    pub reign: u64,
    /// What it showed.
    pub time: Time,
}

impl Reading {
    /// What the log has to say about when this call was proposed: nothing, if the call is not about time.
    pub fn of(call: &Call, reign: u64, time: Time) -> Option<Reading> {
        matches!(call, Call::Acquire { lease_ms: Some(_), .. }).then_some(Reading { reign, time })
    }
}

/// A clock that only the log moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    now: Time,
    last: Option<Reading>,
}

impl Clock {
    /// How much time has passed, at least, since the first reading.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn hear(&mut self, reading: Reading) {
        if let Some(last) = self.last.filter(|last| last.reign == reading.reign) {
            self.now = self.now + reading.time.since(last.time);
        }
        self.last = Some(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_one_leader_has_seen_pass_has_passed() {
        let mut clock = Clock::default();
        for (reign, time, now) in [
            (1, 500, 0),
            (1, 520, 20),
            // The next leader's clock shows anything.
            (2, 90_000, 20),
            (2, 90_005, 25),
            (3, 7, 25),
            (3, 7, 25),
            // What went back has not passed, and what comes after that has.
            (3, 5, 25),
            (3, 8, 28),
        ] {
            clock.hear(Reading { reign, time: Time(time) });
            assert_eq!(clock.now(), Time(now), "reign {reign} at {time}");
        }
    }
}
