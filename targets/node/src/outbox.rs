//! Where a core's messages and answers go.

use history::{NodeId, Outcome};
use protocols::RequestId;
use protocols::rpc::{self, Envelope, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// A client that waits for an answer.
#[derive(Debug)]
pub struct Asker {
    /// Frames for its connection.
    pub connection: mpsc::UnboundedSender<Vec<u8>>,
    /// Its own number for its request.
    pub id: u64,
}

/// The ways out of this node. Nothing here ever waits: what cannot be sent is lost, as messages may be.
#[derive(Debug)]
pub struct Outbox {
    me: NodeId,
    peers: BTreeMap<NodeId, mpsc::Sender<Vec<u8>>>,
    askers: BTreeMap<RequestId, Asker>,
    requests: u64,
}

impl Outbox {
    /// The outbox of `me`, with a queue of frames for each peer.
    pub fn new(me: NodeId, peers: BTreeMap<NodeId, mpsc::Sender<Vec<u8>>>) -> Outbox {
        Outbox { me, peers, askers: BTreeMap::new(), requests: 0 }
    }

    /// Remembers who asked, under a new number.
    pub fn remember(&mut self, asker: Asker) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.askers.insert(id, asker);
        id
    }

    /// Sends a message, unless the peer's queue is full.
    pub fn send<M: Serialize>(&self, to: NodeId, message: M) {
        let Some(queue) = self.peers.get(&to) else {
            tracing::error!("the core sends to {to}, which is no peer");
            return;
        };
        match rpc::frame(&Envelope { from: self.me, message }) {
            Ok(frame) => {
                let _lost_if_full = queue.try_send(frame);
            }
            Err(length) => tracing::error!("a message of {length} bytes for {to} is too long to be sent"),
        }
    }

    /// Answers a request, if its client is still there.
    pub fn reply(&mut self, id: RequestId, outcome: Outcome) {
        let Some(asker) = self.askers.remove(&id) else {
            tracing::error!("the core answers request {}, which is not open", id.0);
            return;
        };
        if let Ok(frame) = rpc::frame(&Response { id: asker.id, outcome }) {
            let _hung_up = asker.connection.send(frame);
        }
    }
}
