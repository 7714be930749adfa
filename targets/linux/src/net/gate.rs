//! A table of our own in the packet filter of one machine, on what comes in: who is not heard there, or badly.
//!
//! ```text
//! table inet NAME {
//!   set cut4, cut6, heard4, heard6, detour4, detour6 { type ipv4_addr or ipv6_addr; counter }
//!   chain input { type filter hook input priority 0
//!     icmpv6 type 135-136 accept
//!     meta nfproto ipv4 ip  saddr @cut4 counter drop
//!     meta nfproto ipv6 ip6 saddr @cut6 counter drop }
//!   chain detour { type filter hook input priority 1
//!     icmpv6 type 135-136 accept
//!     iif != lo meta nfproto ipv4 ip  saddr @detour4 counter queue
//!     iif != lo meta nfproto ipv6 ip6 saddr @detour6 counter queue }
//!   chain heard { type filter hook input priority 2
//!     icmpv6 type 135-136 accept
//!     meta nfproto ipv4 ip  saddr @heard4 counter
//!     meta nfproto ipv6 ip6 saddr @heard6 counter }
//! }
//! ```
//! For machines whose network is not ours to build: a container is a process with a network, and a machine at
//! the end of a wire has one as well. Dropped where it arrives, a packet is lost out of its sender's sight, as on
//! a wire; dropped where it leaves, the sender would be told. Addresses that are not named are never touched, so
//! whoever controls the machine keeps hearing from it. In IPv6 the questions and answers about where an address
//! is are packets like any other; without them a cut of one direction would cut both.
//!
//! What is to be delayed, lost, repeated, overtaken, corrupted, throttled or held waits in a queue until a thread of
//! ours says what becomes of it (`detour`). That needs no card of a certain kind, no route and no `netem`. Only a
//! second copy comes by another way, over the loopback, and is left alone there. If this process ends, the kernel
//! forgets the table and the queue with all that waits in it.

