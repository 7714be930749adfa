//! The thread that carries the frames of impaired links.

use super::links::Mac;
use super::netlink::Refused;
use super::packet::{self, Tap};
use super::switch::{Leaving, Switch};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many frames are read from one port before the others have their turn.
const TURN: usize = 64;
/// The longest frame; with offloads off none is near it.
const LONGEST: usize = 64 << 10;

/// The thread that carries the frames of impaired links, with a tap on every port of the bridge. It costs even
/// healthy links some speed, so it should run only while something is impaired. It ends when this is dropped.
#[derive(Debug)]
pub struct Impairer {
    shared: Arc<Shared>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    switch: Mutex<Switch>,
    taps: Vec<Tap>,
}

impl Impairer {
    /// Taps these ports, by number and by the address of the machine behind, in the calling thread's network.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn start(ports: &[(u32, Mac)]) -> Result<Impairer, Refused> {
        let refused = |error| Refused::new("tap the bridge's ports", error);
        let taps: io::Result<Vec<Tap>> = ports.iter().map(|(link, _)| Tap::open(*link)).collect();
        let switch = Mutex::new(Switch::new(ports.iter().map(|(_, mac)| *mac).collect()));
        let shared = Arc::new(Shared { switch, taps: taps.map_err(refused)? });
        let (wake, woken) = UnixStream::pair().map_err(refused)?;
        woken.set_nonblocking(true).map_err(refused)?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("impairer".to_owned());
        let thread = thread.spawn(move || theirs.carry(&woken)).map_err(refused)?;
        Ok(Impairer { shared, wake, thread: Some(thread) })
    }

    /// Changes something about the switch, or looks at it. What `change` wants to leave, leaves.
    pub fn change<T>(&self, change: impl FnOnce(&mut Switch, &mut Vec<Leaving>) -> T) -> T {
        let mut leaving = Vec::new();
        let result = change(&mut self.shared.switch(), &mut leaving);
        self.shared.send(leaving);
        // If the thread has ended, there is nobody to wake.
        let _ended = (&self.wake).write(&[1]);
        result
    }
}

impl Drop for Impairer {
    fn drop(&mut self) {
        let _ended = self.wake.shutdown(std::net::Shutdown::Both);
        // It panics nowhere; if it did, it is gone all the same.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn switch(&self) -> MutexGuard<'_, Switch> {
        // Lanes and counts are whole at every moment.
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries frames until nobody wants it any more.
    fn carry(&self, mut woken: &UnixStream) {
        let mut all = vec![woken.as_fd()];
        all.extend(self.taps.iter().map(AsFd::as_fd));
        let mut frame = vec![0; LONGEST];
        loop {
            let alarm = self.switch().alarm();
            let limit = alarm.map(|alarm| alarm.saturating_duration_since(Instant::now()));
            let Ok(ready) = packet::wait(&all, limit) else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            if ready[0] && woken.read(&mut frame).is_ok_and(|length| length == 0) {
                return;
            }
            let ready = ready[1..].iter().enumerate().filter(|(_, ready)| **ready);
            ready.for_each(|(port, _)| self.admit(port, &mut frame));
            let due = self.switch().due(Instant::now());
            self.send(due);
        }
    }

    fn admit(&self, port: usize, frame: &mut [u8]) {
        let mut switch = self.switch();
        for _ in 0..TURN {
            // A link that is down has nothing to read, and no frame is worth a panic.
            let Ok(Some(length)) = self.taps[port].read(frame) else { break };
            switch.admit(Instant::now(), port, &frame[..length]);
        }
    }

    /// What cannot be sent is lost, as it would be on any wire.
    fn send(&self, leaving: Vec<Leaving>) {
        for (port, frame) in leaving {
            let _lost = self.taps[port].write(&frame);
        }
    }
}
