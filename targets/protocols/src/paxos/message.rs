//! What nodes say to one another and write down, each about one instance.

use super::ballot::Ballot;
use history::{Key, Ticket, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A value, and whose wish it is: so that a client who asks twice is told that it got its wish, and who only wished for
/// the same value is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// Who wants it.
    pub ticket: Ticket,
    /// What.
    pub value: Value,
}

/// A message about one instance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which instance.
    pub key: Key,
    /// What is said about it.
    pub word: Word,
}

/// What is said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// 1a: promise me this ballot.
    Prepare(Ballot),
    /// 1b: promised, and this is what I have accepted last. A proposer also sends it to itself, behind the
    /// [`crate::Effect::Persist`] of its own promise.
    Promise(Ballot, Option<(Ballot, Proposal)>),
    /// 2a: accept this.
    Accept(Ballot, Proposal),
    /// 2b: accepted. Also to itself.
    Accepted(Ballot),
    /// Your ballot is too low: this one I have promised.
    Refuse(Ballot, Ballot),
    /// This is chosen.
    Chosen(Proposal),
}

/// One line of a node's disk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// It accepts nothing under a lower ballot any more.
    Promised(Key, Ballot),
    /// It has accepted this, which promises the ballot as well.
    Accepted(Key, Ballot, Proposal),
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        match &self.word {
            Word::Prepare(ballot) => write!(f, "prepare {key} {ballot}"),
            Word::Promise(ballot, None) => write!(f, "promise {key} {ballot}, accepted nothing"),
            Word::Promise(ballot, Some((by, value))) => {
                write!(f, "promise {key} {ballot}, accepted {value:?} by {by}")
            }
            Word::Accept(ballot, value) => write!(f, "accept {key} {ballot}: {value:?}"),
            Word::Accepted(ballot) => write!(f, "accepted {key} {ballot}"),
            Word::Refuse(ballot, promised) => write!(f, "refuse {key} {ballot}, promised {promised}"),
            Word::Chosen(value) => write!(f, "chosen {key}: {value:?}"),
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Message { key: Key(0), word: self.clone() })
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Promised(key, ballot) => write!(f, "promised {key} {ballot}"),
            Record::Accepted(key, ballot, value) => write!(f, "accepted {key} {ballot}: {value:?}"),
        }
    }
}
