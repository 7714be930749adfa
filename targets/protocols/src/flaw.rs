//! Deliberate bugs.

/// A mistake that a protocol can be told to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// A vote is not written down.
    VoteNotPersisted,
}
