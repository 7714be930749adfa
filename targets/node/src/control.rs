//! The control address: whoever connects is told how the node stands, and may wish for a change of its members.

use crate::doors;
use crate::event::{Event, Inbox};
use crate::frames;
use crate::lease::Lease;
use history::Change;
use protocols::rpc;
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Tells everyone who connects, for ever.
pub async fn accept<M: Send + 'static>(listener: TcpListener, inbox: Inbox<M>, lease: Lease) {
    loop {
        let (stream, _) = doors::accept(&listener).await;
        lease.renew();
        let inbox = inbox.clone();
        tokio::spawn(async move {
            if let Err(error) = tell(stream, inbox).await {
                tracing::debug!("could not say how this node stands: {error}");
            }
        });
    }
}

async fn tell<M>(mut stream: TcpStream, inbox: Inbox<M>) -> io::Result<()> {
    let stopping = |_| io::Error::other("the node is stopping");
    loop {
        let (answer, report) = oneshot::channel();
        inbox.send(Event::Ask(answer)).await.map_err(stopping)?;
        let report = report.await.map_err(io::Error::other)?;
        let frame = rpc::frame(&report).map_err(|length| io::Error::other(format!("{length} bytes")))?;
        stream.write_all(&frame).await?;
        let Some(change) = frames::read::<Change>(&mut stream).await? else { return Ok(()) };
        tracing::info!("an administrator wishes: {change}");
        inbox.send(Event::Change(change)).await.map_err(stopping)?;
    }
}
