//! What nodes say to one another, and what they write down.

use super::tag::{Turn, Version};
use history::Key;
use serde::{Deserialize, Serialize};

/// What nodes say. Every answer names the turn of its question: one that comes late, or twice, is none to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// What do you hold?
    Query {
        /// Of the asking node.
        turn: Turn,
        /// Of which register.
        key: Key,
    },
    /// This, durably.
    Held {
        /// Of the [`Message::Query`].
        turn: Turn,
        /// What.
        version: Version,
    },
    /// Hold this from now on, unless you hold something newer.
    Store {
        /// Of the asking node.
        turn: Turn,
        /// Of which register.
        key: Key,
        /// What.
        version: Version,
    },
    /// I hold that or something newer, durably.
    Stored {
        /// Of the [`Message::Store`].
        turn: Turn,
    },
}

/// What a node writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// It begins its life of this number.
    Boot {
        /// Which; from 1.
        number: u64,
    },
    /// It holds this from now on.
    Version {
        /// Of which register.
        key: Key,
        /// What.
        version: Version,
    },
}
