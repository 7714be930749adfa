//! A network of machines on one bridge, apart from everything else on this machine.
//!
//! The bridge and our own address on it are in a network namespace of their own, the hub. Nothing but this
//! process's descriptors holds it, and the machines' networks: nothing is ever made in the host's own network,
//! and whatever ends this process, however suddenly, ends the network with everything in it.

use super::filter::{Filter, Set, Way};
use super::impairer::{self, Impairer, impairer};
use super::links::{End, Links, Mac};
use super::namespace::Namespace;
use super::netlink::Refused;
use super::offload;
use super::policy::{Counts, Policy};
use super::switch::Pair;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

/// The name of everything of ours that the kernel lists by name.
pub const NAME: &str = "tribunal";
/// The name of each machine's card.
const CARD: &str = "eth0";
/// So many leading bits of an address are the network's.
const BITS: (u8, u8) = (16, 64);
/// More machines would share addresses with the hub.
const MOST: usize = 1000;
/// The port for what nobody listens to (RFC 863).
const DISCARD: u16 = 9;

/// A network of machines on one bridge.
#[derive(Debug)]
pub struct Lab {
    hub: Namespace,
    machines: Vec<Machine>,
    filter: Filter,
    impairer: Option<Impairer>,
    seed: u64,
    cut: BTreeSet<Pair>,
    impaired: BTreeSet<Pair>,
    /// What links did before they were last mended: the kernel forgets it with the cut.
    past: BTreeMap<Pair, Counts>,
}

/// One machine's place in a network.
#[derive(Debug)]
pub struct Machine {
    /// Its own network.
    pub network: Arc<Namespace>,
    /// Its address in IPv4.
    pub four: Ipv4Addr,
    /// Its address in IPv6, unless this kernel speaks none.
    pub six: Option<Ipv6Addr>,
    port: u32,
    mac: Mac,
    probe: UdpSocket,
}

impl Lab {
    /// Lays out a network for so many machines. `seed` decides the dice of impaired links.
    ///
    /// # Errors
    /// If the kernel refuses: see [`super::can`].
    pub fn build(machines: usize, seed: u64) -> Result<Lab, Refused> {
        if !(1..=MOST).contains(&machines) {
            let why = std::io::Error::other(format!("there can be 1 to {MOST}"));
            return Err(Refused::new(format!("lay out {machines} machines"), why));
        }
        let hub = Namespace::create().map_err(|error| Refused::new("make a network namespace", error))?;
        let (machines, filter) = within(&hub, || {
            let mut links = Links::here()?;
            links.up("lo")?;
            links.bridge(NAME, mac(MOST + 1))?;
            links.silence(NAME)?;
            links.up(NAME)?;
            let ours = addresses(0);
            links.address(NAME, ours.0.into(), BITS.0)?;
            // Where there is no IPv6, no machine will have it either.
            let six = links.address(NAME, ours.1.into(), BITS.1).is_ok();
            let bridge = links.index(NAME)?;
            let made = (0..machines).map(|place| Machine::make(&mut links, bridge, place, six));
            Ok((made.collect::<Result<Vec<Machine>, Refused>>()?, Filter::install(NAME)?))
        })?;
        let (cut, impaired, past) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let mut lab = Lab { hub, machines, filter, impairer: None, seed, cut, impaired, past };
        let ways = lab.ways(&lab.pairs());
        lab.filter.insert(Set::Seen, &ways)?;
        Ok(lab)
    }

    /// The network from which every machine is reached, whatever is cut: nothing between it and a machine is
    /// ever impaired.
    pub fn hub(&self) -> &Namespace {
        &self.hub
    }

    /// The machines, in order.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// Every ordered pair of machines.
    pub fn pairs(&self) -> Vec<Pair> {
        let all = 0..self.machines.len();
        let pairs = all.clone().flat_map(|from| all.clone().map(move |to| (from, to)));
        pairs.filter(|(from, to)| from != to).collect()
    }

