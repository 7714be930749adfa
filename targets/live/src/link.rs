//! One direction of the path between two nodes: what is wrong with it, and what that did so far.

use bytes::Bytes;
use cluster::Framing;
use history::{Chance, Trouble};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Condition {
    /// It carries nothing.
    pub cut: bool,
    /// What it does to what it carries.
    pub trouble: Trouble,
}

/// What a link did so far, in messages: the evidence of a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Delivered.
    pub passed: u64,
    /// Delivered, in bytes.
    pub bytes: u64,
    /// Swallowed because the link was cut.
    pub dropped: u64,
    /// Came while the link was in trouble.
    pub met: u64,
    /// Lost by the dice.
    pub lost: u64,
    /// Kept back for a while by delay, jitter or the rate limit.
    pub delayed: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Overtaken by a later one.
    pub reordered: u64,
    /// Corrupted, and thrown away for that.
    pub corrupted: u64,
    /// Held until the repair.
    pub held: u64,
    /// Not delivered because nobody was there.
    pub undelivered: u64,
}

/// One direction of the path between two nodes, over all its connections.
#[derive(Debug)]
pub struct Link {
    framing: Framing,
    condition: watch::Sender<Condition>,
    state: Mutex<State>,
}

/// What changes with every message.
#[derive(Debug)]
pub struct State {
    /// The link's own dice.
    pub chance: Chance,
    /// What it did so far.
    pub counts: Counts,
}

impl Link {
    /// A link in good order.
    pub fn new(framing: Framing, chance: Chance) -> Link {
        let state = State { chance, counts: Counts::default() };
        Link { framing, condition: watch::Sender::default(), state: Mutex::new(state) }
    }

    /// How its streams are cut into messages.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// What is wrong with it now.
    pub fn condition(&self) -> Condition {
        *self.condition.borrow()
    }

    /// Tells whoever carries its messages when the condition changes.
    pub fn watch(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// Changes what is wrong with it; whether that made a difference.
    pub fn change(&self, change: impl FnOnce(&mut Condition)) -> bool {
        self.condition.send_if_modified(|condition| {
            let before = *condition;
            change(condition);
            before != *condition
        })
    }

    /// What it did so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Its dice and counts.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // Counts and dice are whole at every moment; a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what could not be delivered.
    pub fn undelivered(&self, messages: &[Bytes]) {
        self.state().counts.undelivered += messages.len() as u64;
    }
}

impl Counts {
    /// How many messages were affected by trouble.
    pub fn affected(&self) -> u64 {
        self.lost + self.delayed + self.duplicated + self.reordered + self.corrupted + self.held
    }
}

impl std::ops::Sub for Counts {
    type Output = Counts;
    fn sub(self, before: Counts) -> Counts {
        Counts {
            passed: self.passed - before.passed,
            bytes: self.bytes - before.bytes,
            dropped: self.dropped - before.dropped,
            met: self.met - before.met,
            lost: self.lost - before.lost,
            delayed: self.delayed - before.delayed,
            duplicated: self.duplicated - before.duplicated,
            reordered: self.reordered - before.reordered,
            corrupted: self.corrupted - before.corrupted,
            held: self.held - before.held,
            undelivered: self.undelivered - before.undelivered,
        }
    }
}

impl std::ops::Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts {
            passed: self.passed + other.passed,
            bytes: self.bytes + other.bytes,
            dropped: self.dropped + other.dropped,
            met: self.met + other.met,
            lost: self.lost + other.lost,
            delayed: self.delayed + other.delayed,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            corrupted: self.corrupted + other.corrupted,
            held: self.held + other.held,
            undelivered: self.undelivered + other.undelivered,
        }
    }
}
