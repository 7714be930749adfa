//! What a leader knows of one follower's log.

use super::log::Log;
use super::message::Message;
use super::snapshot::Parcel;
use crate::raft::log::Place;
use history::{NodeId, Time};
use std::collections::VecDeque;
use std::sync::Arc;

/// One follower, as its leader sees it.
///
/// A follower is probed until it is known where its log agrees: one append at a time. Then entries are sent
/// as they come, without waiting for answers (thesis 10.2.1), up to a window of appends in flight; what comes
/// faster gathers and goes out as one larger append. A rejection means that something was lost: back to
/// probing, from the last place known to agree. If the log no longer has the entry before the next, the follower is
/// brought a snapshot first, a piece at a time.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) node: NodeId,
    /// Whether its copies count.
    pub(super) votes: bool,
    /// How far a learner must get before it may vote: where the log ended when it came.
    pub(super) goal: u64,
    /// The log agrees up to here, and is durable there.
    pub(super) matched: u64,
    /// The next entry to send.
    pub(super) next: u64,
    pub(super) pace: Pace,
    /// The last index of each append in flight.
    flights: VecDeque<u64>,
    /// The latest heartbeat round that it has answered.
    pub(super) round: u64,
    /// When it last answered.
    pub(super) heard: Time,
}

/// How a follower is sent entries.
#[derive(Debug)]
pub(super) enum Pace {
    /// One append, then wait. `asked` is whether one is under way.
    Probe { asked: bool },
    /// As they come.
    Replicate,
    /// None before it has this snapshot.
    Install {
        parcel: Arc<Parcel>,
        /// So many bytes of it have arrived.
        arrived: u64,
        /// Whether the next piece is under way.
        asked: bool,
    },
}

/// Where what is sent comes from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) log: &'a Log,
    pub(super) parcel: Option<&'a Arc<Parcel>>,
    /// So many bytes of it at a time.
    pub(super) chunk: usize,
}

/// What every append says, whomever it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bulletin {
    pub(super) term: u64,
    pub(super) commit: u64,
    pub(super) round: u64,
}

impl Progress {
    /// At most so many appends in flight to one follower.
    const WINDOW: usize = 8;
    /// At most so many entries in one append. An entry takes at most about 50 bytes, so this limits bytes too.
    const BATCH: u64 = 256;

    /// A follower of whom nothing is known, under a leader whose log ends at `last`.
    pub(super) fn new(node: NodeId, last: u64, now: Time) -> Progress {
        Progress {
            node,
            votes: false,
            goal: last,
            matched: 0,
            next: last + 1,
            pace: Pace::Probe { asked: false },
            flights: VecDeque::new(),
            round: 0,
            heard: now,
        }
    }

    /// The next append with entries up to `end`, or the next piece of the snapshot, if there is any and it may go now.
    pub(super) fn feed(&mut self, source: &Source<'_>, end: u64, bulletin: Bulletin) -> Option<Message> {
        let log = source.log;
        if self.next <= log.base().index && !matches!(self.pace, Pace::Install { .. }) {
            let parcel = Arc::clone(source.parcel?);
            self.flights.clear();
            self.pace = Pace::Install { parcel, arrived: 0, asked: false };
        }
        let open = match &mut self.pace {
            Pace::Probe { asked } => !*asked,
            Pace::Replicate => self.flights.len() < Self::WINDOW,
            Pace::Install { asked: true, .. } => false,
            Pace::Install { parcel, arrived, asked } => {
                *asked = true;
                return Some(parcel.piece(*arrived, source.chunk, bulletin));
            }
        };
        if !open || self.next > end {
            return None;
        }
        let previous = log.place(self.next - 1);
        let entries = log.slice(self.next, end.min(self.next + Self::BATCH - 1)).to_vec();
        match &mut self.pace {
            Pace::Probe { asked } => *asked = true,
            Pace::Replicate => {
                self.next += entries.len() as u64;
                self.flights.push_back(self.next - 1);
            }
            Pace::Install { .. } => {}
        }
        let Bulletin { term, commit, round } = bulletin;
        Some(Message::Append { term, previous, entries, commit, round })
    }

    /// A heartbeat. It checks the place before the next entry, so that a lost append is noticed; a follower that is
    /// being probed is probed, and one that is brought a snapshot will be sent the piece again that it lacks.
    pub(super) fn heartbeat(&mut self, log: &Log, bulletin: Bulletin) -> Message {
        match &mut self.pace {
            Pace::Probe { asked } => *asked = true,
            Pace::Install { asked, .. } => *asked = false,
            Pace::Replicate => {}
        }
        let Bulletin { term, commit, round } = bulletin;
        let previous = log.place((self.next - 1).max(log.base().index));
        Message::Append { term, previous, entries: Vec::new(), commit, round }
    }

    /// It has so many bytes of the snapshot that ends at `last`.
    pub(super) fn received(&mut self, last: Place, bytes: u64) {
        if let Pace::Install { parcel, arrived, asked } = &mut self.pace
            && parcel.last == last
            && (bytes > *arrived || bytes == 0)
        {
            // Nothing at all: it began anew, and so do we.
            (*arrived, *asked) = (bytes, false);
        }
    }

    /// Whether a learner has what there was when it came, and lacks no more than one append brings, of a log that
    /// ends at `last` (thesis 4.2.1).
    pub(super) fn has_caught_up(&self, last: u64) -> bool {
        self.matched >= self.goal.max(1) && self.matched + Self::BATCH > last
    }

    /// It answered an append of `round` at `now`.
    pub(super) fn hear(&mut self, round: u64, now: Time) {
        self.round = self.round.max(round);
        self.heard = self.heard.max(now);
    }

    /// Its log agrees up to `matched`. Says whether that is news.
    pub(super) fn accept(&mut self, matched: u64) -> bool {
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        while self.flights.front().is_some_and(|&last| last <= self.matched) {
            self.flights.pop_front();
        }
        match &self.pace {
            Pace::Replicate => self.next = self.next.max(self.matched + 1),
            // Late words about what it had before.
            Pace::Install { parcel, .. } if self.matched < parcel.last.index => {}
            Pace::Probe { .. } | Pace::Install { .. } => {
                self.pace = Pace::Replicate;
                self.next = self.matched + 1;
            }
        }
        news
    }

    /// It does not hold the entry before the next: looks for a place where it agrees, a whole term at a step
    /// (§5.3, the last paragraphs). A rejection that answers an older question changes nothing; nor does one of
    /// a place that it acknowledged before, which would mean that it lost what it had promised to keep, and
    /// asking again at once would only be a storm.
    pub(super) fn reject(&mut self, rejected: u64, conflict: Place, log: &Log) {
        match self.pace {
            Pace::Replicate if rejected > self.matched => {
                self.flights.clear();
                self.next = self.matched + 1;
                self.pace = Pace::Probe { asked: false };
            }
            Pace::Probe { .. } if rejected > self.matched && rejected + 1 == self.next => {
                // If the leader has entries of the conflicting term, its last one may be shared; else none
                // of that term are.
                let past = log.first_since(conflict.term + 1);
                let shares = conflict.term > 0 && log.term_at(past - 1) == Some(conflict.term);
                let next = if shares { past } else { conflict.index };
                self.next = next.clamp(self.matched + 1, rejected);
                self.pace = Pace::Probe { asked: false };
            }
            Pace::Replicate | Pace::Probe { .. } | Pace::Install { .. } => {}
        }
    }
}
