//! # Snapshots instead of a log without end (§7; thesis, chapter 5)
//!
//! A node that has applied a multiple of [`crate::Compaction::every`] entries takes a **snapshot**: its state as it is
//! just then, the last place that is in it, and the configuration there. Every node takes its own, from committed
//! entries alone, and all of them at the same indexes, so that two snapshots of one index can be compared. What the
//! snapshot stands for is cut off the beginning of the log, but for the last few entries, so that a follower who is
//! only a little behind is still brought entries. Disk and memory change together: an [`Effect::Rewrite`] puts the
//! term and vote, the snapshot and what is left of the log in place of all that was written before.
//!
//! A leader that no longer has the entry that a follower needs brings it its snapshot in **pieces**, one at a time,
//! the next when the last has been answered; a heartbeat asks again for what was lost. If the leader takes a newer
//! snapshot meanwhile, the follower is brought the older one to its end, or it would never end. A new leader begins
//! anew, since only one who sent all pieces can say that they belong together.
//!
//! The follower takes the whole in place of its log, unless its log holds the snapshot's last place: then what
//! follows is right and stays (§7, figure 13). What it has already applied it does not take; a late piece must never
//! set a state back. It answers when the snapshot is durable, as it answers for entries.

use super::log::Place;
use super::members::Members;
use super::message::Message;
use super::part::Part;
use super::progress::Bulletin;
use super::record::Record;
use super::{Output, Raft};
use crate::{Effect, Flaw, Store, wire};
use history::{NodeId, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A state, and the log that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last place that is in it.
    pub last: Place,
    /// The configuration there, and the index of its entry.
    pub members: (u64, Members),
    /// The state.
    pub store: Store,
}

/// A snapshot as it is sent.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) last: Place,
    pub(super) bytes: Vec<u8>,
}

impl Parcel {
    pub(super) fn new(snapshot: &Snapshot) -> Arc<Parcel> {
        Arc::new(Parcel { last: snapshot.last, bytes: wire::encode(snapshot) })
    }

    /// The piece that begins at `offset`.
    pub(super) fn piece(&self, offset: u64, size: usize, bulletin: Bulletin) -> Message {
        let begin = (offset as usize).min(self.bytes.len());
        let end = (begin + size).min(self.bytes.len());
        let Bulletin { term, round, .. } = bulletin;
        let (data, done) = (self.bytes[begin..end].to_vec(), end == self.bytes.len());
        Message::Install { term, last: self.last, offset, data, done, round }
    }
}

/// The pieces of a snapshot that came so far.
#[derive(Debug)]
pub(super) struct Incoming {
    from: NodeId,
    term: u64,
    last: Place,
    bytes: Vec<u8>,
}

/// A [`Message::Install`] of this node's term.
pub(super) struct Piece {
    pub(super) last: Place,
    pub(super) offset: u64,
    pub(super) data: Vec<u8>,
    pub(super) done: bool,
    pub(super) round: u64,
}

impl Raft {
    /// Whether a snapshot is due when so many entries are applied.
    pub(super) fn is_snapshot_due(&self, applied: u64) -> bool {
        // What a node with these flaws never writes, a rewriting would write.
        let silent = matches!(
            self.options.flaw,
            Some(Flaw::LogNotPersisted | Flaw::TermNotPersisted | Flaw::VoteNotPersisted)
        );
        applied.is_multiple_of(self.options.compaction.every.max(1)) && !silent
    }

    /// A snapshot of this state, to which everything was applied that is applied now.
    pub(super) fn snapshot(&self, store: Store) -> Snapshot {
        let (at, members) = self.log.members_at(self.applied);
        let store = store.saved(self.options.flaw);
        Snapshot { last: self.log.place(self.applied), members: (at, members.clone()), store }
    }

    /// This stands for the beginning of the log from now on.
    pub(super) fn compact(&mut self, snapshot: Snapshot, out: &mut Output) {
        let keep = self.options.compaction.keep.min(self.options.compaction.every.saturating_sub(1));
        self.log.compact(snapshot.last.index.saturating_sub(keep).max(self.log.base().index));
        self.keep_snapshot(snapshot, out);
    }

