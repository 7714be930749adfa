//! What the reference node says on its sockets, and what is said to it.
//!
//! Everything is a frame: the payload's length, four bytes big-endian, then the payload, postcard. Every frame
//! stands alone, so that losing, repeating or reordering whole frames harms no other; that is why a peer names
//! itself in each of them instead of once at the beginning.

use crate::wire;
use history::{Call, Membership, NodeId, Outcome, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// The longest payload of a frame, in bytes. Whoever announces more is not one of us.
pub const LONGEST: usize = 16 << 20;

/// From a peer: one message of the protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope<M> {
    /// Who sends it.
    pub from: NodeId,
    /// What it says.
    pub message: M,
}

/// From a client. Many may be under way at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The client's own number for it, unique on its connection.
    pub id: u64,
    /// Which of whose calls it is, on whatever connection it comes.
    pub ticket: Ticket,
    /// What it asks.
    pub call: Call,
}

/// To a client. Answers come in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Of the [`Request`].
    pub id: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a node stands: what it tells whoever connects to its control address, and again after each
/// [`history::Change`] that it is told there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it leads, or believes so.
    pub leads: bool,
    /// Its term, epoch, view or ballot.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// How far its log is committed.
    pub committed: u64,
    /// Who belongs to the cluster, for all that it knows to be settled.
    pub members: Option<Membership>,
    /// The time of day, by its own clock: nanoseconds since 1970.
    pub wall_ns: i64,
    /// Its monotonic clock, by which the protocol lives: nanoseconds since it was started.
    pub monotonic_ns: u64,
}

/// The ready file: where a node listens, one line each, for programs and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// For peers.
    pub peers: SocketAddr,
    /// For clients.
    pub clients: SocketAddr,
    /// For whoever asks how it stands.
    pub control: SocketAddr,
}

/// A frame with this payload.
///
/// # Errors
/// If the payload is longer than [`LONGEST`]: its length.
pub fn frame<T: Serialize>(value: &T) -> Result<Vec<u8>, usize> {
    let payload = wire::encode(value);
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= LONGEST);
    let length = length.ok_or(payload.len())?;
    let mut frame = Vec::with_capacity(4 + payload.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}

impl fmt::Display for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "peers {}", self.peers)?;
        writeln!(f, "clients {}", self.clients)?;
        writeln!(f, "control {}", self.control)
    }
}

impl FromStr for Doors {
    type Err = String;
    fn from_str(text: &str) -> Result<Doors, String> {
        let address = |name: &str| -> Result<SocketAddr, String> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let address = line.ok_or_else(|| format!("it has no line \"{name} ADDRESS\""))?;
            address.parse().map_err(|_| format!("{address:?} is no address for {name}"))
        };
        Ok(Doors { peers: address("peers")?, clients: address("clients")?, control: address("control")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_read_as_they_are_written() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let doors = Doors { peers: address(1), clients: address(2), control: address(3) };
        assert_eq!(doors.to_string().parse(), Ok(doors));
        assert!("peers 127.0.0.1:1\n".parse::<Doors>().unwrap_err().contains("clients"));
        assert!("peers here\n".parse::<Doors>().unwrap_err().contains("\"here\""));
    }

    #[test]
    fn a_frame_says_its_length_and_has_a_limit() {
        assert_eq!(frame(&7u8), Ok(vec![0, 0, 0, 1, 7]));
        let long = vec![0u8; LONGEST];
        assert!(frame(&long).is_err_and(|length| length > LONGEST));
    }
}
