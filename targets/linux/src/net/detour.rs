//! Carrying the packets that come in from some addresses, which the packet filter leaves to a queue of ours.

use super::carrier::{Carrier, Traffic};
use super::lane::Lane;
use super::namespace::Namespace;
use super::netlink::Refused;
use super::policy::{Counts, Policy};
use super::queue::{self, Packet, Queue};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Who carries the packets that come in from some addresses.
#[derive(Debug)]
pub struct Detour {
    carrier: Carrier<Lanes>,
    /// The number of its queue.
    pub queue: u16,
}

/// A lane for each address.
#[derive(Debug)]
struct Lanes {
    lanes: BTreeMap<IpAddr, Lane<Packet>>,
    buffer: Vec<u8>,
}

/// How many packets are read before those that are due have their turn.
const TURN: usize = 64;

impl Detour {
    /// Opens a queue in this network, into which nothing goes yet.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn open(network: &Namespace) -> Result<Detour, Refused> {
        let queue = Queue::open(network)?;
        let (number, lanes) =
            (queue.number, Lanes { lanes: BTreeMap::new(), buffer: vec![0; queue::LONGEST] });
        let carrier = Carrier::start(lanes, vec![Arc::new(queue)]);
        let carrier = carrier.map_err(|error| Refused::new("carry the packets of a queue", error))?;
        Ok(Detour { carrier, queue: number })
    }

    /// Impairs what comes from an address, or impairs it differently.
    pub fn impair(&self, from: IpAddr, policy: Policy, cut: bool, seed: u64) {
        self.carrier.change(|lanes, _| {
            let lane = lanes.lanes.entry(from).or_insert_with(|| Lane::new(policy, cut, seed));
            lane.change(policy);
        });
    }

    /// Leaves what comes from an address alone: what is on its way arrives at once. What its lane did.
    pub fn release(&self, from: IpAddr) -> Counts {
        self.carrier.change(|lanes, _| {
            let Some(mut lane) = lanes.lanes.remove(&from) else { return Counts::default() };
            lane.flush().into_iter().for_each(arrive);
            lane.counts
        })
    }

    /// Cuts an impaired lane, or mends it.
    pub fn cut(&self, from: IpAddr, cut: bool) {
        self.carrier.change(|lanes, _| {
            if let Some(lane) = lanes.lanes.get_mut(&from) {
                lane.cut(cut);
            }
        });
    }

    /// What each lane did since it was impaired.
    pub fn counts(&self) -> BTreeMap<IpAddr, Counts> {
        self.carrier.change(|lanes, _| lanes.lanes.iter().map(|(from, lane)| (*from, lane.counts)).collect())
    }
}

/// What cannot arrive is lost, as it would be on any wire.
fn arrive(packet: Packet) {
    let _lost = packet.deliver();
}

impl Traffic for Lanes {
    type Door = Arc<Queue>;

    fn admit(&mut self, queues: &[Arc<Queue>], which: usize, now: Instant) {
        for _ in 0..TURN {
            // If some were lost because there were too many, the next is as good.
            let Ok(Some(packet)) = queues[which].next(&mut self.buffer) else { break };
            match packet.source().and_then(|from| self.lanes.get_mut(&from)) {
                Some(lane) => lane.admit(now, packet),
                // It came just before it was left alone.
                None => arrive(packet),
            }
        }
    }

    fn deliver(&mut self, _: &[Arc<Queue>], now: Instant) {
        for lane in self.lanes.values_mut() {
            std::iter::from_fn(|| lane.release(now)).for_each(arrive);
        }
    }

    fn alarm(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::alarm).min()
    }
}
