//! Every protocol, by name. To add one, add its type to the list at the end of this file.

use crate::Protocol;
use crate::abd::Abd;
use crate::gossip::Gossip;
use crate::multipaxos::MultiPaxos;
use crate::paxos::Paxos;
use crate::paxos_commit::PaxosCommit;
use crate::primary_backup::{Asynchronous, Synchronous};
use crate::raft::Raft;
use crate::sharded::Sharded;
use crate::three_phase::ThreePhase;
use crate::two_phase::TwoPhase;
use crate::viewstamped::Viewstamped;
use crate::zab::Zab;
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
    /// Under which faults it keeps that, in the words of `--nemesis`: what is broken if nobody says otherwise. Damage to what is
    /// stored is broken only if somebody says so.
    pub survives: &'static [&'static str],
    /// Whether it knows a call again that a client sends twice, and carries it out once: what `--retry` needs.
    pub remembers: bool,
}

/// What a quorum of nodes with logs of their own bears, as long as its members stay the same.
pub const BORNE_BY_QUORUMS: &[&str] =
    &["partition", "kill", "crash", "pause", "packets", "clock", "disk", "pressure", "damage:rot"];

/// What is to be done with a protocol that is known by its name.
pub trait Visitor {
    /// What comes of it.
    type Out;

    /// Does it.
    fn visit<P: Protocol>(self) -> Self::Out;
}

/// The protocol of this name, if there is one.
pub fn lookup(name: &str) -> Option<&'static Entry> {
    PROTOCOLS.iter().find(|entry| entry.name == name)
}

/// Writes the list below as a table of entries, and a way from each name to its type.
macro_rules! protocols {
    ($($protocol:ty),+ $(,)?) => {
        /// All of them, in the order in which people list them.
        pub const PROTOCOLS: &[Entry] = &[$(<$protocol>::ENTRY),+];

        /// Has the visitor see the protocol of this name; nothing if there is none.
        pub fn visit<V: Visitor>(name: &str, visitor: V) -> Option<V::Out> {
            $(if name == <$protocol>::ENTRY.name {
                return Some(visitor.visit::<$protocol>());
            })+
            None
        }
    };
}

protocols![
    Raft,
    MultiPaxos,
    Paxos,
    Sharded,
    Abd,
    Synchronous,
    Asynchronous,
    Gossip,
    TwoPhase,
    ThreePhase,
    PaxosCommit,
    Zab<false>,
    Zab<true>,
    Viewstamped,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    struct Name;

    impl Visitor for Name {
        type Out = &'static str;

        fn visit<P: Protocol>(self) -> &'static str {
            P::ENTRY.name
        }
    }

    #[test]
    fn every_name_leads_to_its_protocol_and_no_other_to_any() {
        let names: BTreeSet<_> = PROTOCOLS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), PROTOCOLS.len());
        for name in names {
            assert_eq!(visit(name, Name), Some(name));
        }
        assert_eq!(visit("rafd", Name), None);
    }
}
