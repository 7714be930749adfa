//! Carrying the frames of a bridge's impaired links, with a tap on every port of the bridge.

use super::carrier::{Carrier, Traffic};
use super::links::Mac;
use super::netlink::Refused;
use super::packet::Tap;
use super::switch::{Leaving, Switch};
use std::io;
use std::time::Instant;

/// Who carries the frames of a bridge's impaired links.
pub type Impairer = Carrier<Taps>;

/// The switch between the taps, and the room for a frame.
#[derive(Debug)]
pub struct Taps {
    /// Which frame goes where.
    pub switch: Switch,
    frame: Vec<u8>,
}

/// How many frames are read from one port before the others have their turn.
const TURN: usize = 64;
/// The longest frame; with offloads off none is near it.
const LONGEST: usize = 64 << 10;

/// Taps these ports, by number and by the address of the machine behind, in the calling thread's network.
///
/// # Errors
/// If the kernel refuses.
pub fn impairer(ports: &[(u32, Mac)]) -> Result<Impairer, Refused> {
    let taps: io::Result<Vec<Tap>> = ports.iter().map(|(link, _)| Tap::open(*link)).collect();
    let switch = Switch::new(ports.iter().map(|(_, mac)| *mac).collect());
    let started = taps.and_then(|taps| Carrier::start(Taps { switch, frame: vec![0; LONGEST] }, taps));
    started.map_err(|error| Refused::new("tap the bridge's ports", error))
}

/// Lets frames go. What cannot be sent is lost.
pub fn send(taps: &[Tap], leaving: Vec<Leaving>) {
    for (port, frame) in leaving {
        let _lost = taps[port].write(&frame);
    }
}

impl Traffic for Taps {
    type Door = Tap;

    fn admit(&mut self, taps: &[Tap], port: usize, now: Instant) {
        for _ in 0..TURN {
            // A link that is down has nothing to read, and no frame is worth a panic.
            let Ok(Some(length)) = taps[port].read(&mut self.frame) else { break };
            self.switch.admit(now, port, &self.frame[..length]);
        }
    }

    fn deliver(&mut self, taps: &[Tap], now: Instant) {
        send(taps, self.switch.due(now));
    }

    fn alarm(&self) -> Option<Instant> {
        self.switch.alarm()
    }
}
