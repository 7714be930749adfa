//! View changes (§4.2).
//!
//! A backup that hears nothing of its primary tells all others that the next view should begin, and takes no part in its
//! own any more. Who hears that of f others tells the new primary what it has: its log, and the last view in which it
//! took part normally. Of f+1 such testimonies the primary takes the log with the latest of these views, and among those
//! the longest. What was committed is in it: f+1 held it, one of them testifies, in that view's log or a later one's. A
//! log may be longer and older: what comes after the common part was then given up by a later view.
//!
//! The first round is there for those who recover. A replica answers nobody's recovery while a view changes; so when a
//! testimony is given, a quorum no longer vouches for the old view, and a replica that gives one and forgets it cannot
//! be led back there. That takes more than the paper says: the announcements of replicas that have died since must not
//! count (`lives.rs`).

use super::message::{Body, Tail};
use super::part::{Change, Part, Primary, Testimony};
use super::{Output, Viewstamped};
use crate::Flaw;
use history::{NodeId, Time};

impl Viewstamped {
    /// Leaves its view for a later one.
    pub(super) fn change_view(&mut self, now: Time, view: u64, out: &mut Output) {
        self.let_go(out);
        self.view = view;
        self.part = Part::Changing(Change::default());
        self.early.clear();
        self.wait(now);
        self.announce(out);
        self.testify(now, out);
    }

    /// The alarm rang while the view changes: messages may have been lost, so all is said again; or it has taken too
    /// long, and the next view is tried.
    pub(super) fn tick_changing(&mut self, now: Time, out: &mut Output) {
        if now >= self.heard + self.patience {
            return self.change_view(now, self.view + 1, out);
        }
        self.announce(out);
        self.testify(now, out);
    }

    fn announce(&self, out: &mut Output) {
        self.tell_all(&Body::StartViewChange { view: self.view, commit: self.committed }, out);
    }

    /// Somebody wants a view to begin.
    pub(super) fn take_start_view_change(
        &mut self,
        now: Time,
        from: NodeId,
        (view, commit): (u64, usize),
        out: &mut Output,
    ) {
        if !self.takes_part() || view < self.view {
            return;
        }
        if view > self.view {
            self.change_view(now, view, out);
        }
        let life = self.life_of(from);
        match &mut self.part {
            Part::Changing(change) => {
                change.starts.insert(from, (life, commit));
                self.testify(now, out);
            }
            Part::Primary(_) => self.start_view(from, commit, out),
            _ => {}
        }
    }

    /// Tells the new primary what it has, once f others want the view.
    fn testify(&mut self, now: Time, out: &mut Output) {
        let (view, primary) = (self.view, self.primary_of(self.view));
        let Part::Changing(change) = &self.part else { return };
        if change.starts.len() < self.f() {
            return;
        }
        // What both know to be committed need not be said.
        let known = change.starts.get(&primary).map_or(0, |(_, commit)| *commit);
        let (last_normal, commit) = (self.last_normal, self.committed);
        if primary == self.me {
            let log = Tail { after: self.log.len(), entries: Vec::new() };
            let own = Testimony { life: self.lives.of(self.place), last_normal, log, commit };
            let Part::Changing(change) = &mut self.part else { return };
            change.does.insert(self.me, own);
            return self.begin(now, out);
        }
        let log = self.tail(known.min(commit));
        self.tell(primary, Body::DoViewChange { view, last_normal, log, commit }, out);
    }

    /// Somebody testifies.
    pub(super) fn take_do_view_change(
        &mut self,
        now: Time,
        from: NodeId,
        view: u64,
        (last_normal, log, commit): (u64, Tail, usize),
        out: &mut Output,
    ) {
        if !self.takes_part() || view < self.view || self.primary_of(view) != self.me {
            return;
        }
        if view > self.view {
            self.change_view(now, view, out);
        }
        let life = self.life_of(from);
        match &mut self.part {
            Part::Changing(change) => {
                change.does.insert(from, Testimony { life, last_normal, log, commit });
                self.begin(now, out);
            }
            Part::Primary(_) => self.start_view(from, commit, out),
            _ => {}
        }
    }

    /// Begins the view as its primary, once it has f+1 testimonies, of which one is its own.
    fn begin(&mut self, now: Time, out: &mut Output) {
        // FLAW view-change-with-f: one less will do.
        let enough = if self.has(Flaw::ViewChangeWithF) { self.f().max(1) } else { self.f() + 1 };
        // FLAW longest-log-wins: the view does not matter.
        let by_length = self.has(Flaw::LongestLogWins);
        let (me, length) = (self.me, self.log.len());
        let Part::Changing(change) = &mut self.part else { return };
        if change.does.len() < enough || !change.does.contains_key(&me) {
            return;
        }
        let does = std::mem::take(&mut change.does);
        let view_of = |testimony: &Testimony| if by_length { 0 } else { testimony.last_normal };
        let rank = |testimony: &&Testimony| (view_of(testimony), testimony.log.length());
        // Its own first, since it is here, if it is as good as any.
        let Some(own) = does.get(&me) else { return };
        let best = does.values().fold(own, |best, one| if rank(&one) > rank(&best) { one } else { best });
        if best.log.after > length {
            return;
        }
        let commit = does.values().map(|testimony| testimony.commit).max().unwrap_or(0);
        self.log.truncate(best.log.after);
        self.log.extend(best.log.entries.iter().cloned());
        self.committed = self.committed.min(self.log.len());
        self.last_normal = self.view;
        let Part::Changing(change) =
            std::mem::replace(&mut self.part, Part::Primary(Primary { since: now, ..Primary::default() }))
        else {
            return;
        };
        self.lagged = None;
        self.execute(commit, out);
        for to in self.others() {
            let known = change.starts.get(&to).map_or(0, |(_, commit)| *commit);
            self.start_view(to, known, out);
        }
        self.advance(out);
    }

    /// Tells a replica that the view has begun; it knows so much to be committed.
    fn start_view(&self, to: NodeId, known: usize, out: &mut Output) {
        let log = self.tail(known.min(self.committed));
        self.tell(to, Body::StartView { view: self.view, log, commit: self.committed }, out);
    }

    /// A view has begun.
    pub(super) fn take_start_view(
        &mut self,
        now: Time,
        from: NodeId,
        (view, log, commit): (u64, Tail, usize),
        out: &mut Output,
    ) {
        let begins = view > self.view || view == self.view && matches!(self.part, Part::Changing(_));
        if self.takes_part() && begins && self.primary_of(view) == from && log.after <= self.committed {
            self.join(now, view, log, out);
            self.execute(commit, out);
        }
    }

    /// Whether its memory is whole.
    fn takes_part(&self) -> bool {
        matches!(self.part, Part::Backup | Part::Primary(_) | Part::Changing(_))
    }
}
