//! The node's command line.

use crate::NodeError;
use history::NodeId;
use protocols::{Flaw, Options, Tempo};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The arguments of one node.
#[derive(Debug, Clone, clap::Args)]
pub struct NodeArgs {
    /// Who it is: n1, n2, …
    #[arg(long)]
    pub id: NodeId,
    /// Which protocol it runs
    #[arg(long, default_value = "raft")]
    pub protocol: String,
    /// Which bug it has
    #[arg(long)]
    pub flaw: Option<String>,
    /// Its data directory
    #[arg(long)]
    pub data: PathBuf,
    /// Where it reaches a peer, such as n2=127.0.0.1:4711; once for each
    #[arg(long = "peer", value_name = "NODE=ADDRESS")]
    pub peers: Vec<Peer>,
    /// Nodes among all these with which the cluster did not begin, and which may join it later; once for each
    #[arg(long = "spare", value_name = "NODE")]
    pub spares: Vec<NodeId>,
    /// The address on which it listens
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// The ports on which it listens; the operating system chooses where it says 0
    #[arg(long, value_name = "PEERS,CLIENTS,CONTROL", default_value = "0,0,0")]
    pub ports: Ports,
    /// The file into which it writes the addresses it listens on, once it serves
    #[arg(long)]
    pub ready: PathBuf,
    /// Where its randomness begins
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How often a leader shows that it lives
    #[arg(long)]
    pub heartbeat_ms: Option<u64>,
    /// After how much silence an election begins
    #[arg(long)]
    pub election_ms: Option<u64>,
    /// The process that started it and without which it does not want to live
    #[arg(long, value_name = "PID")]
    pub parent: Option<i32>,
    /// It ends when nobody has asked it how it stands for so long: for where no parent can be seen
    #[arg(long, value_name = "MS", env = "TRIBUNAL_LEASE_MS")]
    pub lease_ms: Option<u64>,
}

/// A peer and where it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub node: NodeId,
    /// Where.
    pub address: SocketAddr,
}

/// The ports on which a node listens. Zero leaves the choice to the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For its peers.
    pub peers: u16,
    /// For clients.
    pub clients: u16,
    /// For whoever asks how it stands.
    pub control: u16,
}

impl FromStr for Ports {
    type Err = String;
    fn from_str(text: &str) -> Result<Ports, String> {
        let ports: Result<Vec<u16>, _> = text.split(',').map(str::parse).collect();
        match ports.as_deref() {
            Ok([peers, clients, control]) => {
                Ok(Ports { peers: *peers, clients: *clients, control: *control })
            }
            _ => Err("three ports are written 7001,7002,7003: for peers, clients and control".to_owned()),
        }
    }
}

impl FromStr for Peer {
    type Err = String;
    fn from_str(text: &str) -> Result<Peer, String> {
        let (node, address) = text.split_once('=').ok_or("a peer is written n2=127.0.0.1:4711")?;
        let address = address.parse().map_err(|_| format!("{address:?} is not an address with a port"))?;
        Ok(Peer { node: node.parse()?, address })
    }
}

impl NodeArgs {
    /// The nodes with which the cluster began, in order.
    pub(crate) fn founders(&self) -> Result<Vec<NodeId>, NodeError> {
        let mut nodes = self.nodes()?;
        nodes.retain(|node| !self.spares.contains(node));
        if nodes.is_empty() {
            return Err(NodeError::Usage(
                "every node is a --spare: with whom should the cluster begin?".to_owned(),
            ));
        }
        Ok(nodes)
    }

    /// Every node that is or may become a member of the cluster, in order.
    pub(crate) fn nodes(&self) -> Result<Vec<NodeId>, NodeError> {
        let mut nodes: Vec<NodeId> = self.peers.iter().map(|peer| peer.node).chain([self.id]).collect();
        nodes.sort_unstable();
        if let Some(twice) = nodes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(NodeError::Usage(format!("{} is named twice: by --id or by --peer", twice[0])));
        }
        Ok(nodes)
    }

    /// How the core is set up.
    pub(crate) fn options(&self) -> Result<Options, NodeError> {
        let span = |millis: Option<u64>, otherwise| millis.map_or(otherwise, Duration::from_millis);
        let usual = Tempo::default();
        let tempo = Tempo {
            heartbeat: span(self.heartbeat_ms, usual.heartbeat),
            election: span(self.election_ms, usual.election),
        };
        if tempo.heartbeat.is_zero() || tempo.heartbeat >= tempo.election {
            let why =
                "a heartbeat must be longer than nothing and shorter than the silence before an election";
            return Err(NodeError::Usage(why.to_owned()));
        }
        let flaw = self.flaw.as_deref().map(Flaw::from_str).transpose();
        let flaw = flaw.map_err(|why| NodeError::Usage(why.to_string()))?;
        Ok(Options { tempo, flaw, ..Options::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ports_are_read_and_nothing_else() {
        assert_eq!("0,7002,65535".parse(), Ok(Ports { peers: 0, clients: 7002, control: 65535 }));
        for wrong in ["", "1,2", "1,2,3,4", "1,2,65536", "1,2,x"] {
            assert!(wrong.parse::<Ports>().unwrap_err().contains("7001,7002,7003"), "{wrong}");
        }
    }
}