    /// Cuts these links, all at once; those that are cut stay so.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn cut(&mut self, pairs: &[Pair]) -> Result<(), Refused> {
        let fresh: Vec<Pair> = pairs.iter().copied().filter(|pair| !self.cut.contains(pair)).collect();
        self.filter.insert(Set::Cut, &self.ways(&fresh))?;
        self.mark_cut(&fresh, true);
        Ok(())
    }

    /// Mends these links, all at once; those that are not cut stay so.
    ///
    /// # Errors
    /// If the kernel refuses; then they are still cut.
    pub fn mend(&mut self, pairs: &[Pair]) -> Result<(), Refused> {
        let old: Vec<Pair> = pairs.iter().copied().filter(|pair| self.cut.contains(pair)).collect();
        let (ways, dropped) = (self.ways(&old), self.filter.counts(Set::Cut)?);
        self.filter.remove(Set::Cut, &ways)?;
        self.mark_cut(&old, false);
        for (pair, way) in old.iter().zip(&ways) {
            let dropped = dropped.get(way).copied().unwrap_or(0);
            *self.past.entry(*pair).or_default() += Counts { dropped, ..Counts::default() };
        }
        Ok(())
    }

    /// Impairs these links; what was wrong with them before is replaced. A policy that does nothing leaves them
    /// alone: what was held arrives.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn impair(&mut self, pairs: &[Pair], policy: Policy) -> Result<(), Refused> {
        if policy == Policy::default() { self.leave_alone(pairs) } else { self.carry(pairs, policy) }
    }

    /// What each of these links did so far.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counts(&mut self, pairs: &[Pair]) -> Result<Vec<Counts>, Refused> {
        let (dropped, seen) = (self.filter.counts(Set::Cut)?, self.filter.counts(Set::Seen)?);
        let of = |counts: &BTreeMap<Way, u64>, way| counts.get(&way).copied().unwrap_or(0);
        Ok(pairs
            .iter()
            .zip(self.ways(pairs))
            .map(|(pair, way)| {
                let mut counts = self.past.get(pair).copied().unwrap_or_default();
                let carried = self
                    .impairer
                    .as_ref()
                    .map(|impairer| impairer.change(|taps, _| taps.switch.counts(*pair)));
                counts += carried.unwrap_or_default();
                counts += Counts { dropped: of(&dropped, way), passed: of(&seen, way), ..Counts::default() };
                counts
            })
            .collect())
    }

    /// Sends one datagram that nobody is interested in over each of these links, so that even one that nobody
    /// uses can show what becomes of frames on it.
    pub fn probe(&self, pairs: &[Pair]) {
        for (from, to) in pairs {
            // Whether it was sent and what became of it is what the counters show.
            let _unsent = self.machines[*from].probe.send_to(b"probe", (self.machines[*to].four, DISCARD));
        }
    }

    fn mark_cut(&mut self, pairs: &[Pair], cut: bool) {
        for pair in pairs {
            if cut {
                self.cut.insert(*pair)
            } else {
                self.cut.remove(pair)
            };
        }
        if let Some(impairer) = &self.impairer {
            impairer.change(|taps, _| pairs.iter().for_each(|pair| taps.switch.cut(*pair, cut)));
        }
    }

    /// At the seams a frame or two is lost rather than repeated: the kernel stops carrying before we begin.
    fn carry(&mut self, pairs: &[Pair], policy: Policy) -> Result<(), Refused> {
        if self.impairer.is_none() {
            let ports: Vec<(u32, Mac)> =
                self.machines.iter().map(|machine| (machine.port, machine.mac)).collect();
            self.impairer = Some(within(&self.hub, || impairer(&ports))?);
        }
        self.filter.insert(Set::Detour, &self.ways(pairs))?;
        self.impaired.extend(pairs);
        let (cut, seed) = (&self.cut, self.seed);
        if let Some(impairer) = &self.impairer {
            impairer.change(|taps, _| {
                for (from, to) in pairs {
                    let dice = seed ^ ((*from as u64) << 32 | *to as u64);
                    taps.switch.impair((*from, *to), policy, cut.contains(&(*from, *to)), dice);
                }
            });
        }
        Ok(())
    }

    fn leave_alone(&mut self, pairs: &[Pair]) -> Result<(), Refused> {
        let old: Vec<Pair> = pairs.iter().copied().filter(|pair| self.impaired.contains(pair)).collect();
        let Some(impairer) = &self.impairer else { return Ok(()) };
        let did: Vec<Counts> = impairer.change(|taps, doors| {
            let released = old.iter().map(|pair| taps.switch.release(*pair));
            released
                .map(|(counts, frames)| {
                    impairer::send(doors, frames);
                    counts
                })
                .collect()
        });
        for (pair, did) in old.iter().zip(did) {
            *self.past.entry(*pair).or_default() += did;
            self.impaired.remove(pair);
        }
        if self.impaired.is_empty() {
            self.impairer = None;
        }
        self.filter.remove(Set::Detour, &self.ways(&old))
    }

    fn ways(&self, pairs: &[Pair]) -> Vec<Way> {
        let port = |place: usize| self.machines[place].port;
        pairs.iter().map(|(from, to)| Way { from: port(*from), to: port(*to) }).collect()
    }
}

