//! Links: bridges, pairs of virtual cables, addresses.

use super::message::{Message, attribute};
use super::namespace::Namespace;
use super::netlink::{Refused, Socket};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

/// The address of an Ethernet card.
pub type Mac = [u8; 6];

const DO: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = DO | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
const LIST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// `linux/veth.h`: the other end of the cable.
const VETH_INFO_PEER: u16 = 1;
/// `linux/if_link.h`: how a card comes to an address of its own in IPv6; 1 is "not at all".
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const NO_ADDRESS_OF_ITS_OWN: u8 = 1;

/// The links of one network namespace.
#[derive(Debug)]
pub struct Links {
    socket: Socket,
}

/// One end of a cable to be.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address.
    pub mac: Mac,
}

impl Links {
    /// The links of the calling thread's network.
    ///
    /// # Errors
    /// If there can be no more files.
    pub fn here() -> Result<Links, Refused> {
        let socket = Socket::open(libc::NETLINK_ROUTE);
        Ok(Links { socket: socket.map_err(|error| Refused::new("speak to the kernel about links", error))? })
    }

    /// Every link's name and number.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn all(&mut self) -> Result<BTreeMap<String, u32>, Refused> {
        let links = self.socket.list(Message::new(libc::RTM_GETLINK, LIST, &link(0, 0), "list the links"))?;
        let named = links.iter().filter_map(|link| {
            let index = u32::from_ne_bytes(*link.get(4..8)?.first_chunk()?);
            let name = attribute(link.get(16..)?, libc::IFLA_IFNAME)?;
            Some((String::from_utf8_lossy(name).trim_end_matches('\0').to_owned(), index))
        });
        Ok(named.collect())
    }

    /// The number of a link.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn index(&mut self, name: &str) -> Result<u32, Refused> {
        let missing = || io::Error::from_raw_os_error(libc::ENODEV);
        self.all()?.get(name).copied().ok_or_else(|| Refused::new(format!("find the link {name}"), missing()))
    }

    /// Makes a bridge. It is down.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn bridge(&mut self, name: &str, mac: Mac) -> Result<(), Refused> {
        let mut message =
            Message::new(libc::RTM_NEWLINK, CREATE, &link(0, 0), format!("create the bridge {name}"));
        message.text(libc::IFLA_IFNAME, name).put(libc::IFLA_ADDRESS, &mac);
        message.nest(libc::IFLA_LINKINFO, |message| {
            message.text(libc::IFLA_INFO_KIND, "bridge");
        });
        self.socket.ask(vec![message])
    }

    /// Makes a cable: one end here, plugged into `bridge`, the other in another network. Both ends are down.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn cable(
        &mut self,
        here: End<'_>,
        bridge: u32,
        there: End<'_>,
        network: &Namespace,
    ) -> Result<(), Refused> {
        let asked = format!("create the link {} and its other end {}", here.name, there.name);
        let mut message = Message::new(libc::RTM_NEWLINK, CREATE, &link(0, 0), asked);
        message.text(libc::IFLA_IFNAME, here.name).put(libc::IFLA_ADDRESS, &here.mac);
        message.native(libc::IFLA_MASTER, bridge).nest(libc::IFLA_LINKINFO, |message| {
            message.text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, |message| {
                message.nest(VETH_INFO_PEER, |message| {
                    message.fixed(&link(0, 0));
                    message.text(libc::IFLA_IFNAME, there.name).put(libc::IFLA_ADDRESS, &there.mac);
                    let network = network.as_fd().as_raw_fd().cast_unsigned();
                    message.native(libc::IFLA_NET_NS_FD, network);
                });
            });
        });
        self.socket.ask(vec![message])
    }

    /// Tells a link, which must be down, to want no IPv6 address that nobody gave it: what comes with those
    /// addresses is chatter. Where IPv6 is unknown there is nothing to do.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn silence(&mut self, name: &str) -> Result<(), Refused> {
        let asked = format!("tell the link {name} to want no address of its own");
        let mut message = Message::new(libc::RTM_NEWLINK, DO, &link(0, 0), asked);
        message.text(libc::IFLA_IFNAME, name).nest(libc::IFLA_AF_SPEC, |message| {
            message.nest(libc::AF_INET6 as u16, |message| {
                message.put(IFLA_INET6_ADDR_GEN_MODE, &[NO_ADDRESS_OF_ITS_OWN]);
            });
        });
        match self.socket.ask(vec![message]) {
            Err(refused) if refused.source.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(()),
            other => other,
        }
    }

    /// Sets a link up.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn up(&mut self, name: &str) -> Result<(), Refused> {
        let up = link(libc::IFF_UP as u32, libc::IFF_UP as u32);
        let mut message = Message::new(libc::RTM_NEWLINK, DO, &up, format!("set the link {name} up"));
        message.text(libc::IFLA_IFNAME, name);
        self.socket.ask(vec![message])
    }

    /// Removes a link, and with one end of a cable the other.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn remove(&mut self, name: &str) -> Result<(), Refused> {
        let mut message = Message::new(libc::RTM_DELLINK, DO, &link(0, 0), format!("remove the link {name}"));
        message.text(libc::IFLA_IFNAME, name);
        self.socket.ask(vec![message])
    }

    /// Gives a link an address, usable at once, in a network of so many leading bits.
    ///
    /// # Errors
    /// If the kernel refuses, for example because it does not speak IPv6.
    pub fn address(&mut self, name: &str, address: IpAddr, bits: u8) -> Result<(), Refused> {
        let index = self.index(name)?;
        let (family, bytes) = match address {
            IpAddr::V4(four) => (libc::AF_INET, four.octets().to_vec()),
            IpAddr::V6(six) => (libc::AF_INET6, six.octets().to_vec()),
        };
        // Nobody else can have the address: there is no need to ask around for a second before it is used.
        let flags = u8::try_from(libc::IFA_F_NODAD).expect("a flag of one byte");
        let family = u8::try_from(family).expect("a family of one byte");
        let [a, b, c, d] = index.to_ne_bytes();
        let fixed = [family, bits, flags, 0, a, b, c, d];
        let asked = format!("give {name} the address {address}/{bits}");
        let mut message = Message::new(libc::RTM_NEWADDR, CREATE, &fixed, asked);
        message.put(libc::IFA_LOCAL, &bytes).put(libc::IFA_ADDRESS, &bytes);
        self.socket.ask(vec![message])
    }
}

/// `struct ifinfomsg` of a link that is known by its name.
fn link(flags: u32, change: u32) -> [u8; 16] {
    let mut link = [0; 16];
    link[8..12].copy_from_slice(&flags.to_ne_bytes());
    link[12..16].copy_from_slice(&change.to_ne_bytes());
    link
}
