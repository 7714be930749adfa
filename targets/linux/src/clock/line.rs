//! How far a clock is ahead of the true one, as a function of the true one.

use super::ClockError;
use serde::{Deserialize, Serialize};

/// How one clock of a process stands to the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// How far it is ahead now, in nanoseconds; negative if behind.
    pub ahead_ns: i64,
    /// How fast it runs, in parts per million of true time.
    pub rate_ppm: u32,
}

/// A change of one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// How far it jumps.
    pub jump: Jump,
    /// How fast it runs from then on, in parts per million of true time: 1,000,000 is true, 0 stands still.
    pub rate_ppm: u32,
}

/// How far a clock jumps, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Jump {
    /// From what it shows.
    By(i64),
    /// To so far ahead of the true clock.
    To(i64),
}

impl Turn {
    /// From what it shows now, at the true rate.
    pub const STEADY: Turn = Turn { jump: Jump::By(0), rate_ppm: TRUE_RATE };
    /// The true clock.
    pub const TRUE: Turn = Turn { jump: Jump::To(0), rate_ppm: TRUE_RATE };
}

const TRUE_RATE: u32 = 1_000_000;
/// A hundred times too fast: beyond it a year would overflow the stub's arithmetic.
const FASTEST: u32 = 100 * TRUE_RATE;
/// A hundred years: nanoseconds since 1970 must stay below 2^63.
const FARTHEST: i64 = 100 * 365 * 86_400 * 1_000_000_000;

/// Two slopes that meet at one true time, so that a change takes effect exactly then, whenever it was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// When the one takes over from the other: a reading of the true clock, in nanoseconds.
    pub at: i64,
    /// Until then.
    pub before: Slope,
    /// From then on.
    pub after: Slope,
}

/// A clock that runs at a constant rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Slope {
    /// How far it is ahead at the time [`Line::at`], in nanoseconds.
    pub ahead: i64,
    /// By how much it runs too fast, in units of 2^-32.
    pub surplus: i64,
}

impl Slope {
    /// How far it is ahead `span` nanoseconds after. The stub computes the same, bit for bit.
    fn ahead_after(self, span: i64) -> i64 {
        let gained = (i128::from(span) * i128::from(self.surplus)) >> 32;
        self.ahead.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX))
    }
}

impl Line {
    /// How far the clock is ahead at the true time `now`.
    pub fn ahead(&self, now: i64) -> i64 {
        self.slope(now).ahead_after(now - self.at)
    }

    fn slope(&self, now: i64) -> Slope {
        if now < self.at { self.before } else { self.after }
    }

    /// How the clock stands at the true time `now`.
    pub fn shift(&self, now: i64) -> Shift {
        let surplus = i128::from(self.slope(now).surplus) * i128::from(TRUE_RATE);
        let rounded = (surplus + (1 << 31)) >> 32;
        let rate = i128::from(TRUE_RATE) + rounded;
        Shift { ahead_ns: self.ahead(now), rate_ppm: u32::try_from(rate).unwrap_or(u32::MAX) }
    }

    /// The same clock, which turns at the true time `at`.
    ///
    /// # Errors
    /// If the turn is more than can be computed, or turns back a clock that is `monotonic`.
    pub fn turned(&self, at: i64, turn: Turn, monotonic: bool) -> Result<Line, ClockError> {
        let before = Slope { ahead: self.ahead(at), surplus: self.slope(at).surplus };
        let ahead = match turn.jump {
            Jump::By(by) => before.ahead.saturating_add(by),
            Jump::To(to) => to,
        };
        if monotonic && ahead < before.ahead {
            let back = before.ahead - ahead;
            return Err(ClockError::Nonsense(format!(
                "a monotonic clock never jumps back, and {back} ns were asked"
            )));
        }
        if turn.rate_ppm > FASTEST || !(-FARTHEST..=FARTHEST).contains(&ahead) {
            let rate = turn.rate_ppm;
            return Err(ClockError::Nonsense(format!(
                "a clock {ahead} ns ahead at {rate} ppm is too much: at most 100 years and 100 times as fast"
            )));
        }
        let surplus = (i64::from(turn.rate_ppm) - i64::from(TRUE_RATE)) * (1 << 32) / i64::from(TRUE_RATE);
        Ok(Line { at, before, after: Slope { ahead, surplus } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn turn(by: i64, rate_ppm: u32) -> Turn {
        Turn { jump: Jump::By(by), rate_ppm }
    }

    fn turned(line: Line, at: i64, turn: Turn) -> Line {
        line.turned(at, turn, false).unwrap()
    }

    #[test]
    fn a_clock_runs_at_its_rate_from_its_turn_on() {
        let line = turned(Line::default(), 100 * SECOND, turn(5 * SECOND, 1_200_000));
        assert_eq!(line.shift(99 * SECOND), Shift { ahead_ns: 0, rate_ppm: 1_000_000 });
        assert_eq!(line.ahead(100 * SECOND), 5 * SECOND);
        let later = line.shift(110 * SECOND);
        assert!((later.ahead_ns - 7 * SECOND).abs() < 10 && later.rate_ppm == 1_200_000, "{later:?}");
    }

    #[test]
    fn a_change_of_rate_is_no_jump() {
        let mut line = Line::default();
        for (step, rate) in [1_500_000, 3, 100_000_000, 0, 999_999, 1_000_000].into_iter().enumerate() {
            let at = (1 + step as i64) * 7 * SECOND;
            let next = turned(line, at, turn(0, rate));
            assert_eq!(next.ahead(at), line.ahead(at));
            let until_then = next.ahead(at - 1) - line.ahead(at - 1);
            assert!(until_then.abs() <= 1, "until then it is what it was, but for rounding: {until_then}");
            assert_eq!(next.shift(at).rate_ppm, rate);
            line = next;
        }
    }

    #[test]
    fn a_clock_that_stands_still_shows_the_same_for_ever() {
        let line = turned(Line::default(), 5 * SECOND, turn(0, 0));
        assert_eq!(9 * SECOND + line.ahead(9 * SECOND), 5 * SECOND);
    }

    #[test]
    fn a_century_at_the_highest_speed_is_computed_and_more_is_refused() {
        let line = turned(Line::default(), 0, turn(FARTHEST, FASTEST));
        assert_eq!(line.ahead(SECOND), FARTHEST + 99 * SECOND);
        for wild in [turn(1, FASTEST + 1), turn(FARTHEST + 1, 1), turn(i64::MIN, 1)] {
            assert!(Line::default().turned(0, wild, false).unwrap_err().to_string().contains("100 years"));
        }
    }

    #[test]
    fn a_monotonic_clock_is_not_turned_back() {
        let ahead = Line::default().turned(0, turn(SECOND, 1_000_000), true).unwrap();
        for back in [turn(-1, 1_000_000), Turn::TRUE] {
            assert!(ahead.turned(SECOND, back, true).unwrap_err().to_string().contains("never jumps back"));
        }
        assert_eq!(ahead.turned(SECOND, Turn::STEADY, true).unwrap().ahead(SECOND), SECOND);
    }
}
