//! What can happen to a node from outside.

use crate::outbox::Asker;
use history::{Call, Change, NodeId, Ticket};
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
        /// Which of its calls.
        ticket: Ticket,
        /// What.
        call: Call,
    },
    /// An administrator wishes for this.
    Change(Change),
    /// Someone wants to know how it stands.
    Ask(oneshot::Sender<Report>),
}

/// Where events go. Bounded: who brings more than the core can take has to wait.
pub type Inbox<M> = mpsc::Sender<Event<M>>;
