//! A table of our own in the packet filter of one machine, on what comes in: who may not be heard there.
//!
//! ```text
//! table inet NAME {
//!   set cut4   { type ipv4_addr; counter }
//!   set cut6   { type ipv6_addr; counter }
//!   set heard4 { type ipv4_addr; counter }
//!   set heard6 { type ipv6_addr; counter }
//!   chain input { type filter hook input priority 0
//!     icmpv6 type 135-136 accept
//!     meta nfproto ipv4 ip  saddr @cut4   counter drop
//!     meta nfproto ipv6 ip6 saddr @cut6   counter drop
//!     meta nfproto ipv4 ip  saddr @heard4 counter
//!     meta nfproto ipv6 ip6 saddr @heard6 counter }
//! }
//! ```
//! For machines whose network is not ours to build: a container is a process with a network, and a machine at
//! the end of a wire has one as well. Dropped where it arrives, a packet is lost out of its sender's sight, as on
//! a wire; dropped where it leaves, the sender would be told. Addresses that are not named are never touched, so
//! whoever controls the machine keeps hearing from it. In IPv6 the questions and answers about where an address
//! is are packets like any other; without them a cut of one direction would cut both.
use super::filter::{
    ACCEPT, APPEND, CREATE, DO, DROP, FIRST, LIST, NEW, OWNED, VERDICT, batch, element, expression, request,
};
use super::message::{Message, attribute, attributes};
use super::namespace::Namespace;
use super::netlink::{Refused, Socket};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A gate in one network: packets from some addresses do not come in. It goes when this is dropped, and also when
/// this process ends, however it does.
#[derive(Debug)]
pub struct Gate {
    socket: Socket,
    table: String,
    cut: BTreeSet<IpAddr>,
    /// What was dropped in cuts that are healed: the kernel forgets it with them.
    past: u64,
}

/// The family of tables that see IPv4 and IPv6.
const INET: u8 = 1;
/// The hook for what comes in.
const INPUT: u32 = 1;
/// What to load: the protocol of the network, and the one it carries.
const PROTOCOL: u32 = 15;
const TRANSPORT: u32 = 16;
/// Where in a packet.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// How to compare.
const EQUAL: u32 = 0;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;

/// One set of addresses, all of one version of the protocol.
#[derive(Debug, Clone, Copy)]
struct Set {
    name: &'static str,
    id: u32,
    drops: bool,
    version: Version,
}

/// How addresses look in one version of the protocol, and where its headers say the sender's.
#[derive(Debug, Clone, Copy)]
struct Version {
    /// `NFPROTO_…`
    protocol: u8,
    /// As the program `nft` names the type of the addresses: it can list what we made.
    kind: u32,
    length: u32,
    sender: u32,
}

const FOUR: Version = Version { protocol: 2, kind: 7, length: 4, sender: 12 };
const SIX: Version = Version { protocol: 10, kind: 8, length: 16, sender: 8 };

const CUT: [Set; 2] = [
    Set { name: "cut4", id: 1, drops: true, version: FOUR },
    Set { name: "cut6", id: 2, drops: true, version: SIX },
];
const HEARD: [Set; 2] = [
    Set { name: "heard4", id: 3, drops: false, version: FOUR },
    Set { name: "heard6", id: 4, drops: false, version: SIX },
];

impl Gate {
    /// Opens a gate in this network, which lets everything in. There must be no table of this name yet.
    ///
    /// # Errors
    /// If the kernel refuses: it has no nf_tables, or is older than 5.12, or the table exists.
    pub fn open(network: &Namespace, table: &str) -> Result<Gate, Refused> {
        let socket = network.inside(|| Socket::open(libc::NETLINK_NETFILTER)).and_then(|socket| socket);
        let socket = socket.map_err(|error| Refused::new("reach the packet filter of a network", error))?;
        let mut gate = Gate { socket, table: table.to_owned(), cut: BTreeSet::new(), past: 0 };
        let mut changes = vec![gate.table_request(), gate.chain_request(), gate.neighbours_request()];
        for set in CUT.into_iter().chain(HEARD) {
            changes.extend([gate.set_request(set), gate.set_rule_request(set)]);
        }
        gate.socket.ask(batch(changes))?;
        Ok(gate)
    }

