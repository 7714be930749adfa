//! A table of our own in the kernel's packet filter (nf_tables): how it is made, filled and read.
//!
//! It belongs to the socket that made it. When that closes, however its process ends, the kernel removes the table
//! with everything in it.

use super::message::{Message, attribute, attributes};
use super::netlink::{Refused, Socket};

/// What a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// The frames of a bridge.
    Bridge = 7,
}

/// Where a chain sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    /// What comes in.
    Input = 1,
    /// What is passed on.
    Forward = 2,
}

/// A chain of rules. What one chain lets pass comes to the next.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where it sits.
    pub hook: Hook,
    /// Its place among the chains there: the lowest is first.
    pub place: u32,
    /// What it does, rule by rule.
    pub rules: Vec<Rule>,
}

/// A set whose elements each count the packets that met them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    /// Its name.
    pub name: &'static str,
    /// Its number, among the sets of its table.
    pub id: u32,
    /// As the program `nft` names the type of its keys: it can list what we made.
    pub kind: u32,
    /// How long a key is, in bytes.
    pub length: u32,
}

/// A table of our own.
#[derive(Debug)]
pub(super) struct Table {
    socket: Socket,
    family: Family,
    name: String,
}

/// `linux/netfilter/nf_tables.h` and `nfnetlink.h`: requests.
mod request {
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

/// Attributes of the elements of a set.
mod element {
    pub const SET: u16 = 2;
    pub const LIST: u16 = 3;
    pub const ITEM: u16 = 1;
    pub const KEY: u16 = 1;
    pub const VALUE: u16 = 1;
    pub const EXPRESSION: u16 = 7;
    pub const PACKETS: u16 = 2;
}

const DO: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = DO | libc::NLM_F_CREATE as u16;
const NEW: u16 = CREATE | libc::NLM_F_EXCL as u16;
const APPEND: u16 = CREATE | libc::NLM_F_APPEND as u16;
const LIST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// The flag of a table that goes with the socket that made it.
const OWNED: u32 = 2;
/// What happens to what no rule decides about.
const ACCEPT: u32 = 1;
/// The longest list in one request: attributes are at most 64 KiB.
const ELEMENTS: usize = 1000;

impl Table {
    /// A table that has yet to be made, by this socket and in its network.
    pub fn new(socket: Socket, family: Family, name: &str) -> Table {
        Table { socket, family, name: name.to_owned() }
    }

    /// Makes it, with these sets and chains, all at once.
    ///
    /// # Errors
    /// If the kernel refuses: it has no nf_tables, or is older than 5.12, or the table exists.
    pub fn make(&mut self, sets: &[Set], chains: Vec<Chain>) -> Result<(), Refused> {
        let mut changes = vec![self.table_request()];
        changes.extend(sets.iter().map(|set| self.set_request(*set)));
        changes.extend(chains.into_iter().flat_map(|chain| self.chain_requests(chain)));
        self.change(changes)
    }

    /// Adds a chain.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn add(&mut self, chain: Chain) -> Result<(), Refused> {
        let requests = self.chain_requests(chain);
        self.change(requests)
    }

