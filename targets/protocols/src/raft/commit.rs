//! When an entry is committed, and what happens then (§5.3, §5.4.2).

use super::log::Command;
use super::part::Part;
use super::{Output, Raft};
use crate::{Effect, Flaw};
use history::{Outcome, Time};

impl Raft {
    /// The leader commits what a majority holds durably, if it is of its own term; all before it is then
    /// committed as well (§5.4.2).
    pub(super) fn advance_commit(&mut self, now: Time, out: &mut Output) {
        let Part::Leader(leader) = &self.part else { return };
        let agreed = leader.agreed();
        // FLAW commit-old-term: the term does not matter.
        if self.log.term_at(agreed) == Some(self.term) || self.has(Flaw::CommitOldTerm) {
            self.commit_up_to(now, agreed, out);
        }
    }

    /// The log is committed up to `index`: applies it, and answers the clients who waited for it.
    pub(super) fn commit_up_to(&mut self, now: Time, index: u64, out: &mut Output) {
        if index <= self.commit {
            return;
        }
        self.commit = index;
        let mut taken = None;
        while self.applied < self.commit {
            // FLAW snapshot-misses-last: it is taken a moment too early, and labelled as if it were not.
            let early = self.is_snapshot_due(self.applied + 1) && self.has(Flaw::SnapshotMissesLast);
            let before = early.then(|| self.store.clone());
            let Some(entry) = self.log.get(self.applied + 1) else { break };
            self.applied += 1;
            if let Command::Call { ticket, call, at } = &entry.command {
                let outcome = self.store.apply_mistaken(self.options.flaw, now, (*ticket, call), *at);
                self.answer(outcome, out);
            }
            if self.is_snapshot_due(self.applied) {
                taken = Some(self.snapshot(before.unwrap_or_else(|| self.store.clone())));
            }
        }
        if let Some(snapshot) = taken {
            self.compact(snapshot, out);
        }
        self.serve_reads(out);
        self.settle_members(now, out);
    }

    /// Answers whoever asked for the entry applied last.
    fn answer(&mut self, outcome: Outcome, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        if leader.pending.front().is_some_and(|&(index, _)| index == self.applied)
            && let Some((_, id)) = leader.pending.pop_front()
        {
            out.push(Effect::Reply { id, outcome });
        }
    }
}
