//! The clocks of one node's process.

use linux::clock::{ClockError, Reading, Restored, Shift, Skew, Turn};

/// The clocks of one node's process, which are true until they are turned. They are given back when this is dropped.
#[derive(Debug, Default)]
pub struct Clock {
    skew: Option<(i32, Skew)>,
}

/// How clocks stood before they were turned, and how they stand now.
pub type Turned = (Reading, Reading);

impl Clock {
    /// Turns the clocks of this process. Those of an earlier one are forgotten.
    ///
    /// # Errors
    /// If it is gone or may not be traced. Its clocks are as before then.
    pub fn turn(&mut self, pid: i32, wall: Turn, monotonic: Turn) -> Result<Turned, ClockError> {
        if self.skew.as_ref().is_none_or(|(of, _)| *of != pid) {
            self.skew = Some((pid, Skew::attach(pid)?));
        }
        let Some((_, skew)) = &self.skew else { return Err(ClockError::Unsupported("no clocks".to_owned())) };
        let old = skew.reading()?;
        skew.turn(wall, monotonic)?;
        Ok((old, skew.reading()?))
    }

    /// Gives true clocks again to the process whose clocks were turned last; none if none were. The monotonic one may
    /// stay ahead, because it may not jump back.
    ///
    /// # Errors
    /// If the process is gone or can no longer be traced.
    pub fn restore(&mut self) -> Option<Result<Turned, ClockError>> {
        let (_, mut skew) = self.skew.take()?;
        let old = match skew.reading() {
            Ok(old) => old,
            Err(gone) => return Some(Err(gone)),
        };
        let shift = |ahead_ns| Shift { ahead_ns, rate_ppm: 1_000_000 };
        Some(skew.restore().map(|left| {
            let ahead = match left {
                Restored::Wholly => 0,
                Restored::Ahead(ahead) => ahead,
            };
            (old, Reading { wall: shift(0), monotonic: shift(ahead) })
        }))
    }
}
