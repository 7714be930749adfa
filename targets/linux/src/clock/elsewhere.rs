//! Other processors, for which there is no stub.

use super::{ClockError, Reading, Restored, Turn, probe};
use std::convert::Infallible;
use std::time::Duration;

/// The clocks of one running process; here, of none.
#[derive(Debug)]
pub struct Skew(Infallible);

impl Skew {
    /// Never succeeds here.
    ///
    /// # Errors
    /// Always: there is no stub for this processor.
    pub fn attach(_pid: i32) -> Result<Skew, ClockError> {
        Err(ClockError::Unsupported(probe::can().err().unwrap_or_else(|| "not on this processor".to_owned())))
    }

    /// Whose clocks these are.
    pub fn pid(&self) -> i32 {
        match self.0 {}
    }

    /// How long the process stood still while it was changed.
    pub fn stopped_for(&self) -> Duration {
        match self.0 {}
    }

    /// Turns its clocks.
    ///
    /// # Errors
    /// Never called.
    pub fn turn(&self, _wall: Turn, _monotonic: Turn) -> Result<(), ClockError> {
        match self.0 {}
    }

    /// How its clocks stand now.
    ///
    /// # Errors
    /// Never called.
    pub fn reading(&self) -> Result<Reading, ClockError> {
        match self.0 {}
    }

    /// Gives the process its true clocks again.
    ///
    /// # Errors
    /// Never called.
    pub fn restore(&mut self) -> Result<Restored, ClockError> {
        match self.0 {}
    }
}