use super::detour::Detour;
use super::namespace::Namespace;
use super::netlink::{Refused, Socket};
use super::policy::{Counts, Policy};
use super::table::{Chain, Family, Header, Hook, How, Meta, Rule, Set, Table, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A gate in one network: packets from some addresses do not come in, or not as they were sent. It goes when this is
/// dropped, and also when this process ends, however it does.
#[derive(Debug)]
pub struct Gate {
    network: Namespace,
    table: Table,
    cut: BTreeSet<IpAddr>,
    impaired: BTreeSet<IpAddr>,
    detour: Option<Detour>,
    /// What was dropped in cuts that are healed: the kernel forgets it with them.
    past: BTreeMap<IpAddr, u64>,
    /// What lanes did that are gone.
    carried: BTreeMap<IpAddr, Counts>,
}

/// How addresses look in one version of the protocol, and where its headers say the sender's.
#[derive(Debug, Clone, Copy)]
struct Version {
    /// `NFPROTO_…`
    protocol: u8,
    /// As the program `nft` names the type of the addresses.
    kind: u32,
    length: u32,
    sender: u32,
}

const FOUR: Version = Version { protocol: 2, kind: 7, length: 4, sender: 12 };
const SIX: Version = Version { protocol: 10, kind: 8, length: 16, sender: 8 };

/// Addresses of both versions, each in its own set.
type Sets = [(Version, Set); 2];

const CUT: Sets = sets("cut4", "cut6", 1);
const HEARD: Sets = sets("heard4", "heard6", 3);
const DETOUR: Sets = sets("detour4", "detour6", 5);

const fn sets(four: &'static str, six: &'static str, id: u32) -> Sets {
    [(FOUR, FOUR.set(four, id)), (SIX, SIX.set(six, id + 1))]
}

/// The number of the loopback, in every network.
const LOOPBACK: u32 = 1;

impl Gate {
    /// Opens a gate in this network, which lets everything in. There must be no table of this name yet.
    ///
    /// # Errors
    /// If the kernel refuses: it has no nf_tables, or is older than 5.12, or the table exists.
    pub fn open(network: &Namespace, table: &str) -> Result<Gate, Refused> {
        let refused = |error| Refused::new("reach the packet filter of a network", error);
        let socket = network.inside(|| Socket::open(libc::NETLINK_NETFILTER)).and_then(|socket| socket);
        let (socket, network) = (socket.map_err(refused)?, network.again().map_err(refused)?);
        let mut table = Table::new(socket, Family::Inet, table);
        let cut = CUT.map(|(version, set)| version.from(set, false).count().decide(Verdict::Drop));
        let heard = HEARD.map(|(version, set)| version.from(set, false).count());
        let chains = vec![chain("input", 0, &cut), chain("heard", 2, &heard)];
        let sets: Vec<Set> = [CUT, HEARD, DETOUR].iter().flatten().map(|(_, set)| *set).collect();
        table.make(&sets, chains)?;
        let (cut, impaired) = (BTreeSet::new(), BTreeSet::new());
        let (past, carried) = (BTreeMap::new(), BTreeMap::new());
        Ok(Gate { network, table, cut, impaired, detour: None, past, carried })
    }

    /// From now on, nothing comes in from these addresses, all at once; those that are cut stay so.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn cut(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let fresh = addresses.iter().copied().filter(|address| !self.cut.contains(address)).collect();
        self.table.insert(&keys(CUT, &fresh), &format!("cut off {} addresses", fresh.len()))?;
        fresh.iter().for_each(|address| self.mark_cut(*address, true));
        self.cut.extend(fresh);
        Ok(())
    }

    /// Lets these addresses in again, all at once; those that are not cut stay so.
    ///
    /// # Errors
    /// If the kernel refuses; then they are still cut.
    pub fn heal(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let old: BTreeSet<IpAddr> =
            addresses.iter().copied().filter(|address| self.cut.contains(address)).collect();
        let dropped = self.counts()?;
        self.table.remove(&keys(CUT, &old), &format!("let in {} addresses", old.len()))?;
        for address in &old {
            *self.past.entry(*address).or_default() += dropped.get(address).copied().unwrap_or(0);
        }
        old.iter().for_each(|address| self.mark_cut(*address, false));
        self.cut.retain(|address| !old.contains(address));
        Ok(())
    }

    /// From now on, what comes in from these addresses suffers this; what was wrong with it before is replaced. A
    /// policy that does nothing leaves it alone: what was held arrives. `seed` decides the dice.
    ///
    /// # Errors
    /// If the kernel refuses: it has no queues for packets.
    pub fn impair(&mut self, addresses: &[IpAddr], policy: Policy, seed: u64) -> Result<(), Refused> {
        if policy == Policy::default() {
            return self.leave_alone(addresses);
        }
        if self.detour.is_none() {
            let detour = Detour::open(&self.network)?;
            self.lead_to(detour.queue)?;
            self.detour = Some(detour);
        }
        let Some(detour) = &self.detour else { return Ok(()) };
        for address in addresses {
            detour.impair(*address, policy, self.cut.contains(address), seed ^ fold(*address));
        }
        let fresh: BTreeSet<IpAddr> =
            addresses.iter().copied().filter(|address| !self.impaired.contains(address)).collect();
        self.table.insert(&keys(DETOUR, &fresh), &format!("impair {} addresses", fresh.len()))?;
        self.impaired.extend(fresh);
        Ok(())
    }

    fn leave_alone(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let old: BTreeSet<IpAddr> =
            addresses.iter().copied().filter(|address| self.impaired.contains(address)).collect();
        self.table.remove(&keys(DETOUR, &old), &format!("leave {} addresses alone", old.len()))?;
        for address in &old {
            let did = self.detour.as_ref().map(|detour| detour.release(*address));
            *self.carried.entry(*address).or_default() += did.unwrap_or_default();
        }
        self.impaired.retain(|address| !old.contains(address));
        Ok(())
    }

    /// Leads what is impaired to a queue. Kernels have one of two ways to say so, or both.
    fn lead_to(&mut self, queue: u16) -> Result<(), Refused> {
        let detour = |lead: fn(Rule, u16) -> Rule| {
            let rules = DETOUR.map(|(version, set)| lead(version.from(set, true).count(), queue));
            chain("detour", 1, &rules)
        };
        self.table.add(detour(Rule::queue)).or_else(|_| self.table.add(detour(Rule::queue_as_iptables)))
    }

    fn mark_cut(&self, address: IpAddr, cut: bool) {
        if let Some(detour) = &self.detour {
            detour.cut(address, cut);
        }
    }

    /// What became of what came in from each address that is or was impaired, as long as it was.
    pub fn carried(&self) -> BTreeMap<IpAddr, Counts> {
        let mut all = self.carried.clone();
        for (address, counts) in self.detour.iter().flat_map(Detour::counts) {
            *all.entry(address).or_default() += counts;
        }
        all
    }

    /// From now on, counts what comes in from these addresses.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn listen_to(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let addresses = addresses.iter().copied().collect();
        self.table.insert(&keys(HEARD, &addresses), &format!("listen to {} addresses", addresses.len()))
    }

    /// How many packets came in from each address that is listened to since it is.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn heard(&mut self) -> Result<BTreeMap<IpAddr, u64>, Refused> {
        self.counts_of(HEARD)
    }

    /// How many packets each address that is cut has lost here since it was.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counts(&mut self) -> Result<BTreeMap<IpAddr, u64>, Refused> {
        self.counts_of(CUT)
    }

    /// How many packets were dropped here so far.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn dropped(&mut self) -> Result<u64, Refused> {
        Ok(self.past.values().sum::<u64>() + self.counts()?.values().sum::<u64>())
    }

    /// What became of everything that came in so far from each address that is listened to, or was cut or impaired.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn tally(&mut self) -> Result<BTreeMap<IpAddr, Counts>, Refused> {
        let mut all = self.carried();
        // What was let go is heard, and counted there.
        all.values_mut().for_each(|counts| counts.passed = 0);
        for (address, dropped) in self.past.clone().into_iter().chain(self.counts()?) {
            all.entry(address).or_default().dropped += dropped;
        }
        for (address, passed) in self.heard()? {
            all.entry(address).or_default().passed += passed;
        }
        Ok(all)
    }

    fn counts_of(&mut self, sets: Sets) -> Result<BTreeMap<IpAddr, u64>, Refused> {
        let mut counts = BTreeMap::new();
        for (_, set) in sets {
            let counted = self.table.counts(set)?;
            counts.extend(counted.into_iter().filter_map(|(key, count)| Some((address(&key)?, count))));
        }
        Ok(counts)
    }
}

