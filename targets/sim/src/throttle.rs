//! A node that gets little of its processor.

use history::Time;

/// Processor time is dealt out anew this often, as the kernel's scheduler has it by default.
const PERIOD: u64 = 100_000_000;
/// What a core takes to handle one thing, in nanoseconds: only then is there anything to be short of.
const STEP: u64 = 100_000;

/// A limit of processor time, as that of a control group: so much in each period, and when that is used up nothing until
/// the next.
#[derive(Debug, Clone, Copy)]
pub struct Throttle {
    quota: u64,
    period: u64,
    used: u64,
    /// How often it had to wait.
    pub waited: u64,
}

impl Throttle {
    /// So many thousandths of one processor; at least one step in each period.
    pub fn new(permille: u16) -> Throttle {
        let quota = (PERIOD / 1000 * u64::from(permille)).max(STEP);
        Throttle { quota, period: 0, used: 0, waited: 0 }
    }

    /// Takes the time for one step, or says when to ask again.
    ///
    /// # Errors
    /// With the beginning of the next period, if this one's time is used up.
    pub fn step(&mut self, now: Time) -> Result<(), Time> {
        let period = now.0 / PERIOD;
        if period != self.period {
            (self.period, self.used) = (period, 0);
        }
        if self.used + STEP > self.quota {
            self.waited += 1;
            return Err(Time((period + 1) * PERIOD));
        }
        self.used += STEP;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_in_each_period_and_then_nothing() {
        let mut throttle = Throttle::new(3);
        for period in [7, 8, 90] {
            let now = Time(period * PERIOD + 5);
            assert_eq!([0; 3].map(|_| throttle.step(now)), [Ok(()); 3]);
            assert_eq!(throttle.step(now), Err(Time((period + 1) * PERIOD)));
        }
        assert_eq!(throttle.waited, 3);
        assert_eq!(Throttle::new(0).step(Time(1)), Ok(()), "time passes for everybody");
    }
}