impl Machine {
    /// Makes the machine at this place; `links` are the hub's.
    fn make(links: &mut Links, bridge: u32, place: usize, six: bool) -> Result<Machine, Refused> {
        let refused = |error| Refused::new("make a network namespace", error);
        let network = Namespace::create().map_err(refused)?;
        let name = format!("n{}", place + 1);
        let (here, there) =
            (End { name: &name, mac: mac(MOST + 2 + place) }, End { name: CARD, mac: mac(place) });
        links.cable(here, bridge, there, &network)?;
        links.silence(&name)?;
        offload::switch_off(&name)?;
        links.up(&name)?;
        let port = links.index(&name)?;
        let (four, address) = addresses(place + 1);
        let probe = within(&network, || {
            let mut links = Links::here()?;
            links.up("lo")?;
            links.silence(CARD)?;
            offload::switch_off(CARD)?;
            links.up(CARD)?;
            links.address(CARD, four.into(), BITS.0)?;
            if six {
                links.address(CARD, address.into(), BITS.1)?;
            }
            let probe = UdpSocket::bind((four, 0)).and_then(|probe| {
                probe.set_nonblocking(true)?;
                Ok(probe)
            });
            probe.map_err(|error| Refused::new(format!("open a socket at {four}"), error))
        })?;
        Ok(Machine {
            network: Arc::new(network),
            four,
            six: six.then_some(address),
            port,
            mac: there.mac,
            probe,
        })
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [Some(IpAddr::V4(self.four)), self.six.map(IpAddr::V6)].into_iter().flatten()
    }
}

/// Does something in another network; a refusal there, or of the way there, is one refusal.
fn within<T: Send>(
    network: &Namespace,
    action: impl FnOnce() -> Result<T, Refused> + Send,
) -> Result<T, Refused> {
    let entered = network.inside(action);
    entered.map_err(|error| Refused::new("enter a network namespace", error)).and_then(|done| done)
}

/// The addresses of the machine with this number; zero is the hub.
fn addresses(number: usize) -> (Ipv4Addr, Ipv6Addr) {
    let number = u16::try_from(number).expect("there are at most a thousand machines");
    let [high, low] = number.to_be_bytes();
    let four = if number == 0 { Ipv4Addr::new(10, 77, 255, 254) } else { Ipv4Addr::new(10, 77, high, low) };
    let last = if number == 0 { 0xffff } else { number };
    (four, Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, last))
}

/// The address of the card with this number: locally administered, and recognisable.
fn mac(number: usize) -> Mac {
    let [high, low] = u16::try_from(number).expect("there are at most two thousand cards").to_be_bytes();
    [0x02, 0x77, 0, 0, high, low]
}