/// A chain whose rules are none of the neighbours' business.
fn chain(name: &'static str, place: u32, rules: &[Rule]) -> Chain {
    let rules = [&[neighbours()], rules].concat();
    Chain { name, hook: Hook::Input, place, rules }
}

/// Lets in what asks and tells where in the network an address is.
fn neighbours() -> Rule {
    const ICMP: u8 = 58;
    const SOLICITATION: u8 = 135;
    const ADVERTISEMENT: u8 = 136;
    let rule = Rule::new("for neighbours").ask(0, Meta::Protocol).only_if(How::Equal, &[SIX.protocol]);
    let rule = rule.ask(0, Meta::Transport).only_if(How::Equal, &[ICMP]).take(Header::Transport, 0, 1);
    let rule = rule.only_if(How::AtLeast, &[SOLICITATION]).only_if(How::AtMost, &[ADVERTISEMENT]);
    rule.decide(Verdict::Accept)
}

impl Version {
    const fn set(self, name: &'static str, id: u32) -> Set {
        Set { name, id, kind: self.kind, length: self.length }
    }

    /// What comes from an address in this set; on demand, only if it comes from outside.
    fn from(self, set: Set, outside: bool) -> Rule {
        let rule = Rule::new(format!("for {}", set.name));
        let rule = if outside {
            rule.ask(0, Meta::Incoming).only_if(How::Other, &LOOPBACK.to_ne_bytes())
        } else {
            rule
        };
        let rule = rule.ask(0, Meta::Protocol).only_if(How::Equal, &[self.protocol]);
        rule.take(Header::Network, self.sender, self.length).only_in(set)
    }

    /// How its set says this address; `None` if it is of the other version.
    fn key(self, address: IpAddr) -> Option<Vec<u8>> {
        let key = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        (key.len() == self.length as usize).then_some(key)
    }
}

/// How sets say these addresses.
fn keys(sets: Sets, addresses: &BTreeSet<IpAddr>) -> Vec<(Set, Vec<Vec<u8>>)> {
    let keys = |version: Version| addresses.iter().filter_map(|address| version.key(*address)).collect();
    sets.into_iter().map(|(version, set)| (set, keys(version))).collect()
}

fn address(key: &[u8]) -> Option<IpAddr> {
    let four = || Some(IpAddr::from(<[u8; 4]>::try_from(key).ok()?));
    let six = || Some(IpAddr::from(<[u8; 16]>::try_from(key).ok()?));
    four().or_else(six)
}

/// Each address has dice of its own.
fn fold(address: IpAddr) -> u64 {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().fold(0, |all, octet| all.rotate_left(8) ^ u64::from(*octet))
}