    /// From now on, nothing comes in from these addresses, all at once; those that are cut stay so.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn cut(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let fresh = addresses.iter().copied().filter(|address| !self.cut.contains(address)).collect();
        self.change(request::NEW_ELEMENT, CREATE, CUT, "cut off", &fresh)?;
        self.cut.extend(fresh);
        Ok(())
    }

    /// Lets these addresses in again, all at once; those that are not cut stay so.
    ///
    /// # Errors
    /// If the kernel refuses; then they are still cut.
    pub fn heal(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let old = addresses.iter().copied().filter(|address| self.cut.contains(address)).collect();
        let dropped = self.counts()?;
        self.change(request::DEL_ELEMENT, DO, CUT, "let in", &old)?;
        self.past += old.iter().filter_map(|address| dropped.get(address)).sum::<u64>();
        self.cut.retain(|address| !old.contains(address));
        Ok(())
    }

    /// From now on, counts what comes in from these addresses.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn listen_to(&mut self, addresses: &[IpAddr]) -> Result<(), Refused> {
        let addresses = addresses.iter().copied().collect();
        self.change(request::NEW_ELEMENT, CREATE, HEARD, "listen to", &addresses)
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
        Ok(self.past + self.counts()?.values().sum::<u64>())
    }

    fn counts_of(&mut self, sets: [Set; 2]) -> Result<BTreeMap<IpAddr, u64>, Refused> {
        let mut counts = BTreeMap::new();
        for set in sets {
            let mut message = self.request(request::GET_ELEMENT, LIST, "read the counters");
            message.text(element::SET, set.name);
            let lists = self.socket.list(message)?;
            let elements = lists.iter().filter_map(|list| attribute(list.get(4..)?, element::LIST));
            counts.extend(elements.flat_map(attributes).filter_map(|(_, element)| count(element)));
        }
        Ok(counts)
    }

    fn change(
        &mut self,
        kind: u16,
        flags: u16,
        sets: [Set; 2],
        asked: &str,
        addresses: &BTreeSet<IpAddr>,
    ) -> Result<(), Refused> {
        let changes = sets.into_iter().filter_map(|set| {
            let keys = addresses.iter().filter_map(|address| set.version.key(*address));
            let keys: Vec<Vec<u8>> = keys.collect();
            let mut message = self.request(kind, flags, &format!("{asked} {} addresses", keys.len()));
            message.text(element::SET, set.name).nest(element::LIST, |message| {
                for key in &keys {
                    message.nest(element::ITEM, |message| {
                        message.nest(element::KEY, |message| {
                            message.put(element::VALUE, key);
                        });
                    });
                }
            });
            (!keys.is_empty()).then_some(message)
        });
        let changes: Vec<Message> = changes.collect();
        if changes.is_empty() { Ok(()) } else { self.socket.ask(batch(changes)) }
    }

    /// A request about this table. The name of the table is the first attribute of all of them.
    fn request(&self, kind: u16, flags: u16, asked: &str) -> Message {
        let asked = format!("{asked} in the table {}", self.table);
        let mut message = Message::new(request::SUBSYSTEM << 8 | kind, flags, &[INET, 0, 0, 0], asked);
        message.text(1, &self.table);
        message
    }

    fn table_request(&self) -> Message {
        const FLAGS: u16 = 2;
        let mut message = self.request(request::NEW_TABLE, NEW, "put everything");
        message.big_endian(FLAGS, OWNED);
        message
    }

    fn chain_request(&self) -> Message {
        const NAME: u16 = 3;
        const HOOK: u16 = 4;
        const HOOK_NUMBER: u16 = 1;
        const HOOK_PRIORITY: u16 = 2;
        const POLICY: u16 = 5;
        const TYPE: u16 = 7;
        let mut message = self.request(request::NEW_CHAIN, NEW, "create the chain input");
        message.text(NAME, "input").nest(HOOK, |message| {
            message.big_endian(HOOK_NUMBER, INPUT).big_endian(HOOK_PRIORITY, 0);
        });
        message.big_endian(POLICY, ACCEPT).text(TYPE, "filter");
        message
    }

    fn set_request(&self, set: Set) -> Message {
        const NAME: u16 = 2;
        const FLAGS: u16 = 3;
        const TYPE: u16 = 4;
        const LENGTH: u16 = 5;
        const ID: u16 = 10;
        const EXPRESSION: u16 = 17;
        let mut message = self.request(request::NEW_SET, NEW, "create a set");
        message.text(NAME, set.name).big_endian(FLAGS, 0).big_endian(TYPE, set.version.kind);
        message.big_endian(LENGTH, set.version.length).big_endian(ID, set.id);
        message.nest(EXPRESSION, |message| {
            message.text(expression::NAME, "counter").nest(expression::DATA, |_| {});
        });
        message
    }

    /// Lets in what asks and tells where in the network an address is.
    fn neighbours_request(&self) -> Message {
        const ICMP: u8 = 58;
        const SOLICITATION: u8 = 135;
        const ADVERTISEMENT: u8 = 136;
        self.rule_request("let neighbours in", |message| {
            meta(message, PROTOCOL);
            compare(message, EQUAL, SIX.protocol);
            meta(message, TRANSPORT);
            compare(message, EQUAL, ICMP);
            payload(message, TRANSPORT_HEADER, 0, 1);
            compare(message, AT_LEAST, SOLICITATION);
            compare(message, AT_MOST, ADVERTISEMENT);
            verdict(message, ACCEPT);
        })
    }

    fn set_rule_request(&self, set: Set) -> Message {
        let Set { name, id, drops, version } = set;
        self.rule_request("add a rule", |message| {
            meta(message, PROTOCOL);
            compare(message, EQUAL, version.protocol);
            payload(message, NETWORK_HEADER, version.sender, version.length);
            expression(message, "lookup", |message| {
                message.text(1, name).big_endian(2, FIRST).big_endian(4, id);
            });
            expression(message, "counter", |_| {});
            if drops {
                verdict(message, DROP);
            }
        })
    }

    fn rule_request(&self, asked: &str, expressions: impl FnOnce(&mut Message)) -> Message {
        const CHAIN: u16 = 2;
        const EXPRESSIONS: u16 = 4;
        let mut message = self.request(request::NEW_RULE, APPEND, asked);
        message.text(CHAIN, "input").nest(EXPRESSIONS, expressions);
        message
    }
}