    /// Adds these keys to sets, all at once; those that are in them stay.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn insert(&mut self, keys: &[(Set, Vec<Vec<u8>>)], asked: &str) -> Result<(), Refused> {
        self.elements(request::NEW_ELEMENT, CREATE, keys, asked)
    }

    /// Removes these keys, which must be in them, from sets, all at once.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn remove(&mut self, keys: &[(Set, Vec<Vec<u8>>)], asked: &str) -> Result<(), Refused> {
        self.elements(request::DEL_ELEMENT, DO, keys, asked)
    }

    /// The keys of a set, and how many packets met each since it was added.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counts(&mut self, set: Set) -> Result<Vec<(Vec<u8>, u64)>, Refused> {
        let asked = format!("read the counters of {}", set.name);
        let mut message = self.request(request::GET_ELEMENT, LIST, &asked);
        message.text(element::SET, set.name);
        let lists = self.socket.list(message)?;
        let elements = lists.iter().filter_map(|list| attribute(list.get(4..)?, element::LIST));
        Ok(elements.flat_map(attributes).filter_map(|(_, element)| count(element)).collect())
    }

    /// The names of all tables of a family in the calling thread's network, whosever they are.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn all(family: Family) -> Result<Vec<String>, Refused> {
        let asked = "list the tables of the packet filter";
        let socket = Socket::open(libc::NETLINK_NETFILTER).map_err(|error| Refused::new(asked, error));
        let kind = request::SUBSYSTEM << 8 | request::GET_TABLE;
        let tables = socket?.list(Message::new(kind, LIST, &[family as u8, 0, 0, 0], asked))?;
        let names = tables.iter().filter_map(|table| attribute(table.get(4..)?, 1));
        Ok(names.map(|name| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()).collect())
    }

    fn elements(
        &mut self,
        kind: u16,
        flags: u16,
        keys: &[(Set, Vec<Vec<u8>>)],
        asked: &str,
    ) -> Result<(), Refused> {
        let lists = keys.iter().flat_map(|(set, keys)| keys.chunks(ELEMENTS).map(move |keys| (set, keys)));
        let changes = lists.map(|(set, keys)| {
            let mut message = self.request(kind, flags, asked);
            message.text(element::SET, set.name).nest(element::LIST, |message| {
                for key in keys {
                    message.nest(element::ITEM, |message| {
                        message.nest(element::KEY, |message| {
                            message.put(element::VALUE, key);
                        });
                    });
                }
            });
            message
        });
        let changes: Vec<Message> = changes.collect();
        if changes.is_empty() { Ok(()) } else { self.change(changes) }
    }

    /// Everything in a batch happens at once, or nothing does.
    fn change(&mut self, changes: Vec<Message>) -> Result<(), Refused> {
        let bracket = |kind, asked: &str| {
            let [high, low] = request::SUBSYSTEM.to_be_bytes();
            Message::new(kind, libc::NLM_F_REQUEST as u16, &[0, 0, high, low], asked)
        };
        let mut batch = vec![bracket(request::BATCH_BEGIN, "begin a batch")];
        batch.extend(changes);
        batch.push(bracket(request::BATCH_END, "end a batch"));
        self.socket.ask(batch)
    }

    /// A request about this table. The name of the table is the first attribute of all of them.
    fn request(&self, kind: u16, flags: u16, asked: &str) -> Message {
        let asked = format!("{asked} in the table {}", self.name);
        let fixed = [self.family as u8, 0, 0, 0];
        let mut message = Message::new(request::SUBSYSTEM << 8 | kind, flags, &fixed, asked);
        message.text(1, &self.name);
        message
    }

    fn table_request(&self) -> Message {
        const FLAGS: u16 = 2;
        let mut message = self.request(request::NEW_TABLE, NEW, "put everything");
        message.big_endian(FLAGS, OWNED);
        message
    }

    fn chain_requests(&self, chain: Chain) -> Vec<Message> {
        let Chain { name, hook, place, rules } = chain;
        let mut requests = vec![self.chain_request(name, hook, place)];
        requests.extend(rules.into_iter().map(|rule| self.rule_request(name, rule)));
        requests
    }

    fn chain_request(&self, name: &str, hook: Hook, place: u32) -> Message {
        const NAME: u16 = 3;
        const HOOK: u16 = 4;
        const HOOK_NUMBER: u16 = 1;
        const HOOK_PRIORITY: u16 = 2;
        const POLICY: u16 = 5;
        const TYPE: u16 = 7;
        let mut message = self.request(request::NEW_CHAIN, NEW, &format!("create the chain {name}"));
        message.text(NAME, name).nest(HOOK, |message| {
            message.big_endian(HOOK_NUMBER, hook as u32).big_endian(HOOK_PRIORITY, place);
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
        let mut message = self.request(request::NEW_SET, NEW, &format!("create the set {}", set.name));
        message.text(NAME, set.name).big_endian(FLAGS, 0).big_endian(TYPE, set.kind);
        message.big_endian(LENGTH, set.length).big_endian(ID, set.id);
        message.nest(EXPRESSION, |message| {
            message.text(expression::NAME, "counter").nest(expression::DATA, |_| {});
        });
        message
    }

    fn rule_request(&self, chain: &str, rule: Rule) -> Message {
        const CHAIN: u16 = 2;
        const EXPRESSIONS: u16 = 4;
        let mut message = self.request(request::NEW_RULE, APPEND, &format!("add the rule {}", rule.asked));
        message.text(CHAIN, chain).nest(EXPRESSIONS, |message| {
            message.fixed(&rule.expressions);
        });
        message
    }
}

/// An element's key, and what its counter says.
fn count(element: &[u8]) -> Option<(Vec<u8>, u64)> {
    let key = attribute(attribute(element, element::KEY)?, element::VALUE)?;
    let counter = attribute(attribute(element, element::EXPRESSION)?, expression::DATA)?;
    Some((key.to_vec(), u64::from_be_bytes(*attribute(counter, element::PACKETS)?.first_chunk()?)))
}

/// A rule: what a packet must be like, one condition after the other, and what happens to it then.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    asked: String,
    expressions: Vec<u8>,
}

