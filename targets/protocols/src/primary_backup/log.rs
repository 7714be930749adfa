//! A node's log, and how it comes back from its disk.

use super::message::{Entry, Record};

/// What outlives a node, as it is in memory; its end may not be durable yet.
#[derive(Debug, Default)]
pub struct Log {
    /// The epoch that the node takes part in.
    pub(super) epoch: u64,
    /// The last epoch whose primary's log this is a copy of.
    pub(super) aligned: u64,
    entries: Vec<Entry>,
    /// So much of it is everywhere, for all that the node knows. The disk may know less.
    pub(super) stable: u64,
    /// So much of it was left alone by the last step, for the watch.
    pub(super) kept: u64,
}

impl Log {
    /// From what was written down, in order.
    pub(super) fn read(disk: Vec<Record>) -> Log {
        let mut log = Log::default();
        disk.into_iter().for_each(|record| log.take(record));
        log
    }

    /// Does what a record says.
    pub(super) fn take(&mut self, record: Record) {
        match record {
            Record::Follow { epoch } => self.epoch = epoch,
            Record::Lead { epoch } => (self.epoch, self.aligned) = (epoch, epoch),
            Record::Align { epoch, keep, entries, stable } => {
                self.aligned = epoch;
                self.kept = self.kept.min(keep);
                self.entries.truncate(keep as usize);
                self.entries.extend(entries);
                self.know_stable(stable);
            }
            Record::Append { entries, stable } => {
                self.entries.extend(entries);
                self.know_stable(stable);
            }
        }
    }

    /// So much is everywhere, of what is here.
    pub(super) fn know_stable(&mut self, stable: u64) {
        self.stable = self.stable.max(stable.min(self.end()));
    }

    /// How long it is.
    pub fn end(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entry in this place.
    pub fn get(&self, index: u64) -> Option<&Entry> {
        self.entries.get(index.checked_sub(1)? as usize)
    }

    /// All that follows this place.
    pub(super) fn after(&self, place: u64) -> &[Entry] {
        self.entries.get(place as usize..).unwrap_or_default()
    }

    /// Whether it is a copy of the log of the epoch's primary.
    pub(super) fn is_aligned(&self) -> bool {
        self.aligned == self.epoch
    }
}
