//! The sockets a node listens on, and the file that tells where.

use crate::{NodeError, Ports};
use protocols::rpc::Doors;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The next connection. An error concerns that one connection, or passes (too many open files): a node that
/// closed its doors for it would be of no use.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!("could not accept a connection: {error}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// The sockets a node listens on.
#[derive(Debug)]
pub struct Listeners {
    /// For peers.
    pub peers: TcpListener,
    /// For clients.
    pub clients: TcpListener,
    /// For whoever asks how it stands.
    pub control: TcpListener,
}

impl Listeners {
    /// Opens all of them.
    ///
    /// # Errors
    /// If the operating system denies one.
    pub async fn open(address: IpAddr, ports: Ports) -> Result<Listeners, NodeError> {
        let open = async |port| {
            let opened = TcpListener::bind((address, port)).await;
            opened.map_err(NodeError::system(format!("listen on {}", SocketAddr::new(address, port))))
        };
        let (peers, clients) = (open(ports.peers).await?, open(ports.clients).await?);
        Ok(Listeners { peers, clients, control: open(ports.control).await? })
    }

    /// Writes where they are, in one piece: whoever sees the file sees all of it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn announce(&self, ready: &Path) -> Result<(), NodeError> {
        let write = || {
            let doors = Doors {
                peers: self.peers.local_addr()?,
                clients: self.clients.local_addr()?,
                control: self.control.local_addr()?,
            };
            let draft = ready.with_extension("draft");
            std::fs::write(&draft, doors.to_string())?;
            std::fs::rename(&draft, ready)
        };
        write().map_err(NodeError::system(format!("write {}", ready.display())))
    }
}