/// Attributes of an expression.
mod expression {
    pub const ITEM: u16 = 1;
    pub const NAME: u16 = 1;
    pub const DATA: u16 = 2;
}

/// What a packet is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meta {
    /// The number of the link that it came by.
    Incoming = 4,
    /// The number of the link that it would leave by.
    Outgoing = 5,
    /// The protocol of the network.
    Protocol = 15,
    /// The protocol that it carries.
    Transport = 16,
}

/// Where in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// From its network header on.
    Network = 1,
    /// From its transport header on.
    Transport = 2,
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is the same.
    Equal = 0,
    /// It is another.
    Other = 1,
    /// It is not more.
    AtMost = 3,
    /// It is not less.
    AtLeast = 5,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is lost.
    Drop = 0,
    /// It passes.
    Accept = 1,
}

/// The register for verdicts, and the first of those of four bytes.
const VERDICT: u32 = 0;
const FIRST: u32 = 8;

impl Rule {
    /// A rule without conditions that does nothing; in a few words, for errors.
    pub fn new(asked: impl Into<String>) -> Rule {
        Rule { asked: asked.into(), expressions: Vec::new() }
    }

    fn expression(mut self, name: &str, data: impl FnOnce(&mut Message)) -> Rule {
        let mut message = Message::new(0, 0, &[], "");
        message.nest(expression::ITEM, |message| {
            message.text(expression::NAME, name).nest(expression::DATA, data);
        });
        self.expressions.extend_from_slice(message.body());
        self
    }

    /// Asks the packet for something; the answer is in the register of this place.
    pub fn ask(self, place: u32, what: Meta) -> Rule {
        self.expression("meta", |message| {
            message.big_endian(1, FIRST + place).big_endian(2, what as u32);
        })
    }

    /// Takes bytes of the packet into the first registers.
    pub fn take(self, header: Header, offset: u32, length: u32) -> Rule {
        self.expression("payload", |message| {
            message.big_endian(1, FIRST).big_endian(2, header as u32);
            message.big_endian(3, offset).big_endian(4, length);
        })
    }

    /// Goes on only if the first register compares like this.
    pub fn only_if(self, how: How, with: &[u8]) -> Rule {
        self.expression("cmp", |message| {
            message.big_endian(1, FIRST).big_endian(2, how as u32).nest(3, |message| {
                message.put(1, with);
            });
        })
    }

    /// Goes on only if the first registers are a key of a set; its element counts the packet.
    pub fn only_in(self, set: Set) -> Rule {
        self.expression("lookup", |message| {
            message.text(1, set.name).big_endian(2, FIRST).big_endian(4, set.id);
        })
    }

    /// Counts.
    pub fn count(self) -> Rule {
        self.expression("counter", |_| {})
    }

    /// Decides.
    pub fn decide(self, verdict: Verdict) -> Rule {
        self.expression("immediate", |message| {
            message.big_endian(1, VERDICT).nest(2, |message| {
                message.nest(2, |message| {
                    message.big_endian(1, verdict as u32);
                });
            });
        })
    }

    /// Leaves the decision to whoever reads this queue.
    pub fn queue(self, number: u16) -> Rule {
        self.expression("queue", |message| {
            message.put(1, &number.to_be_bytes()).put(2, &1u16.to_be_bytes());
        })
    }

    /// The same, for kernels that have the queue of `iptables` and not that of `nft`.
    pub fn queue_as_iptables(self, number: u16) -> Rule {
        self.expression("target", |message| {
            // A structure of one number, as long as the kernel rounds it up to.
            let info = [number.to_ne_bytes().as_slice(), &[0; 6]].concat();
            message.text(1, "NFQUEUE").big_endian(2, 0).put(3, &info);
        })
    }
}
