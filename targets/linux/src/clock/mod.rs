//! # The clock of one process
//!
//! A program asks for the time through the vDSO, a small library that the kernel maps into every process. A
//! [`Skew`] stops a process for a moment (ptrace), puts a jump to a stub of ours at the beginning of three functions
//! of its own copy of that library (`clock_gettime`, `gettimeofday`, `time`), and lets it go. From then on the stub
//! asks the kernel and adds what a page of memory says, which is changed from outside while the process runs.
//! The clocks of the machine and of every other process stay as they are. Children that the process forks later
//! share its page and therefore its clocks; a program that it executes begins with true ones.
//!
//! What is not reached:
//! * system calls that go past the vDSO, and programs that read the processor's counter themselves;
//! * the kernel's own timers. A sleep takes as long as ever, and a deadline given as a point in time is compared
//!   with the true clock: with the monotonic clock five seconds ahead, a wait on a condition variable "until one
//!   second from now" takes six;
//! * the time stamps of files.
//!
//! A clock read costs a system call as long as the stub is there, about half a microsecond.

mod control;
mod error;
mod host;
mod line;
mod memory;
mod probe;
#[cfg(target_arch = "x86_64")]
mod session;
#[cfg_attr(not(target_arch = "x86_64"), path = "elsewhere.rs")]
mod skew;
#[cfg(target_arch = "x86_64")]
mod stub;
#[cfg(target_arch = "x86_64")]
mod vdso;

pub use error::ClockError;
pub use line::{Jump, Shift, Turn};
pub use probe::can;
pub use skew::Skew;

use serde::{Deserialize, Serialize};

/// How the clocks of a process stand to the true ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// `CLOCK_REALTIME` and its relatives: the time of day.
    pub wall: Shift,
    /// `CLOCK_MONOTONIC` and its relatives.
    pub monotonic: Shift,
}

/// What is left after [`Skew::restore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restored {
    /// Nothing: the process reads true clocks, by its own code.
    Wholly,
    /// The wall clock is true. The monotonic clock runs at its true rate but stays ahead by so many nanoseconds,
    /// because it may not jump back: the stub remains.
    Ahead(i64),
}
