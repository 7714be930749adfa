//! The proxies that every byte between nodes, and between clients and nodes, goes through.
//!
//! Between nodes there is one proxy for each ordered pair: what `a` knows as `b`'s address is the proxy's, and
//! the proxy knows where `b` really is, which may change whenever `b` starts again. Where the system's messages
//! can be told apart, each proxy carries one direction only, message by message; else both directions of the
//! connections that `a` dials, piece by piece.

use crate::lane::Lane;
use crate::link::Link;
use crate::pieces::Pieces;
use bytes::Bytes;
use cluster::Framing;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep_until, timeout};

/// Where a node really is; `None` while it is down.
pub type Whereabouts = watch::Receiver<Option<SocketAddr>>;

const DIALLING: Duration = Duration::from_secs(1);

/// An open proxy. Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a proxy whose connections go to `to`. Must be called within the runtime.
///
/// # Errors
/// If the operating system denies a port.
pub fn open(to: Whereabouts, forth: Arc<Link>, back: Arc<Link>) -> io::Result<Proxy> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let (address, listener) = (listener.local_addr()?, TcpListener::from_std(listener)?);
    let task = tokio::spawn(accept(listener, to, forth, back)).abort_handle();
    Ok(Proxy { address, task })
}

async fn accept(listener: TcpListener, to: Whereabouts, forth: Arc<Link>, back: Arc<Link>) {
    // Owned by this task: they end with it.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, most likely: the next one may do.
                tracing::warn!("a proxy could not accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let (to, forth, back) = (to.clone(), Arc::clone(&forth), Arc::clone(&back));
        connections.spawn(async move {
            let carried = match forth.framing() {
                Framing::LengthPrefixed => carry_messages(stream, to, forth).await,
                Framing::Opaque => carry_streams(stream, &to, forth, back).await,
            };
            if let Err(error) = carried {
                tracing::debug!("a proxied connection ended: {error}");
            }
        });
    }
}

/// Carries messages one way. Every message stands alone, so they can go on over another connection when the
/// receiver has started again, and need none as long as the link is cut.
async fn carry_messages(stream: TcpStream, to: Whereabouts, link: Arc<Link>) -> io::Result<()> {
    let (source, _answers) = stream.into_split();
    let receiver = Receiver { to, stream: None };
    carry(Pieces::new(source, Framing::LengthPrefixed), receiver, link).await
}

/// Carries both directions of a connection, until both ended or either broke.
async fn carry_streams(
    stream: TcpStream,
    to: &Whereabouts,
    forth: Arc<Link>,
    back: Arc<Link>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (their_words, to_them) = stream.into_split();
    let address = *to.borrow();
    let (its_words, to_it) = dial(address).await?.into_split();
    tokio::try_join!(
        carry(Pieces::new(their_words, Framing::Opaque), to_it, forth),
        carry(Pieces::new(its_words, Framing::Opaque), to_them, back),
    )?;
    Ok(())
}

async fn dial(to: Option<SocketAddr>) -> io::Result<TcpStream> {
    let to = to.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
    let stream = timeout(DIALLING, TcpStream::connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Where a direction ends.
trait Sink: Send {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    fn finish(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Sink for OwnedWriteHalf {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.shutdown().await
    }
}

/// A receiver of messages, dialled when the first one arrives and again when it has moved.
struct Receiver {
    to: Whereabouts,
    stream: Option<(SocketAddr, TcpStream)>,
}

impl Sink for Receiver {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = *self.to.borrow();
        if self.stream.as_ref().map(|(address, _)| *address) != now {
            self.stream = None;
        }
        let stream = match (&mut self.stream, now) {
            (Some((_, stream)), _) => stream,
            (none, Some(address)) => &mut none.insert((address, dial(now).await?)).1,
            (None, None) => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        stream.write_all(bytes).await
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.stream = None;
        Ok(())
    }
}

/// Carries one direction until its source ended and everything arrived.
async fn carry(mut source: Pieces, mut sink: impl Sink, link: Arc<Link>) -> io::Result<()> {
    let (mut lane, mut changes, mut ended) = (Lane::default(), link.watch(), false);
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    loop {
        batch.extend(std::iter::from_fn(|| lane.release(tokio::time::Instant::now(), &link)));
        if !batch.is_empty() {
            bytes.clear();
            batch.iter().for_each(|message: &Bytes| bytes.extend_from_slice(message));
            sink.write(&bytes).await.inspect_err(|_| link.undelivered(&batch))?;
            batch.clear();
        }
        if ended && lane.is_empty() {
            return sink.finish().await;
        }
        let alarm = lane.alarm(link.condition());
        tokio::select! {
            piece = source.next(), if !ended && lane.has_room(&link) => {
                let mut piece = piece.unwrap_or(None);
                ended = piece.is_none();
                let now = tokio::time::Instant::now();
                while let Some(message) = piece {
                    lane.admit(now, message, &link);
                    piece = source.ready()?;
                }
            }
            _ = changes.changed() => {}
            () = sleep_until(alarm.unwrap_or_else(tokio::time::Instant::now)), if alarm.is_some() => {}
        }
    }
}

#[cfg(test)]
mod tests;
