//! The control address: whoever connects is told how the node stands.

use crate::doors;
use crate::event::{Event, Inbox};
use crate::lease::Lease;
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
    let (answer, report) = oneshot::channel();
    let asked = inbox.send(Event::Ask(answer)).await;
    asked.map_err(|_| io::Error::other("the node is stopping"))?;
    let report = report.await.map_err(io::Error::other)?;
    let frame = rpc::frame(&report).map_err(|length| io::Error::other(format!("{length} bytes")))?;
    stream.write_all(&frame).await?;
    stream.shutdown().await
}
