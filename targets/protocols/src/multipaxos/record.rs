//! What a node writes down.

use super::message::{Command, Slots};
use crate::paxos::Ballot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One line of a node's disk. Together, in order, they are what the node promised, accepted and learnt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// No lower ballot will be accepted any more.
    Promised(Ballot),
    /// These were accepted, which promises their ballot as well.
    Accepted {
        /// What had been accepted for the slots up to this one before, is chosen.
        chosen: u64,
        /// The ballot.
        ballot: Ballot,
        /// What was accepted for which slot.
        entries: Vec<(u64, Command)>,
    },
    /// These are chosen, as somebody said who knows.
    Chosen {
        /// From the slot after this one on.
        after: u64,
        /// In the order of their slots.
        commands: Vec<Command>,
    },
}

/// What a disk holds.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) promised: Ballot,
    /// For slots that are not known to be chosen.
    pub(super) accepted: BTreeMap<u64, (Ballot, Command)>,
    /// What is chosen, from slot 1 on.
    pub(super) log: Vec<Command>,
}

impl Recovered {
    pub(super) fn read(records: Vec<Record>) -> Recovered {
        let mut found = Recovered { promised: Ballot::NONE, accepted: BTreeMap::new(), log: Vec::new() };
        for record in records {
            match record {
                Record::Promised(ballot) => found.promised = found.promised.max(ballot),
                Record::Accepted { chosen, ballot, entries } => {
                    found.learn(chosen);
                    found.promised = found.promised.max(ballot);
                    let accepted = entries.into_iter().map(|(slot, command)| (slot, (ballot, command)));
                    found.accepted.extend(accepted);
                }
                Record::Chosen { after, commands } => {
                    found.learn(after);
                    // What comes after a gap means nothing. A sound node never writes it.
                    if found.log.len() as u64 == after {
                        found.log.extend(commands);
                    }
                }
            }
        }
        let known = found.log.len() as u64;
        found.accepted.retain(|slot, _| *slot > known);
        found
    }

    /// What was accepted up to this slot is chosen.
    fn learn(&mut self, chosen: u64) {
        while (self.log.len() as u64) < chosen
            && let Some((_, command)) = self.accepted.remove(&(self.log.len() as u64 + 1))
        {
            self.log.push(command);
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Promised(ballot) => write!(f, "promised {ballot}"),
            Record::Accepted { chosen, ballot, entries } => {
                write!(f, "accepted by {ballot} [{:?}], chosen up to {chosen}", Slots(entries))
            }
            Record::Chosen { after, commands } => write!(f, "chosen after {after} {commands:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::{Call, Key, NodeId, ProcessId, Ticket, Value};

    fn write(value: i64) -> Command {
        let ticket = Ticket { process: ProcessId(value as u32), number: 1 };
        Command::Call { ticket, call: Call::Write { key: Key(0), value: Value(value) }, at: None }
    }

    #[test]
    fn what_was_accepted_last_before_it_was_known_to_be_chosen_is_chosen() {
        let ballot = |round| Ballot { round, node: NodeId(1) };
        let accepted = |chosen, round, entries| Record::Accepted { chosen, ballot: ballot(round), entries };
        let found = Recovered::read(vec![
            Record::Promised(ballot(1)),
            accepted(0, 1, vec![(1, write(10)), (2, write(20))]),
            accepted(0, 2, vec![(1, write(11))]),
            accepted(1, 2, vec![(2, write(21)), (4, write(41))]),
            Record::Chosen { after: 2, commands: vec![write(31)] },
            Record::Chosen { after: 9, commands: vec![write(99)] },
        ]);
        assert_eq!(found.log, [write(11), write(21), write(31), write(41)].to_vec());
        assert_eq!(found.promised, ballot(2));
        assert!(found.accepted.is_empty());
    }
}
