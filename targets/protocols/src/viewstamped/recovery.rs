//! Recovery without a disk (§4.3).
//!
//! A replica that comes back has forgotten everything, also what it promised. It must take no part until it knows at
//! least what it knew when it died: it asks all others, with a nonce that it never used before, and waits for f+1
//! answers of replicas whose status is normal, one of them from the primary of the latest view that they tell of, with
//! its log. The primary's log has all that the replica ever acknowledged in that view; and a quorum that still vouches
//! for a view has not let a later one begin.
//!
//! If f+1 replicas have lost their memory at once there is nobody left to ask: the others are at most f. That is for
//! ever, and so worth saying. A replica asks in rounds, and who has lost its own memory says so. Who said so before a
//! round and again in it, in the same life, had none at the moment when the round began; if they are f+1 at that moment,
//! with the one who asks, all is lost. Then this is told to everybody and to every client, and nobody serves any more.

use super::message::{Body, Entry};
use super::part::{Part, Recovery, Response};
use super::{Output, Viewstamped};
use crate::Flaw;
use history::{NodeId, Time};

impl Viewstamped {
    /// Its record is durable: it knows from now on that it has lived.
    pub(super) fn born(&mut self, now: Time, out: &mut Output) {
        let Part::Unborn = self.part else { return };
        self.wait(now);
        // FLAW recovering-takes-part: it goes on as if it had never known anything.
        if self.lives.of(self.place) == 1 || self.has(Flaw::RecoveringTakesPart) {
            self.part = self.place_in_view(now);
            return;
        }
        self.part = Part::Recovering(Recovery::default());
        self.ask(out);
    }

    /// The next round of questions.
    pub(super) fn ask(&mut self, out: &mut Output) {
        let nonce = self.nonce();
        let Part::Recovering(recovery) = &mut self.part else { return };
        recovery.round += 1;
        recovery.earlier.append(&mut recovery.now);
        let round = recovery.round;
        self.tell_all(&Body::Recovery { nonce, round }, out);
    }

    /// Different in each life.
    fn nonce(&self) -> u64 {
        self.lives.of(self.place)
    }

    /// Somebody has lost its memory.
    pub(super) fn take_recovery(&mut self, from: NodeId, (nonce, round): (u64, u64), out: &mut Output) {
        // FLAW recovery-without-primary: anybody's log will do.
        let everybody = self.has(Flaw::RecoveryWithoutPrimary);
        let state = || (self.log.clone(), self.committed);
        let body = match &self.part {
            Part::Primary(_) => Body::RecoveryResponse { view: self.view, nonce, state: Some(state()) },
            Part::Backup => Body::RecoveryResponse { view: self.view, nonce, state: everybody.then(state) },
            Part::Recovering(_) => Body::Forgot { nonce, round },
            Part::Lost => Body::Unrecoverable,
            Part::Unborn | Part::Changing(_) | Part::Retired => return,
        };
        self.tell(from, body, out);
    }

    /// Somebody remembers.
    pub(super) fn take_recovery_response(
        &mut self,
        now: Time,
        from: NodeId,
        (view, nonce): (u64, u64),
        state: Option<(Vec<Entry>, usize)>,
        out: &mut Output,
    ) {
        let (life, own) = (self.life_of(from), self.nonce());
        let Part::Recovering(recovery) = &mut self.part else { return };
        if nonce != own {
            return;
        }
        let length = |state: &Option<(Vec<Entry>, usize)>| state.as_ref().map(|(log, _)| log.len());
        let newer = |known: &Response| (known.view, length(&known.state)) < (view, length(&state));
        if recovery.responses.get(&from).is_none_or(newer) {
            recovery.responses.insert(from, Response { life, view, state });
        }
        self.recover(now, out);
    }

    /// Goes on where it died, or later, once enough others have answered.
    fn recover(&mut self, now: Time, out: &mut Output) {
        let enough = self.f() + 1;
        let anybody = self.has(Flaw::RecoveryWithoutPrimary);
        let Part::Recovering(recovery) = &mut self.part else { return };
        if recovery.responses.len() < enough {
            return;
        }
        let responses = recovery.responses.values();
        let Some(latest) = responses.map(|response| response.view).max() else { return };
        let place = usize::try_from(latest).unwrap_or(0) % self.peers.len();
        let from = match self.peers.get(place) {
            // FLAW recovery-without-primary: whoever was heard of the latest view.
            _ if anybody => recovery.responses.values_mut().find(|response| response.view == latest),
            Some(primary) => recovery.responses.get_mut(primary),
            None => None,
        };
        let Some(response) = from.filter(|response| response.view == latest) else { return };
        let Some((log, commit)) = response.state.take() else { return };
        self.log = log;
        // FLAW view-forgotten: what is in the log is what counts.
        self.view = if self.has(Flaw::ViewForgotten) { 0 } else { latest };
        self.last_normal = self.view;
        self.part = self.place_in_view(now);
        self.wait(now);
        self.execute(commit, out);
        self.tell(self.primary_of(self.view), Body::PrepareOk { view: self.view, op: self.log.len() }, out);
    }

    /// Somebody else has lost its memory, too.
    pub(super) fn take_forgot(&mut self, from: NodeId, (nonce, round): (u64, u64), out: &mut Output) {
        let (life, own, f) = (self.life_of(from), self.nonce(), self.f());
        let Part::Recovering(recovery) = &mut self.part else { return };
        if nonce != own || round != recovery.round {
            return;
        }
        recovery.now.insert(from, life);
        let throughout = recovery.now.iter().filter(|(node, life)| recovery.earlier.get(node) == Some(life));
        if throughout.count() >= f {
            self.lose(out);
        }
    }

    /// A majority has lost its memory at once.
    pub(super) fn lose(&mut self, out: &mut Output) {
        self.let_go(out);
        self.part = Part::Lost;
        self.tell_all(&Body::Unrecoverable, out);
    }
}
