//! How the leader's log becomes everyone's (§5.3).

use super::log::{Entry, Place};
use super::message::Message;
use super::part::{Following, Part};
use super::progress::{Bulletin, Source};
use super::record::Record;
use super::{Output, Raft};
use crate::{Effect, Flaw};
use history::{NodeId, Time};

impl Raft {
    /// The leader adds an entry to its log.
    pub(super) fn propose(&mut self, entry: Entry, out: &mut Output) -> u64 {
        let index = self.log.append(entry);
        self.publish(index, out);
        index
    }

    /// The leader's newest entry is made durable and known. The followers may be told before it is durable here
    /// (thesis 10.2.1); the leader counts itself only when the message to itself comes back from behind the
    /// Persist.
    pub(super) fn publish(&mut self, index: u64, out: &mut Output) {
        self.feed(out);
        if let Some(entry) = self.log.get(index).cloned() {
            out.push(Effect::Persist(Record::Append { index, entry }));
        }
        self.ask_persisted(out);
    }

    /// Asks to be told when the log is durable as it is now. One such message is under way at a time: entries
    /// that come meanwhile share the next one.
    pub(super) fn ask_persisted(&mut self, out: &mut Output) {
        let (term, index) = (self.term, self.log.last_index());
        let Part::Leader(leader) = &mut self.part else { return };
        if leader.persisting <= leader.persisted && index > leader.persisted {
            leader.persisting = index;
            out.push(Effect::Send { to: self.me, message: Message::Persisted { term, index } });
        }
    }

    /// The leader's own log is durable up to `index`.
    pub(super) fn own_persisted(&mut self, now: Time, index: u64, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        if index > leader.persisted {
            leader.persisted = index;
            self.advance_commit(now, out);
            self.ask_persisted(out);
            self.hand_over(out);
        }
    }

    /// Sends the followers what they may be sent now.
    pub(super) fn feed(&mut self, out: &mut Output) {
        let bulletin = self.bulletin();
        let chunk = self.options.compaction.chunk.max(1);
        let source = Source { log: &self.log, parcel: self.parcel.as_ref(), chunk };
        if let Part::Leader(leader) = &mut self.part {
            leader.feed(&source, bulletin, out);
        }
    }

    /// What the leader's appends say to everyone.
    pub(super) fn bulletin(&self) -> Bulletin {
        let round = if let Part::Leader(leader) = &self.part { leader.reads.round } else { 0 };
        Bulletin { term: self.term, commit: self.commit, round }
    }

    /// The leader of this term sent entries, or none.
    pub(super) fn answer_append(&mut self, now: Time, from: NodeId, append: Append, out: &mut Output) {
        // FLAW late-step-down: it does not listen to other leaders either.
        if self.has(Flaw::LateStepDown) && matches!(self.part, Part::Leader(_)) {
            return;
        }
        self.follow(now, from, out);
        let Append { previous, entries, commit, round } = append.after(self.log.base());
        let term = self.term;
        if !self.holds(previous) {
            let conflict = self.conflict(previous.index);
            let message = Message::Reject { term, rejected: previous.index, conflict, round };
            out.push(Effect::Send { to: from, message });
            return;
        }
        let matched = previous.index + entries.len() as u64;
        for (index, entry) in (previous.index + 1..).zip(entries) {
            self.take(index, entry, out);
        }
        // FLAW commit-beyond-match: what it has beyond the leader's entries counts as well.
        let compared = if self.has(Flaw::CommitBeyondMatch) { self.log.last_index() } else { matched };
        self.commit_up_to(now, commit.min(compared), out);
        out.push(Effect::Send { to: from, message: Message::Ack { term, matched, round } });
    }

    /// Takes `from` for the leader of this term, as of `now`.
    pub(super) fn follow(&mut self, now: Time, from: NodeId, out: &mut Output) {
        self.step_down(now, out);
        self.part = Part::Follower(Some(Following { leader: from, heard: now }));
        self.deadline = now + self.patience;
    }

    /// Whether this log holds the place.
    fn holds(&self, place: Place) -> bool {
        let term = self.log.term_at(place.index);
        // FLAW no-log-matching-check: any entry there will do.
        term == Some(place.term) || (term.is_some() && self.has(Flaw::NoLogMatchingCheck))
    }

