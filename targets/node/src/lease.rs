//! Living only as long as somebody asks.

use crate::NodeError;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A lease is over after so many rounds in which nobody asked. It is counted in rounds, not by a clock: a process
/// that was stopped for a while, or whose clocks are bent, is not to blame for the silence.
const ROUNDS: u32 = 20;
/// What the process exits with when its lease is over.
const OVER: i32 = 1;

/// A lease on this process's life, renewed by everyone who asks how it stands.
#[derive(Debug, Clone, Default)]
pub struct Lease {
    renewed: Arc<AtomicBool>,
}

impl Lease {
    /// Begins a lease: after so much silence the process ends. Without a length it never does.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn begin(length: Option<Duration>) -> Result<Lease, NodeError> {
        let lease = Lease::default();
        if let Some(length) = length {
            let (ours, thread) = (lease.clone(), thread::Builder::new().name("lease".to_owned()));
            let watch = move || {
                ours.await_end(length / ROUNDS);
                tracing::error!("nobody has asked for {length:?}: the controller is gone, and so am I");
                process::exit(OVER);
            };
            thread.spawn(watch).map_err(NodeError::system("watch the lease"))?;
        }
        Ok(lease)
    }

    /// Somebody asked.
    pub fn renew(&self) {
        self.renewed.store(true, Ordering::Relaxed);
    }

    fn await_end(&self, round: Duration) {
        let mut silent = 0;
        while silent < ROUNDS {
            thread::sleep(round);
            silent = if self.renewed.swap(false, Ordering::Relaxed) { 0 } else { silent + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_lease_ends_in_silence_and_not_before() {
        let lease = Lease::begin(None).unwrap();
        let renewing = lease.clone();
        let begin = Instant::now();
        let asker = thread::spawn(move || {
            for _ in 0..10 {
                renewing.renew();
                thread::sleep(Duration::from_millis(20));
            }
        });
        lease.await_end(Duration::from_millis(10));
        assert!(asker.is_finished(), "nobody was silent for 20 rounds of 10 ms until then");
        assert!(begin.elapsed() >= Duration::from_millis(350), "{:?}", begin.elapsed());
    }
}
