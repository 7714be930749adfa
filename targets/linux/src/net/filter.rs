//! A table of our own in the kernel's packet filter (nf_tables), on the frames that a bridge forwards.
//!
//! ```text
//! table bridge NAME {
//!   set cut    { type iface_index . iface_index; counter }
//!   set detour { type iface_index . iface_index; counter }
//!   set seen   { type iface_index . iface_index; counter }
//!   chain forward { type filter hook forward priority 0
//!     iif . oif @cut    counter drop
//!     iif . oif @detour counter drop
//!     iif . oif @seen   counter }
//! }
//! ```
//! A pair of ports is one direction between two machines. The rules lie below IP: what they drop is dropped in
//! IPv4, IPv6 and ARP alike, and out of the sender's sight. Frames to and from the bridge itself are none of
//! their business. Each element counts for itself, so that every single link can show what became of it.

use super::message::{Message, attribute, attributes};
use super::netlink::{Refused, Socket};
use std::collections::BTreeMap;

/// From one port of a bridge to another, by the numbers of their links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// Where the frame comes in.
    pub from: u32,
    /// Where it would go out.
    pub to: u32,
}

/// What happens to the frames on some ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// They are dropped, because the way is cut.
    Cut,
    /// They are dropped, because somebody else delivers them.
    Detour,
    /// They are counted and pass.
    Seen,
}

/// The table. It goes when this is dropped, and also when this process ends, however it does.
#[derive(Debug)]
pub struct Filter {
    socket: Socket,
    table: String,
}

/// `linux/netfilter/nf_tables.h` and `nfnetlink.h`: requests.
pub(super) mod request {
    pub const SUBSYSTEM: u16 = 10;
    pub const BATCH_BEGIN: u16 = 0x10;
    pub const BATCH_END: u16 = 0x11;
    pub const NEW_TABLE: u16 = 0;
    pub const GET_TABLE: u16 = 1;
    pub const NEW_CHAIN: u16 = 3;
    pub const NEW_RULE: u16 = 6;
    pub const NEW_SET: u16 = 9;
    pub const NEW_ELEMENT: u16 = 12;
    pub const GET_ELEMENT: u16 = 13;
    pub const DEL_ELEMENT: u16 = 14;
}

pub(super) const DO: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
pub(super) const CREATE: u16 = DO | libc::NLM_F_CREATE as u16;
pub(super) const NEW: u16 = CREATE | libc::NLM_F_EXCL as u16;
pub(super) const APPEND: u16 = CREATE | libc::NLM_F_APPEND as u16;
pub(super) const LIST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// The family of tables for bridges.
const BRIDGE: u8 = 7;
/// A table that goes with the socket that made it.
pub(super) const OWNED: u32 = 2;
/// The hook for what a bridge forwards.
const FORWARD: u32 = 2;
pub(super) const ACCEPT: u32 = 1;
pub(super) const DROP: u32 = 0;
/// Two registers of four bytes, side by side, and the one for verdicts.
pub(super) const FIRST: u32 = 8;
const SECOND: u32 = 9;
pub(super) const VERDICT: u32 = 0;
/// What to load into a register.
const INCOMING: u32 = 4;
const OUTGOING: u32 = 5;
/// `iface_index . iface_index`, as the program `nft` writes it: it can list what we made.
const KEY_TYPE: u32 = 20 << 6 | 20;
/// The longest list in one request: attributes are at most 64 KiB.
const ELEMENTS: usize = 1000;

impl Set {
    const ALL: [Set; 3] = [Set::Cut, Set::Detour, Set::Seen];

    fn name(self) -> &'static str {
        match self {
            Set::Cut => "cut",
            Set::Detour => "detour",
            Set::Seen => "seen",
        }
    }

    fn id(self) -> u32 {
        1 + self as u32
    }
}

impl Filter {
    /// Makes the table, which must not exist, in the calling thread's network.
    ///
    /// # Errors
    /// If the kernel refuses: it has no nf_tables for bridges, or is older than 5.12, or the table exists.
    pub fn install(table: &str) -> Result<Filter, Refused> {
        let socket = Socket::open(libc::NETLINK_NETFILTER);
        let socket =
            socket.map_err(|error| Refused::new("speak to the kernel about packet filters", error))?;
        let mut filter = Filter { socket, table: table.to_owned() };
        let mut batch = vec![filter.table_request(), filter.chain_request()];
        for set in Set::ALL {
            batch.extend([filter.set_request(set), filter.rule_request(set)]);
        }
        filter.change(batch)?;
        Ok(filter)
    }

