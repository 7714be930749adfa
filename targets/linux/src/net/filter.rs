//! A table of our own in the kernel's packet filter, on the frames that a bridge forwards.
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

use super::netlink::{Refused, Socket};
use super::table::{self, Chain, Family, Hook, Meta, Rule, Table, Verdict};
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

/// The table, as long as this lives. It goes with it, and also if this process ends.
#[derive(Debug)]
pub struct Filter {
    table: Table,
}

/// `iface_index . iface_index`, as the program `nft` writes it.
const KEY_TYPE: u32 = 20 << 6 | 20;

impl Set {
    const ALL: [Set; 3] = [Set::Cut, Set::Detour, Set::Seen];

    fn of_table(self) -> table::Set {
        let name = match self {
            Set::Cut => "cut",
            Set::Detour => "detour",
            Set::Seen => "seen",
        };
        table::Set { name, id: 1 + self as u32, kind: KEY_TYPE, length: 8 }
    }

    fn rule(self) -> Rule {
        let set = self.of_table();
        let rule = Rule::new(format!("for {}", set.name)).ask(0, Meta::Incoming).ask(1, Meta::Outgoing);
        let rule = rule.only_in(set).count();
        if self == Set::Seen { rule } else { rule.decide(Verdict::Drop) }
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
        let mut table = Table::new(socket, Family::Bridge, table);
        let rules = Set::ALL.map(Set::rule).to_vec();
        let chain = Chain { name: "forward", hook: Hook::Forward, place: 0, rules };
        table.make(&Set::ALL.map(Set::of_table), vec![chain])?;
        Ok(Filter { table })
    }

    /// Adds these ways to a set, all at once; those that are in it stay.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn insert(&mut self, set: Set, ways: &[Way]) -> Result<(), Refused> {
        let set = set.of_table();
        self.table.insert(&[(set, keys(ways))], &format!("add {} ways to {}", ways.len(), set.name))
    }

    /// Removes these ways, which must be in it, from a set, all at once.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing has changed.
    pub fn remove(&mut self, set: Set, ways: &[Way]) -> Result<(), Refused> {
        let set = set.of_table();
        self.table.remove(&[(set, keys(ways))], &format!("remove {} ways from {}", ways.len(), set.name))
    }

    /// How many frames met each way of a set since it was added.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counts(&mut self, set: Set) -> Result<BTreeMap<Way, u64>, Refused> {
        let counts = self.table.counts(set.of_table())?;
        Ok(counts.into_iter().filter_map(|(key, count)| Some((way(&key)?, count))).collect())
    }

    /// The names of all tables for bridges in the calling thread's network, whosever they are.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn all() -> Result<Vec<String>, Refused> {
        Table::all(Family::Bridge)
    }
}

fn keys(ways: &[Way]) -> Vec<Vec<u8>> {
    ways.iter().map(|way| [way.from.to_ne_bytes(), way.to.to_ne_bytes()].concat()).collect()
}

fn way(key: &[u8]) -> Option<Way> {
    let (from, to) = key.split_first_chunk()?;
    Some(Way { from: u32::from_ne_bytes(*from), to: u32::from_ne_bytes(*to.first_chunk()?) })
}
