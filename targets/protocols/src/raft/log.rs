//! The replicated log.

use history::Call;
use serde::{Deserialize, Serialize};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that made it.
    pub term: u64,
    /// What is to be done; nothing, in the entry with which a leader begins its term.
    pub call: Option<Call>,
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
/// * Terms never fall along it (in a sound node).
/// * It only grows at its end, except where it is cut, and it counts its cuts so that a watcher need not look
///   at the whole log.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    cuts: u64,
    last_cut: u64,
}

impl Log {
    /// The index of the last entry; zero if there is none.
    pub fn last_index(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Where the log ends.
    pub fn last(&self) -> Place {
        let term = self.entries.last().map_or(0, |entry| entry.term);
        Place { term, index: self.last_index() }
    }

    /// The entry at `index`, if there is one.
    pub fn get(&self, index: u64) -> Option<&Entry> {
        let offset = usize::try_from(index.checked_sub(1)?).ok()?;
        self.entries.get(offset)
    }

    /// The term of the entry at `index`; zero before the first entry, nothing past the last.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == 0 { Some(0) } else { self.get(index).map(|entry| entry.term) }
    }

    /// The place of `index`, with term zero if the log does not reach it.
    pub(super) fn place(&self, index: u64) -> Place {
        Place { term: self.term_at(index).unwrap_or(0), index }
    }

    /// Adds an entry and says where.
    pub(super) fn append(&mut self, entry: Entry) -> u64 {
        self.entries.push(entry);
        self.last_index()
    }

    /// Forgets the entries from `from` on.
    pub(super) fn truncate(&mut self, from: u64) {
        if from <= self.last_index() {
            self.entries.truncate(from.saturating_sub(1) as usize);
            self.cuts += 1;
            self.last_cut = from;
        }
    }

    /// The entries from `from` to `to`, both included.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[Entry] {
        let end = (to as usize).min(self.entries.len());
        let start = (from.saturating_sub(1) as usize).min(end);
        &self.entries[start..end]
    }

    /// The index of the first entry whose term is `term` or later; just past the end if there is none.
    pub(super) fn first_since(&self, term: u64) -> u64 {
        self.entries.partition_point(|entry| entry.term < term) as u64 + 1
    }

    /// How often the log has been cut, and where the last time.
    pub(super) fn cuts(&self) -> (u64, u64) {
        (self.cuts, self.last_cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::default();
        for &term in terms {
            log.append(Entry { term, call: None });
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
}