    /// Adds these ways to a set, all at once; those that are in it stay.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn insert(&mut self, set: Set, ways: &[Way]) -> Result<(), Refused> {
        let asked = format!("add {} ways to {}", ways.len(), set.name());
        self.elements(request::NEW_ELEMENT, CREATE, set, ways, &asked)
    }

    /// Removes these ways, which must be in it, from a set, all at once.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn remove(&mut self, set: Set, ways: &[Way]) -> Result<(), Refused> {
        let asked = format!("remove {} ways from {}", ways.len(), set.name());
        self.elements(request::DEL_ELEMENT, DO, set, ways, &asked)
    }

    /// How many frames met each way of a set since it was added.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counts(&mut self, set: Set) -> Result<BTreeMap<Way, u64>, Refused> {
        let asked = format!("read the counters of {}", set.name());
        let mut message = self.request(request::GET_ELEMENT, LIST, asked);
        message.text(element::SET, set.name());
        let lists = self.socket.list(message)?;
        let elements = lists.iter().filter_map(|list| attribute(list.get(4..)?, element::LIST));
        Ok(elements.flat_map(attributes).filter_map(|(_, element)| count(element)).collect())
    }

    /// The names of all tables for bridges in the calling thread's network, whosever they are.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn all() -> Result<Vec<String>, Refused> {
        let asked = "list the tables for bridges";
        let socket = Socket::open(libc::NETLINK_NETFILTER).map_err(|error| Refused::new(asked, error));
        let kind = request::SUBSYSTEM << 8 | request::GET_TABLE;
        let tables = socket?.list(Message::new(kind, LIST, &[BRIDGE, 0, 0, 0], asked))?;
        let names = tables.iter().filter_map(|table| attribute(table.get(4..)?, 1));
        Ok(names.map(|name| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()).collect())
    }

    fn elements(
        &mut self,
        kind: u16,
        flags: u16,
        set: Set,
        ways: &[Way],
        asked: &str,
    ) -> Result<(), Refused> {
        if ways.is_empty() {
            return Ok(());
        }
        let batch = ways.chunks(ELEMENTS).map(|ways| {
            let mut message = self.request(kind, flags, asked.to_owned());
            message.text(element::SET, set.name()).nest(element::LIST, |message| {
                for way in ways {
                    let key = [way.from.to_ne_bytes(), way.to.to_ne_bytes()].concat();
                    message.nest(element::ITEM, |message| {
                        message.nest(element::KEY, |message| {
                            message.put(element::VALUE, &key);
                        });
                    });
                }
            });
            message
        });
        let batch = batch.collect();
        self.change(batch)
    }

    fn change(&mut self, changes: Vec<Message>) -> Result<(), Refused> {
        self.socket.ask(batch(changes))
    }

    /// A request about this table. The name of the table is the first attribute of all of them.
    fn request(&self, kind: u16, flags: u16, asked: String) -> Message {
        let asked = format!("{asked} in the table {}", self.table);
        let mut message = Message::new(request::SUBSYSTEM << 8 | kind, flags, &[BRIDGE, 0, 0, 0], asked);
        message.text(1, &self.table);
        message
    }

    fn table_request(&self) -> Message {
        const FLAGS: u16 = 2;
        let mut message = self.request(request::NEW_TABLE, NEW, "put everything".to_owned());
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
        let mut message = self.request(request::NEW_CHAIN, NEW, "create the chain forward".to_owned());
        message.text(NAME, "forward").nest(HOOK, |message| {
            message.big_endian(HOOK_NUMBER, FORWARD).big_endian(HOOK_PRIORITY, 0);
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
        let mut message = self.request(request::NEW_SET, NEW, format!("create the set {}", set.name()));
        message.text(NAME, set.name()).big_endian(FLAGS, 0).big_endian(TYPE, KEY_TYPE);
        message.big_endian(LENGTH, 8).big_endian(ID, set.id()).nest(EXPRESSION, |message| {
            message.text(expression::NAME, "counter").nest(expression::DATA, |_| {});
        });
        message
    }

    fn rule_request(&self, set: Set) -> Message {
        const CHAIN: u16 = 2;
        const EXPRESSIONS: u16 = 4;
        let mut message = self.request(request::NEW_RULE, APPEND, format!("add the rule for {}", set.name()));
        message.text(CHAIN, "forward").nest(EXPRESSIONS, |message| {
            for (register, what) in [(FIRST, INCOMING), (SECOND, OUTGOING)] {
                expression(message, "meta", |message| {
                    message.big_endian(1, register).big_endian(2, what);
                });
            }
            expression(message, "lookup", |message| {
                message.text(1, set.name()).big_endian(2, FIRST).big_endian(4, set.id());
            });
            expression(message, "counter", |_| {});
            if set != Set::Seen {
                expression(message, "immediate", |message| {
                    message.big_endian(1, VERDICT).nest(2, |message| {
                        message.nest(2, |message| {
                            message.big_endian(1, DROP);
                        });
                    });
                });
            }
        });
        message
    }
}

/// Everything in a batch happens at once, or nothing does.
pub(super) fn batch(changes: Vec<Message>) -> Vec<Message> {
    let bracket = |kind, asked: &str| {
        let [high, low] = request::SUBSYSTEM.to_be_bytes();
        Message::new(kind, libc::NLM_F_REQUEST as u16, &[0, 0, high, low], asked)
    };
    let mut batch = vec![bracket(request::BATCH_BEGIN, "begin a batch")];
    batch.extend(changes);
    batch.push(bracket(request::BATCH_END, "end a batch"));
    batch
}

/// Attributes of the elements of a set.
pub(super) mod element {
    pub const SET: u16 = 2;
    pub const LIST: u16 = 3;
    pub const ITEM: u16 = 1;
    pub const KEY: u16 = 1;
    pub const VALUE: u16 = 1;
    pub const EXPRESSION: u16 = 7;
    pub const PACKETS: u16 = 2;
}

/// Attributes of an expression.
pub(super) mod expression {
    pub const ITEM: u16 = 1;
    pub const NAME: u16 = 1;
    pub const DATA: u16 = 2;
}

pub(super) fn expression(message: &mut Message, name: &str, data: impl FnOnce(&mut Message)) {
    message.nest(expression::ITEM, |message| {
        message.text(expression::NAME, name).nest(expression::DATA, data);
    });
}

/// An element's way, and what its counter says.
fn count(element: &[u8]) -> Option<(Way, u64)> {
    let key = attribute(attribute(element, element::KEY)?, element::VALUE)?;
    let (from, to) = key.split_first_chunk()?;
    let way = Way { from: u32::from_ne_bytes(*from), to: u32::from_ne_bytes(*to.first_chunk()?) };
    let counter = attribute(attribute(element, element::EXPRESSION)?, expression::DATA)?;
    Some((way, u64::from_be_bytes(*attribute(counter, element::PACKETS)?.first_chunk()?)))
}
