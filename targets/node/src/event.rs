//! What can happen to a node from outside.

use crate::outbox::Asker;
use history::{Call, NodeId};
use protocols::rpc::Report;
use tokio::sync::{mpsc, oneshot};

/// What can happen to a node from outside.
#[derive(Debug)]
pub enum Event<M> {
    /// A peer says something.
    Message {
        /// Who.
        from: NodeId,
        /// What.
        message: M,
    },
    /// A client asks.
    Request {
        /// Who, and under which number.
        asker: Asker,
        /// What.
        call: Call,
    },
    /// Someone wants to know how it stands.
    Ask(oneshot::Sender<Report>),
}

/// Where events go. Bounded: who brings more than the core can take has to wait.
pub type Inbox<M> = mpsc::Sender<Event<M>>;
