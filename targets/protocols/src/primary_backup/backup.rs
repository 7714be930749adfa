//! What a backup does: follows the primary of its epoch.

use super::message::{Entry, Message, Record};
use super::{Output, Part, PrimaryBackup};
use crate::{Effect, Flaw};
use crate::{Protocol, Store};
use history::{NodeId, Time};

impl<const SYNC: bool> PrimaryBackup<SYNC> {
    /// A message came. Epochs come first: a later one makes this node a backup in it, an earlier one is history, and whoever
    /// lives in it is told so.
    pub(super) fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        let leads = matches!(message, Message::Beat { .. } | Message::Copy { .. });
        if leads && (from == self.me || from != self.primary_of(message.epoch())) {
            return;
        }
        if message.epoch() > self.log.epoch {
            self.enter(now, message.epoch(), out);
        }
        let mut epoch = self.log.epoch;
        if message.epoch() < epoch {
            // FLAW old-primary-accepted: a primary is a primary.
            if self.has(Flaw::OldPrimaryAccepted) && leads && matches!(self.part, Part::Backup { .. }) {
                epoch = message.epoch();
            } else {
                if leads {
                    out.push(Effect::Send { to: from, message: Message::Stale { epoch } });
                }
                return;
            }
        }
        match message {
            Message::Beat { end, stable, .. } => {
                self.rest(now);
                if self.log.is_aligned() && self.log.end() >= end {
                    self.learn(stable, out);
                    out.push(Effect::Send { to: from, message: Message::Ack { epoch, end: self.log.end() } });
                } else {
                    out.push(Effect::Send { to: from, message: self.lack(epoch) });
                }
            }
            Message::Copy { after, entries, stable, .. } => {
                self.rest(now);
                let message = match self.take_copy(after, entries, stable, out) {
                    true => Message::Ack { epoch, end: self.log.end() },
                    false => self.lack(epoch),
                };
                out.push(Effect::Send { to: from, message });
            }
            Message::Ack { end, .. } => self.take_ack(now, from, end, out),
            Message::Lack { after, .. } => self.take_lack(now, from, after, out),
            Message::Stale { .. } => {}
        }
    }

    /// What it needs. The logs of two epochs are the same as far as they are everywhere; what comes after that must come
    /// from the primary.
    fn lack(&self, epoch: u64) -> Message {
        let after = if self.log.is_aligned() { self.log.end() } else { self.log.stable };
        Message::Lack { epoch, after }
    }

    /// The end of the primary's log, after this place: all of it, to its end. Whether it fits.
    ///
    /// The first copy of an epoch is taken in one piece and written down in one record: a log that has lost its own end and
    /// has not got all of the new one would lack what was answered long ago.
    fn take_copy(&mut self, after: u64, mut entries: Vec<Entry>, stable: u64, out: &mut Output) -> bool {
        let end = self.log.end();
        if !self.log.is_aligned() {
            if after > self.log.stable {
                return false;
            }
            let epoch = self.log.epoch;
            self.write_down(Record::Align { epoch, keep: after, entries, stable }, out);
            if self.applied > after {
                // Only what was not everywhere can go, so only an asynchronous primary has carried out what is gone.
                (self.store, self.applied) = (Store::default(), 0);
            }
        } else if after > end {
            return false;
        } else {
            let known = usize::try_from(end - after).unwrap_or(usize::MAX).min(entries.len());
            entries.drain(..known);
            if !entries.is_empty() {
                self.write_down(Record::Append { entries, stable }, out);
            }
        }
        self.learn(stable, out);
        true
    }

    /// So much is everywhere.
    fn learn(&mut self, stable: u64, out: &mut Output) {
        self.log.know_stable(stable);
        self.apply_up_to(self.log.stable, out);
    }

    /// A later epoch has begun: it is a backup in it.
    fn enter(&mut self, now: Time, epoch: u64, out: &mut Output) {
        self.write_epoch(Record::Follow { epoch }, out);
        let leader = self.primary_of(epoch);
        let deposed =
            matches!(self.part, Part::Primary(_)) || matches!(self.part, Part::Backup { deposed: true });
        if let Part::Primary(primary) = std::mem::replace(&mut self.part, Part::Backup { deposed }) {
            primary.dismiss(leader, out);
        }
        self.rest(now);
    }

    /// Makes a new epoch durable.
    pub(super) fn write_epoch(&mut self, record: Record, out: &mut Output) {
        // FLAW backup-forgets-epoch
        match self.has(Flaw::BackupForgetsEpoch) {
            true => self.log.take(record),
            false => self.write_down(record, out),
        }
    }

    /// The primary was heard: it may be silent for a while from now on.
    pub(super) fn rest(&mut self, now: Time) {
        let election = self.options.tempo.election;
        self.deadline = now + self.chance.span(election, 2 * election);
    }

    /// How it stands, for the alarm: when it acts if it hears nothing.
    pub(super) fn due(&self) -> Time {
        match &self.part {
            Part::Primary(primary) => primary.beat,
            Part::Backup { .. } => self.deadline,
        }
    }

    /// The alarm may be due.
    pub(super) fn wake(&mut self, now: Time, out: &mut Output) {
        let due = self.alarm().is_some_and(|due| now >= due);
        match &self.part {
            Part::Primary(_) if due => self.beat(now, out),
            Part::Backup { .. } if due && !self.stopping => self.take_over(now, out),
            _ => {}
        }
    }
}
