//! Why a clock could not be bent.

use std::io;

/// Why a clock could not be bent.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Not on this machine.
    #[error("{0}")]
    Unsupported(String),
    /// There is no such process (any more), or it runs another program by now.
    #[error("process {pid} is gone: {why}")]
    Gone {
        /// Which process.
        pid: i32,
        /// What is missing.
        why: String,
    },
    /// The kernel does not let us trace it.
    #[error("process {pid} may not be traced: {why}")]
    Refused {
        /// Which process.
        pid: i32,
        /// Why, and what to do.
        why: String,
    },
    /// Its code is not as expected, so it is left alone.
    #[error("the vDSO of process {pid} is left alone: {why}")]
    Unfamiliar {
        /// Which process.
        pid: i32,
        /// What is there instead.
        why: String,
    },
    /// One of its threads does not stop.
    #[error("thread {thread} of process {pid} did not stop within {limit_ms} ms (its state is {state})")]
    Stuck {
        /// Which process.
        pid: i32,
        /// Which thread.
        thread: i32,
        /// How long it was given.
        limit_ms: u128,
        /// The kernel's letter for what it does: `D` waits for a device.
        state: char,
    },
    /// The wanted setting makes no sense.
    #[error("{0}")]
    Nonsense(String),
    /// The operating system failed.
    #[error("cannot {doing} (process {pid}): {source}")]
    System {
        /// Which process.
        pid: i32,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl ClockError {
    /// That `doing` failed on process `pid`; if the process is no longer there, that.
    pub(super) fn system(pid: i32, doing: &'static str) -> impl Fn(io::Error) -> ClockError {
        move |source| match source.raw_os_error() {
            Some(libc::ESRCH) => ClockError::Gone { pid, why: format!("it ended; could not {doing}") },
            _ => ClockError::System { pid, doing, source },
        }
    }
}
