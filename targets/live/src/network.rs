//! The links between nodes, whatever they are made of.

use crate::link::{Condition, Counts};
use history::Link;

/// The links between nodes, whatever they are made of.
pub trait Network: Send + Sync {
    /// What its links carry one by one, and so can lose, repeat and count.
    fn carries(&self) -> Unit;

    /// Every link that is in such a condition.
    fn all(&self, which: &dyn Fn(Condition) -> bool) -> Vec<Link>;

    /// Changes the condition of these links. It is so when this returns.
    ///
    /// # Errors
    /// If it cannot be changed: why.
    fn change(&self, links: &[Link], change: &dyn Fn(&mut Condition)) -> Result<(), String>;

    /// What each of these links did so far.
    ///
    /// # Errors
    /// If nobody can tell: why.
    fn counts(&self, links: &[Link]) -> Result<Vec<Counts>, String>;
}

/// What a link carries one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The system's own messages.
    Messages,
    /// Pieces of a stream, of which none can be lost or repeated without garbling it.
    Pieces,
    /// The network's frames; if the system uses TCP, what is lost comes later.
    Frames,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unit::Messages => "messages",
            Unit::Pieces => "pieces",
            Unit::Frames => "frames",
        })
    }
}
