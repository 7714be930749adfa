//! A queue of packets (nfnetlink_queue): the packet filter leaves them to us, and each waits in the kernel until we
//! say what becomes of it.

use super::lane::Load;
use super::message::{Message, answers, attribute};
use super::namespace::Namespace;
use super::netlink::{Refused, Socket};
use super::packet::Injector;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// A queue of packets. When it is closed, or this process ends, the kernel drops what waits in it.
#[derive(Debug)]
pub struct Queue {
    socket: Socket,
    injector: Injector,
    /// Its number in its network.
    pub number: u16,
}

/// A packet that waits in the kernel, or a second one of it. If it is dropped without being delivered it is lost.
#[derive(Debug)]
pub struct Packet {
    queue: Arc<Queue>,
    /// By which number it waits; a twin waits nowhere.
    waits: Option<u32>,
    bytes: Vec<u8>,
    corrupted: bool,
}

/// `linux/netfilter/nfnetlink_queue.h`
const SUBSYSTEM: u16 = 3;
const PACKET: u16 = 0;
const VERDICT: u16 = 1;
const CONFIGURE: u16 = 2;
/// How long the fixed part of its messages is.
const FIXED: usize = 4;
const COMMAND: u16 = 1;
const BIND: u8 = 1;
const PARAMETERS: u16 = 2;
const WHOLE_PACKETS: u8 = 2;
const LONGEST_QUEUE: u16 = 3;
const PACKET_HEADER: u16 = 1;
const VERDICT_HEADER: u16 = 2;
const PAYLOAD: u16 = 10;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Which numbers are tried: others may have queues as well.
const NUMBERS: std::ops::Range<u16> = 7077..7087;
/// How many packets may wait; more are lost, as in a switch that is full. A lane is full before.
const ROOM: u32 = 100_000;
/// How many bytes may wait to be read by us.
const BUFFER: i32 = 16 << 20;

impl Queue {
    /// Opens a queue in this network, into which nothing goes yet.
    ///
    /// # Errors
    /// If the kernel refuses: it has no nfnetlink_queue, or we have no rights there.
    pub fn open(network: &Namespace) -> Result<Queue, Refused> {
        let asked = "open a queue for packets";
        let refused = |error: io::Error| Refused::new(asked, error);
        let opened = network
            .inside(|| Ok((Socket::open(libc::NETLINK_NETFILTER)?, Injector::open()?)))
            .and_then(|opened| opened);
        let (mut socket, injector) = opened.map_err(refused)?;
        socket.enlarge(BUFFER).map_err(refused)?;
        let mut why = refused(io::ErrorKind::AddrInUse.into());
        for number in NUMBERS {
            match socket.ask(vec![configuration(number, asked)]) {
                Ok(()) => return Ok(Queue { socket, injector, number }),
                Err(refused) => why = refused,
            }
            if why.source.raw_os_error() != Some(libc::EBUSY) {
                break;
            }
        }
        Err(why)
    }

    /// The next packet, if one waits. `buffer` has room for the longest.
    ///
    /// # Errors
    /// If some were lost because we read too slowly.
    pub fn next(self: &Arc<Queue>, buffer: &mut [u8]) -> io::Result<Option<Packet>> {
        let Some(length) = self.socket.glance(buffer)? else { return Ok(None) };
        let kind = SUBSYSTEM << 8 | PACKET;
        // Whatever else the kernel says here is of no interest.
        let packet = answers(&buffer[..length]).find(|answer| answer.kind == kind).and_then(|answer| {
            let attributes = answer.body.get(FIXED..)?;
            let waits = u32::from_be_bytes(*attribute(attributes, PACKET_HEADER)?.first_chunk()?);
            let bytes = attribute(attributes, PAYLOAD).unwrap_or_default().to_vec();
            Some(Packet { queue: Arc::clone(self), waits: Some(waits), bytes, corrupted: false })
        });
        packet.map_or_else(|| self.next(buffer), |packet| Ok(Some(packet)))
    }

    /// Says what becomes of a packet, and what is in it if that is not what was.
    fn decide(&self, waits: u32, verdict: u32, payload: Option<&[u8]>) -> io::Result<()> {
        let mut message = request(VERDICT, libc::NLM_F_REQUEST as u16, self.number, "");
        message.put(VERDICT_HEADER, &[verdict.to_be_bytes(), waits.to_be_bytes()].concat());
        if let Some(payload) = payload {
            message.put(PAYLOAD, payload);
        }
        self.socket.tell(message)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The longest message of a queue: a packet and what is said about it.
pub const LONGEST: usize = (64 << 10) + 1024;

fn request(kind: u16, flags: u16, number: u16, asked: &str) -> Message {
    let [high, low] = number.to_be_bytes();
    Message::new(SUBSYSTEM << 8 | kind, flags, &[0, 0, high, low], asked)
}

fn configuration(number: u16, asked: &str) -> Message {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let mut message = request(CONFIGURE, flags, number, asked);
    message.put(COMMAND, &[BIND, 0, 0, 0]);
    let [a, b, c, d] = 0xffff_u32.to_be_bytes();
    message.put(PARAMETERS, &[a, b, c, d, WHOLE_PACKETS]).big_endian(LONGEST_QUEUE, ROOM);
    message
}

impl Packet {
    /// Who sent it.
    pub fn source(&self) -> Option<IpAddr> {
        match self.bytes.first()? >> 4 {
            4 => Some(Ipv4Addr::from(*self.bytes.get(12..)?.first_chunk::<4>()?).into()),
            6 => Some(Ipv6Addr::from(*self.bytes.get(8..)?.first_chunk::<16>()?).into()),
            _ => None,
        }
    }

    /// Lets it arrive.
    ///
    /// # Errors
    /// If it cannot; then it is lost.
    pub fn deliver(mut self) -> io::Result<()> {
        match self.waits.take() {
            Some(waits) => {
                let changed = self.corrupted.then_some(&self.bytes[..]);
                self.queue.decide(waits, ACCEPT, changed)
            }
            None => self.queue.injector.inject(&self.bytes),
        }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        if let Some(waits) = self.waits.take() {
            // If the queue is gone, so is the packet.
            let _gone = self.queue.decide(waits, DROP, None);
        }
    }
}

impl Load for Packet {
    fn length(&self) -> usize {
        self.bytes.len()
    }

    /// What its network header says is what brings it here at all.
    fn spared(&self) -> usize {
        match self.bytes.first() {
            Some(first) if first >> 4 == 4 => usize::from(first & 0xf) * 4,
            _ => 40,
        }
    }

    fn flip(&mut self, byte: usize, bits: u8) {
        self.corrupted = true;
        if let Some(byte) = self.bytes.get_mut(byte) {
            *byte ^= bits;
        }
    }

    fn twin(&self) -> Packet {
        let (queue, bytes) = (Arc::clone(&self.queue), self.bytes.clone());
        Packet { queue, waits: None, bytes, corrupted: self.corrupted }
    }
}
