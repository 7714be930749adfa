//! The replicated log.

use super::members::Members;
use crate::Reading;
use history::{Call, Ticket};
use serde::{Deserialize, Serialize};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that made it.
    pub term: u64,
    /// What is to be done.
    pub command: Command,
}

/// What an entry of the log asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Nothing: with this a leader begins its term.
    Nothing,
    /// What a client asked for.
    Call {
        /// Who asked, and which of its calls this is.
        ticket: Ticket,
        /// For what.
        call: Call,
        /// What the leader's clock showed, if that matters to the call.
        at: Option<Reading>,
    },
    /// From here on these take part.
    Members(Members),
    /// Something that means nothing here: a layer above keeps its own state by this log ([`super::Raft::offer`]).
    Other(Vec<u8>),
}

/// A place in the log: an index, and the term of the entry there. Places compare as §5.4.1 compares logs by
/// their last place: the later term is more up to date, and in one term the longer log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The entry's term; zero before the first entry.
    pub term: u64,
    /// The entry's index; zero before the first entry.
    pub index: u64,
}

/// The log of one node, held in memory.
///
/// * Indexes begin at 1 and have no gaps.
/// * It begins after its base, the place up to which a snapshot stands for it.
/// * Terms never fall along it (in a sound node).
/// * It only grows at its end, except where it is cut, and it counts its cuts so that a watcher need not look
///   at the whole log.
/// * It knows every configuration from its base on, with the index of its entry. What is cut takes its
///   configurations with it.
#[derive(Debug, Default)]
pub struct Log {
    base: Place,
    entries: Vec<Entry>,
    members: Vec<(u64, Members)>,
    cuts: u64,
    last_cut: u64,
}

impl Log {
    /// The empty log of a cluster with these founders.
    pub(super) fn new(founders: Members) -> Log {
        Log { members: vec![(0, founders)], ..Log::default() }
    }

    /// The log after a snapshot that ends at `base`, where `members` was the configuration, from its own index on.
    pub(super) fn after(base: Place, members: (u64, Members)) -> Log {
        Log { base, members: vec![members], ..Log::default() }
    }

    /// A snapshot stands for everything up to `index`, which it holds: forgets that, but for the configuration.
    pub(super) fn compact(&mut self, index: u64) {
        let Some(term) = self.term_at(index) else { return };
        self.entries.drain(..(index - self.base.index) as usize);
        let first = self.members.partition_point(|(at, _)| *at <= index).saturating_sub(1);
        self.members.drain(..first);
        self.base = Place { term, index };
    }

    /// A snapshot of somebody else takes its place. That is a cut of all that it held.
    pub(super) fn replace(&mut self, base: Place, members: (u64, Members)) {
        *self = Log { cuts: self.cuts + 1, last_cut: 1, ..Log::after(base, members) };
    }

    /// The place after which it begins.
    pub fn base(&self) -> Place {
        self.base
    }

    /// The index of the last entry; zero if there was none.
    pub fn last_index(&self) -> u64 {
        self.base.index + self.entries.len() as u64
    }

    /// Where the log ends.
    pub fn last(&self) -> Place {
        let term = self.entries.last().map_or(self.base.term, |entry| entry.term);
        Place { term, index: self.last_index() }
    }

    /// The entry at `index`, if there is one.
    pub fn get(&self, index: u64) -> Option<&Entry> {
        let offset = usize::try_from(index.checked_sub(self.base.index + 1)?).ok()?;
        self.entries.get(offset)
    }

