//! The thread that carries what travels over impaired links.

use super::packet;
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What travels, and the doors by which it comes and goes.
pub trait Traffic: Send + 'static {
    /// A door.
    type Door: AsFd + Debug + Send + Sync + 'static;

    /// Takes in what waits at one of the doors, but not so much that the others have to wait.
    fn admit(&mut self, doors: &[Self::Door], which: usize, now: Instant);

    /// Sends on its way what is due by now. What cannot be sent is lost, as it would be on any wire.
    fn deliver(&mut self, doors: &[Self::Door], now: Instant);

    /// When something will be due, if nothing else happens until then.
    fn alarm(&self) -> Option<Instant>;
}

/// The thread that carries what travels over impaired links. It costs even healthy ones some speed, so it should run
/// only while something is impaired. It ends when this is dropped.
#[derive(Debug)]
pub struct Carrier<T: Traffic> {
    shared: Arc<Shared<T>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<T: Traffic> {
    traffic: Mutex<T>,
    doors: Vec<T::Door>,
}

impl<T: Traffic> Carrier<T> {
    /// Carries this traffic between these doors from now on.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(traffic: T, doors: Vec<T::Door>) -> io::Result<Carrier<T>> {
        let shared = Arc::new(Shared { traffic: Mutex::new(traffic), doors });
        let (wake, woken) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("carrier".to_owned());
        let thread = thread.spawn(move || theirs.carry(&woken))?;
        Ok(Carrier { shared, wake, thread: Some(thread) })
    }

    /// Changes something about the traffic, or looks at it.
    pub fn change<R>(&self, change: impl FnOnce(&mut T, &[T::Door]) -> R) -> R {
        let result = change(&mut self.shared.traffic(), &self.shared.doors);
        // If the thread has ended, there is nobody to wake.
        let _ended = (&self.wake).write(&[1]);
        result
    }
}

impl<T: Traffic> Drop for Carrier<T> {
    fn drop(&mut self) {
        let _ended = self.wake.shutdown(std::net::Shutdown::Both);
        // It panics nowhere; if it did, it is gone all the same.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

impl<T: Traffic> Shared<T> {
    fn traffic(&self) -> MutexGuard<'_, T> {
        // Lanes and counts are whole at every moment.
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries until nobody wants it any more.
    fn carry(&self, mut woken: &UnixStream) {
        let mut all = vec![woken.as_fd()];
        all.extend(self.doors.iter().map(AsFd::as_fd));
        loop {
            let alarm = self.traffic().alarm();
            let limit = alarm.map(|alarm| alarm.saturating_duration_since(Instant::now()));
            let Ok(ready) = packet::wait(&all, limit) else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            if ready[0] && woken.read(&mut [0; 64]).is_ok_and(|length| length == 0) {
                return;
            }
            for (which, _) in ready[1..].iter().enumerate().filter(|(_, ready)| **ready) {
                self.traffic().admit(&self.doors, which, Instant::now());
            }
            self.traffic().deliver(&self.doors, Instant::now());
        }
    }
}