    /// Where the leader should look next, after asking for `index` in vain: before the whole term that is
    /// there instead (§5.3, the last paragraphs).
    fn conflict(&self, index: u64) -> Place {
        match self.log.term_at(index) {
            Some(term) => Place { term, index: self.log.first_since(term) },
            None => Place { term: 0, index: self.log.last_index() + 1 },
        }
    }

    /// Takes one entry of the leader. An entry that is there already is left alone, so that a late or
    /// repeated append never cuts what a newer one brought.
    fn take(&mut self, index: u64, entry: Entry, out: &mut Output) {
        match self.log.term_at(index) {
            Some(term) if term == entry.term => return,
            // FLAW no-truncation: what contradicts the leader stays.
            Some(_) if self.has(Flaw::NoTruncation) => return,
            Some(_) => {
                // FLAW members-not-rolled-back: the configuration that was cut stays in use, until the node restarts.
                if self.has(Flaw::MembersNotRolledBack) && self.log.members().0 >= index {
                    self.kept = Some(self.log.members().1.clone());
                }
                self.log.truncate(index);
                self.write_log(Record::Truncate { from: index }, out);
            }
            None => {}
        }
        self.log.append(entry.clone());
        self.write_log(Record::Append { index, entry }, out);
    }

    /// Writes down what the leader said.
    fn write_log(&mut self, record: Record, out: &mut Output) {
        match self.options.flaw {
            // FLAW log-not-persisted: nothing is written.
            Some(Flaw::LogNotPersisted) => {}
            // FLAW ack-before-persist: it is written with the next thing that happens.
            Some(Flaw::AckBeforePersist) => self.owed.push(record),
            _ => out.push(Effect::Persist(record)),
        }
    }

    /// A follower's log agrees up to `matched`.
    pub(super) fn take_ack(&mut self, now: Time, from: NodeId, matched: u64, round: u64, out: &mut Output) {
        let Part::Leader(leader) = &mut self.part else { return };
        let Some(follower) = leader.follower(from) else { return };
        follower.hear(round, now);
        if follower.accept(matched) {
            self.advance_commit(now, out);
        }
        self.promote(now, from, out);
        self.feed(out);
        self.confirm_rounds(out);
        self.hand_over(out);
    }

    /// A follower does not hold the place that it was asked for.
    pub(super) fn take_reject(
        &mut self,
        now: Time,
        from: NodeId,
        (rejected, conflict): (u64, Place),
        round: u64,
        out: &mut Output,
    ) {
        let Part::Leader(leader) = &mut self.part else { return };
        let Some(follower) = leader.follower(from) else { return };
        follower.hear(round, now);
        follower.reject(rejected, conflict, &self.log);
        self.feed(out);
        self.confirm_rounds(out);
    }

    /// The leader shows that it lives, and looks whether anybody listens. Without a majority within an
    /// election timeout it steps down, so that its clients can look elsewhere (check-quorum, thesis 6.2).
    pub(super) fn beat(&mut self, now: Time, out: &mut Output) {
        let tempo = self.options.tempo;
        let Part::Leader(leader) = &mut self.part else { return };
        leader.beat = now + tempo.heartbeat;
        leader.handed = false;
        // FLAW reads-without-quorum, late-step-down: a leader never doubts itself.
        let sure = matches!(self.options.flaw, Some(Flaw::ReadsWithoutQuorum | Flaw::LateStepDown));
        if !sure && !leader.has_quorum(now - tempo.election) {
            self.step_down(now, out);
            return;
        }
        leader.held_back = leader.held_back.saturating_sub(1);
        self.begin_round(out);
        // FLAW lease-reads: followers that answer this round promise silence from now on.
        if self.has(Flaw::LeaseReads)
            && let Part::Leader(leader) = &mut self.part
        {
            leader.begun.push_back((leader.reads.round, now));
        }
        self.feed(out);
        self.hand_over(out);
        self.give_up(now, out);
    }
}

/// A [`Message::Append`] of this node's term.
pub(super) struct Append {
    pub(super) previous: Place,
    pub(super) entries: Vec<Entry>,
    pub(super) commit: u64,
    pub(super) round: u64,
}

impl Append {
    /// Without what comes up to `base`: a snapshot stands for that, so it is committed, and as the leader has it.
    fn after(mut self, base: Place) -> Append {
        if self.previous.index < base.index {
            let known = (base.index - self.previous.index).min(self.entries.len() as u64);
            self.entries.drain(..known as usize);
            self.previous = base;
        }
        self
    }
}