    /// The term of the entry at `index`; zero before the first entry, nothing past the last and nothing for what
    /// a snapshot stands for, but for its last.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.index { Some(self.base.term) } else { self.get(index).map(|entry| entry.term) }
    }

    /// The place of `index`, with term zero if the log does not reach it.
    pub(super) fn place(&self, index: u64) -> Place {
        Place { term: self.term_at(index).unwrap_or(0), index }
    }

    /// The latest configuration in it, committed or not, and its index.
    pub fn members(&self) -> (u64, &Members) {
        self.members_at(u64::MAX)
    }

    /// The latest configuration at or before `index`, and its own index.
    pub(super) fn members_at(&self, index: u64) -> (u64, &Members) {
        let after = self.members.partition_point(|(at, _)| *at <= index);
        let (at, members) = &self.members[after.saturating_sub(1)];
        (*at, members)
    }

    /// Adds an entry and says where.
    pub(super) fn append(&mut self, entry: Entry) -> u64 {
        if let Command::Members(members) = &entry.command {
            self.members.push((self.last_index() + 1, members.clone()));
        }
        self.entries.push(entry);
        self.last_index()
    }

    /// Forgets the entries from `from` on.
    pub(super) fn truncate(&mut self, from: u64) {
        if from <= self.last_index() {
            self.entries.truncate(from.saturating_sub(self.base.index + 1) as usize);
            // The base keeps its own, whatever is cut.
            let kept = self.members.partition_point(|(at, _)| *at < from).max(1);
            self.members.truncate(kept);
            self.cuts += 1;
            self.last_cut = from;
        }
    }

    /// The entries from `from` to `to`, both included.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[Entry] {
        let offset = |index: u64| index.saturating_sub(self.base.index) as usize;
        let end = offset(to).min(self.entries.len());
        let start = offset(from).saturating_sub(1).min(end);
        &self.entries[start..end]
    }

    /// The index of the first entry whose term is `term` or later; just past the end if there is none.
    pub(super) fn first_since(&self, term: u64) -> u64 {
        self.base.index + self.entries.partition_point(|entry| entry.term < term) as u64 + 1
    }

    /// How often the log has been cut, and where the last time.
    pub(super) fn cuts(&self) -> (u64, u64) {
        (self.cuts, self.last_cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::NodeId;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::new(Members::founders(&NodeId::all(1)));
        for &term in terms {
            log.append(Entry { term, command: Command::Nothing });
        }
        log
    }

    #[test]
    fn a_later_term_beats_a_longer_log() {
        assert!(log(&[1, 3]).last() > log(&[1, 2, 2, 2]).last());
        assert!(log(&[1, 2, 2]).last() > log(&[1, 2]).last());
        assert!(log(&[1]).last() > log(&[]).last());
    }

    #[test]
    fn before_the_first_entry_is_a_place_and_after_the_last_is_none() {
        let log = log(&[1, 2]);
        assert_eq!([log.term_at(0), log.term_at(2), log.term_at(3)], [Some(0), Some(2), None]);
        assert_eq!((log.get(0), log.slice(3, 9).len(), log.slice(1, 1).len()), (None, 0, 1));
    }

    #[test]
    fn a_term_is_found_by_its_first_entry() {
        let log = log(&[1, 1, 4, 4, 6]);
        assert_eq!([1, 2, 4, 5, 6, 7].map(|term| log.first_since(term)), [1, 3, 3, 5, 5, 6]);
    }

    #[test]
    fn cutting_past_the_end_cuts_nothing() {
        let mut log = log(&[1, 1]);
        log.truncate(3);
        assert_eq!(log.cuts(), (0, 0));
        log.truncate(2);
        assert_eq!((log.cuts(), log.last_index()), ((1, 2), 1));
    }

    #[test]
    fn what_a_snapshot_stands_for_is_gone_and_its_end_is_known() {
        let mut log = log(&[1, 1, 2]);
        let two = Members::founders(&NodeId::all(2));
        log.append(Entry { term: 2, command: Command::Members(two.clone()) });
        log.append(Entry { term: 3, command: Command::Nothing });
        log.compact(4);
        assert_eq!((log.base(), log.last_index()), (Place { term: 2, index: 4 }, 5));
        assert_eq!([3, 4, 5, 6].map(|index| log.term_at(index)), [None, Some(2), Some(3), None]);
        assert_eq!((log.members(), log.members_at(4)), ((4, &two), (4, &two)));
        assert_eq!((log.slice(5, 9).len(), log.first_since(1), log.cuts()), (1, 5, (0, 0)));
        log.compact(9);
        assert_eq!(log.base().index, 4, "it does not reach so far");
        log.truncate(5);
        assert_eq!((log.last(), log.members().0), (log.base(), 4));
    }

    #[test]
    fn what_is_cut_takes_its_configurations_with_it() {
        let mut log = log(&[1, 1]);
        let two = Members::founders(&NodeId::all(2));
        log.append(Entry { term: 1, command: Command::Members(two.clone()) });
        log.append(Entry { term: 1, command: Command::Nothing });
        assert_eq!((log.members(), log.members_at(2).0), ((3, &two), 0));
        log.truncate(4);
        assert_eq!(log.members().0, 3);
        log.truncate(1);
        assert_eq!(log.members(), (0, &Members::founders(&NodeId::all(1))));
    }
}
