//! What nodes say to one another. 1a to 2b are the names of Lamport's papers.

use crate::Reading;
use crate::paxos::Ballot;
use history::{Call, Ticket};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a slot asks for.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Nothing: what a new leader proposes for a slot that would else be a gap (PMS §3).
    Nothing,
    /// What a client asked for.
    Call {
        /// Who asked, and which of its calls this is.
        ticket: Ticket,
        /// For what.
        call: Call,
        /// What the clock of the leader showed that proposed it first, if that matters to the call.
        at: Option<Reading>,
    },
}

/// What was accepted for a slot, and under which ballot (PMMC §2.2).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pvalue {
    /// The slot.
    pub slot: u64,
    /// The ballot.
    pub ballot: Ballot,
    /// What was accepted.
    pub command: Command,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Would you promise me this ballot? Changes nothing at either end.
    Canvass {
        /// The ballot that the asker would make.
        ballot: Ballot,
        /// It knows what is chosen up to here.
        after: u64,
    },
    /// The answer to a [`Message::Canvass`].
    Support {
        /// Its ballot.
        ballot: Ballot,
        /// Whether it would.
        granted: bool,
    },
    /// 1a, for every slot at once: promise me this ballot.
    Prepare {
        /// The ballot.
        ballot: Ballot,
        /// The candidate knows what is chosen up to here, and asks about what comes after.
        after: u64,
    },
    /// 1b: promised. This is what I have accepted. A candidate also sends it to itself, behind the
    /// [`crate::Effect::Persist`] of its own promise.
    Promise {
        /// The ballot.
        ballot: Ballot,
        /// What follows begins after this slot.
        after: u64,
        /// What the acceptor knows to be chosen from there on.
        chosen: Vec<Command>,
        /// What it has accepted beyond that.
        accepted: Vec<Pvalue>,
    },
    /// 2a, for some slots: accept these.
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// What is proposed for which slot.
        entries: Vec<(u64, Command)>,
        /// All slots up to this one are chosen.
        chosen: u64,
    },
    /// 2b: accepted. A leader also sends it to itself, behind the [`crate::Effect::Persist`].
    Accepted {
        /// The leader's ballot.
        ballot: Ballot,
        /// Which slots.
        slots: Vec<u64>,
    },
    /// Your ballot is too low.
    Refuse {
        /// The ballot that is.
        ballot: Ballot,
        /// One that is not.
        promised: Ballot,
    },
    /// The leader lives.
    Heartbeat {
        /// Its ballot.
        ballot: Ballot,
        /// All slots up to this one are chosen.
        chosen: u64,
        /// The number of this round of heartbeats (see `read.rs`).
        round: u64,
    },
    /// And I have promised nobody a higher ballot.
    Alive {
        /// The leader's ballot.
        ballot: Ballot,
        /// The round that this answers.
        round: u64,
    },
    /// Tell me what is chosen after this slot.
    Learn {
        /// The last slot that the asker knows.
        after: u64,
    },
    /// This is what is chosen.
    Chosen {
        /// From the slot after this one on.
        after: u64,
        /// In the order of their slots.
        commands: Vec<Command>,
    },
    /// Campaign now: you are to lead.
    TakeOver {
        /// The ballot of the leader that goes.
        ballot: Ballot,
    },
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Nothing => f.write_str("nothing"),
            Command::Call { call, .. } => write!(f, "{call}"),
        }
    }
}

impl fmt::Debug for Pvalue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} by {}", self.slot, self.command, self.ballot)
    }
}

/// `1: write k0 5, 2: nothing`
pub(super) struct Slots<'a, I>(pub(super) &'a I);

impl<'a, I> fmt::Debug for Slots<'a, I>
where
    &'a I: IntoIterator<Item = &'a (u64, Command)>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (slot, command)) in self.0.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{slot}: {command:?}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Canvass { ballot, after } => write!(f, "canvass {ballot} after {after}"),
            Message::Support { ballot, granted: true } => write!(f, "support {ballot}: yes"),
            Message::Support { ballot, granted: false } => write!(f, "support {ballot}: no"),
            Message::Prepare { ballot, after } => write!(f, "prepare {ballot} after {after}"),
            Message::Promise { ballot, after, chosen, accepted } => {
                write!(f, "promise {ballot} after {after}")?;
                if !chosen.is_empty() {
                    write!(f, ", chosen {chosen:?}")?;
                }
                write!(f, ", accepted {accepted:?}")
            }
            Message::Accept { ballot, entries, chosen } => {
                write!(f, "accept {ballot} [{:?}], chosen up to {chosen}", Slots(entries))
            }
            Message::Accepted { ballot, slots } => write!(f, "accepted {ballot} {slots:?}"),
            Message::Refuse { ballot, promised } => write!(f, "refuse {ballot}, promised {promised}"),
            Message::Heartbeat { ballot, chosen, round } => {
                write!(f, "heartbeat {ballot}, chosen up to {chosen}, round {round}")
            }
            Message::Alive { ballot, round } => write!(f, "alive {ballot}, round {round}"),
            Message::Learn { after } => write!(f, "learn after {after}"),
            Message::Chosen { after, commands } => write!(f, "chosen after {after} {commands:?}"),
            Message::TakeOver { ballot } => write!(f, "takeover from {ballot}"),
        }
    }
}
