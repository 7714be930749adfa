//! A node's own clock.

use history::Time;

const TRUE_RATE: u64 = 1_000_000;

/// A monotonic clock that begins anywhere and may run fast or slow.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    // It showed `shown` at the true time `at`, and has run at `rate` parts per million since.
    shown: Time,
    at: Time,
    rate: u64,
}

impl Clock {
    /// A clock that shows `shown` at the beginning of the run.
    pub fn new(shown: Time, rate_ppm: u32) -> Clock {
        Clock { shown, at: Time::ZERO, rate: u64::from(rate_ppm.max(1)) }
    }

    /// What it shows at the true time `now`.
    pub fn read(&self, now: Time) -> Time {
        Time(self.shown.0 + scale(now.0 - self.at.0, self.rate, TRUE_RATE))
    }

    /// The first true time at which it shows `shown` or more.
    pub fn when(&self, shown: Time) -> Time {
        let ahead = shown.0.saturating_sub(self.shown.0);
        // Rounded up, and one more for the rounding in `read`: a wake must never come early for ever.
        Time(
            self.at.0.saturating_add(scale(ahead, TRUE_RATE, self.rate)).saturating_add(u64::from(ahead > 0)),
        )
    }

    /// From the true time `now` on, it runs at `rate_ppm`, after a jump ahead of `jump` nanoseconds.
    pub fn skew(&mut self, now: Time, jump: u64, rate_ppm: u32) {
        self.shown = Time(self.read(now).0 + jump);
        self.at = now;
        self.rate = u64::from(rate_ppm.max(1));
    }
}

fn scale(span: u64, by: u64, over: u64) -> u64 {
    u64::try_from(u128::from(span) * u128::from(by) / u128::from(over)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_never_early_and_hardly_late() {
        for rate in [500_000, 999_999, 1_000_000, 1_200_003] {
            let mut clock = Clock::new(Time(77), rate);
            clock.skew(Time(1_000), 500, rate);
            let start = clock.read(Time(1_000));
            for shown in (1..5_000).map(|step| Time(start.0 + step * 7)) {
                let when = clock.when(shown);
                assert!(clock.read(when) >= shown, "at rate {rate}, {shown:?} is not yet shown at {when:?}");
                assert!(
                    clock.read(Time(when.0 - 3)) < shown,
                    "at rate {rate}, {shown:?} was long past at {when:?}"
                );
            }
        }
    }

    #[test]
    fn it_never_jumps_back() {
        let mut clock = Clock::new(Time(0), 1_000_000);
        let before = clock.read(Time(100));
        clock.skew(Time(100), 0, 1);
        assert!(clock.read(Time(100)) >= before);
    }
}
