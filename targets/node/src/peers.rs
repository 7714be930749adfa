//! Connections between nodes. Each is one-way: whoever dials, sends.

use crate::event::{Event, Inbox};
use crate::{Peer, doors, frames};
use history::NodeId;
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use protocols::rpc::Envelope;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How many messages may wait for one peer.
pub const QUEUE: usize = 1024;
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
const DIALLING: Duration = Duration::from_secs(1);
/// How long a peer may acknowledge nothing before the connection is given up. Left to itself TCP waits longer and
/// longer between two attempts, so that after a partition of a minute a peer would stay cut off for another half.
const UNHEARD: Duration = Duration::from_secs(1);

/// Sends frames to a peer until there will be no more, dialling again whenever the connection breaks. What was
/// to be sent while nobody listened is lost, as messages may be; late ones would be of no use.
pub async fn deliver(peer: Peer, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut pause = PAUSES.0;
    while !(queue.is_closed() && queue.is_empty()) {
        let dialled = timeout(DIALLING, TcpStream::connect(peer.address)).await;
        match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                tracing::info!("connected to {} at {}", peer.node, peer.address);
                match send(stream, &mut queue).await {
                    Ok(()) => return,
                    Err(error) => tracing::info!("lost the connection to {}: {error}", peer.node),
                }
                pause = PAUSES.0;
            }
            Err(error) => tracing::debug!("cannot connect to {} at {}: {error}", peer.node, peer.address),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
        while queue.try_recv().is_ok() {}
    }
}

/// Sends until the queue ends or the peer hangs up.
async fn send(stream: TcpStream, queue: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let millis = u32::try_from(UNHEARD.as_millis()).expect("a second has a thousand");
    setsockopt(&stream, TcpUserTimeout, &millis)?;
    let (mut from_peer, mut to_peer) = stream.into_split();
    let (mut batch, mut bytes, mut unasked) = (Vec::new(), Vec::new(), [0; 1]);
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut batch, 64) => {
                if taken == 0 {
                    return to_peer.shutdown().await;
                }
                bytes.clear();
                batch.drain(..).for_each(|frame| bytes.extend_from_slice(&frame));
                to_peer.write_all(&bytes).await?;
            }
            read = from_peer.read(&mut unasked) => {
                return Err(match read {
                    Ok(0) => io::Error::other("the peer hung up"),
                    Ok(_) => io::Error::other("the peer answers, which peers do not do"),
                    Err(error) => error,
                });
            }
        }
    }
}

/// Accepts peers and listens to them, for ever.
pub async fn accept<M: DeserializeOwned + Send + 'static>(
    listener: TcpListener,
    nodes: Vec<NodeId>,
    inbox: Inbox<M>,
) {
    loop {
        let (stream, address) = doors::accept(&listener).await;
        let (nodes, inbox) = (nodes.clone(), inbox.clone());
        tokio::spawn(async move {
            if let Err(error) = listen(stream, &nodes, inbox).await {
                tracing::info!("closed the connection of the peer at {address}: {error}");
            }
        });
    }
}

async fn listen<M: DeserializeOwned>(stream: TcpStream, nodes: &[NodeId], inbox: Inbox<M>) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    while let Some(Envelope { from, message }) = frames::read(&mut stream).await? {
        if !nodes.contains(&from) {
            return Err(io::Error::other(format!("it says it is {from}, which is no member")));
        }
        if inbox.send(Event::Message { from, message }).await.is_err() {
            break;
        }
    }
    Ok(())
}
