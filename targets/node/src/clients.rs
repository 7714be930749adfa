//! Connections of clients.

use crate::event::{Event, Inbox};
use crate::outbox::Asker;
use crate::{doors, frames};
use protocols::rpc::Request;
use std::io;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Accepts clients and serves them, for ever.
pub async fn accept<M: Send + 'static>(listener: TcpListener, inbox: Inbox<M>) {
    loop {
        let (stream, address) = doors::accept(&listener).await;
        let inbox = inbox.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, inbox).await {
                tracing::debug!("closed the connection of the client at {address}: {error}");
            }
        });
    }
}

async fn serve<M>(stream: TcpStream, inbox: Inbox<M>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (from_client, to_client) = stream.into_split();
    let (connection, answers) = mpsc::unbounded_channel();
    tokio::spawn(answer(to_client, answers));
    let mut from_client = BufReader::new(from_client);
    while let Some(Request { id, ticket, call }) = frames::read(&mut from_client).await? {
        let asker = Asker { connection: connection.clone(), id };
        if inbox.send(Event::Request { asker, ticket, call }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes answers until nobody is left who could give one, or the client is gone.
async fn answer(mut to_client: OwnedWriteHalf, mut answers: mpsc::UnboundedReceiver<Vec<u8>>) {
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    while answers.recv_many(&mut batch, 64).await > 0 {
        bytes.clear();
        batch.drain(..).for_each(|frame| bytes.extend_from_slice(&frame));
        if to_client.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