    /// The node is what this snapshot, its log and its ballot say, in memory and on disk.
    fn keep_snapshot(&mut self, snapshot: Snapshot, out: &mut Output) {
        self.parcel = Some(Parcel::new(&snapshot));
        let base = self.log.base();
        let (at, members) = self.log.members_at(base.index);
        let beginning = [
            Record::Ballot { term: self.term, vote: self.vote },
            Record::Snapshot { snapshot: Box::new(snapshot), base, members: (at, members.clone()) },
        ];
        let entries = self.log.slice(base.index + 1, self.log.last_index()).iter().cloned();
        let log = (base.index + 1..).zip(entries).map(|(index, entry)| Record::Append { index, entry });
        out.push(Effect::Rewrite(beginning.into_iter().chain(log).collect()));
        self.owed.clear();
    }

    /// The leader of this term brings a piece of a snapshot.
    pub(super) fn take_piece(&mut self, now: Time, from: NodeId, piece: Piece, out: &mut Output) {
        // FLAW late-step-down: it does not listen to other leaders either.
        if self.has(Flaw::LateStepDown) && matches!(self.part, Part::Leader(_)) {
            return;
        }
        self.follow(now, from, out);
        let Piece { last, offset, data, done, round } = piece;
        let term = self.term;
        // FLAW snapshot-sets-back: it takes whatever a leader sends.
        if last.index <= self.commit && !self.has(Flaw::SnapshotSetsBack) {
            out.push(Effect::Send { to: from, message: Message::Ack { term, matched: last.index, round } });
            return;
        }
        let fits = |incoming: &Incoming| (incoming.from, incoming.term, incoming.last) == (from, term, last);
        if offset == 0 && !self.incoming.as_ref().is_some_and(fits) {
            self.incoming = Some(Incoming { from, term, last, bytes: Vec::new() });
        }
        let Some(incoming) = self.incoming.as_mut().filter(|incoming| fits(incoming)) else {
            out.push(Effect::Send { to: from, message: Message::Received { term, last, bytes: 0, round } });
            return;
        };
        let next = offset == incoming.bytes.len() as u64;
        if next {
            incoming.bytes.extend_from_slice(&data);
        }
        if next && done {
            let whole = self.incoming.take().map(|incoming| incoming.bytes).unwrap_or_default();
            // What a leader of this very term put together can be read; else the pieces are asked for again.
            if let Ok(snapshot) = wire::decode::<Snapshot>(&whole) {
                self.install(snapshot, out);
                out.push(Effect::Send {
                    to: from,
                    message: Message::Ack { term, matched: last.index, round },
                });
            }
            return;
        }
        let bytes = incoming.bytes.len() as u64;
        out.push(Effect::Send { to: from, message: Message::Received { term, last, bytes, round } });
    }

    /// A snapshot takes the place of the log up to its end, and of all of it if the log says something else there.
    fn install(&mut self, snapshot: Snapshot, out: &mut Output) {
        let Snapshot { last, members, store } = snapshot.clone();
        // FLAW snapshot-sets-back: and all that it has is what the leader sent.
        let back = last.index <= self.commit;
        // FLAW snapshot-keeps-conflicts: what follows in its own log stays, whatever came before it.
        let kept = self.has(Flaw::SnapshotKeepsConflicts) && self.log.last_index() > last.index;
        if (self.log.term_at(last.index) == Some(last.term) && !back) || kept {
            self.log.compact(last.index);
        } else {
            // FLAW snapshot-forgets-members: it goes on with those that it knew.
            let members = if self.has(Flaw::SnapshotForgetsMembers) { self.known_members() } else { members };
            self.log.replace(last, members);
        }
        self.store = store.with(self.options.flaw);
        (self.commit, self.applied) = (last.index, last.index);
        // FLAW snapshot-not-persisted: it is in memory, and acknowledged.
        if self.has(Flaw::SnapshotNotPersisted) {
            self.parcel = Some(Parcel::new(&snapshot));
        } else {
            self.keep_snapshot(snapshot, out);
        }
    }

    fn known_members(&self) -> (u64, Members) {
        let (at, members) = self.log.members();
        (at, members.clone())
    }

    /// A follower has so many bytes of a snapshot.
    pub(super) fn take_received(
        &mut self,
        now: Time,
        from: NodeId,
        (last, bytes): (Place, u64),
        round: u64,
        out: &mut Output,
    ) {
        let Part::Leader(leader) = &mut self.part else { return };
        let Some(follower) = leader.follower(from) else { return };
        follower.hear(round, now);
        follower.received(last, bytes);
        self.feed(out);
        self.confirm_rounds(out);
    }
}
