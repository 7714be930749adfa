//! Every protocol, by name.

use crate::Protocol;
use crate::raft::Raft;
use history::CallKind;

/// A protocol that the reference node can run.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// What clients can ask of it.
    pub serves: &'static [CallKind],
    /// What it promises them: names of consistency models, of single objects and of transactions.
    pub claims: &'static [&'static str],
}

/// All of them, in the order in which people list them.
pub const PROTOCOLS: &[Entry] = &[Entry {
    name: "raft",
    about: "the reference node running Raft: registers, lists, sets, counters, queues, locks and more, and transactions",
    serves: Raft::SERVES,
    claims: &["linearizable", "strict-serializable"],
}];

/// The protocol of this name, if there is one.
pub fn lookup(name: &str) -> Option<&'static Entry> {
    PROTOCOLS.iter().find(|entry| entry.name == name)
}