fn meta(message: &mut Message, what: u32) {
    expression(message, "meta", |message| {
        message.big_endian(1, FIRST).big_endian(2, what);
    });
}

fn compare(message: &mut Message, how: u32, with: u8) {
    expression(message, "cmp", |message| {
        message.big_endian(1, FIRST).big_endian(2, how).nest(3, |message| {
            message.put(1, &[with]);
        });
    });
}

fn payload(message: &mut Message, header: u32, offset: u32, length: u32) {
    expression(message, "payload", |message| {
        message.big_endian(1, FIRST).big_endian(2, header).big_endian(3, offset).big_endian(4, length);
    });
}

fn verdict(message: &mut Message, verdict: u32) {
    expression(message, "immediate", |message| {
        message.big_endian(1, VERDICT).nest(2, |message| {
            message.nest(2, |message| {
                message.big_endian(1, verdict);
            });
        });
    });
}

impl Version {
    /// How its set says this address; `None` if it is of the other version.
    fn key(self, address: IpAddr) -> Option<Vec<u8>> {
        let key = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        (key.len() == self.length as usize).then_some(key)
    }
}

/// An element's address, and what its counter says.
fn count(element: &[u8]) -> Option<(IpAddr, u64)> {
    let key = attribute(attribute(element, element::KEY)?, element::VALUE)?;
    let four = || Some(IpAddr::from(<[u8; 4]>::try_from(key).ok()?));
    let six = || Some(IpAddr::from(<[u8; 16]>::try_from(key).ok()?));
    let address = four().or_else(six)?;
    let counter = attribute(attribute(element, element::EXPRESSION)?, expression::DATA)?;
    Some((address, u64::from_be_bytes(*attribute(counter, element::PACKETS)?.first_chunk()?)))
}
