//! Stopping in good order: a leader hands over before it goes (thesis 3.10).
//!
//! It takes no more requests, waits until those it has are done and somebody's log is as long as its own,
//! and tells that one to begin an election at once. Whoever does not lead has nothing to hand over.

use super::message::Message;
use super::part::Part;
use super::{Output, Raft};
use crate::Effect;
use history::Time;

impl Raft {
    /// The node is to stop.
    pub(super) fn stop(&mut self, now: Time, out: &mut Output) {
        self.stopping.get_or_insert(now);
        self.hand_over(out);
        self.give_up(now, out);
    }

    /// The leader hands over to this node: elections wait for silence, this one need not.
    pub(super) fn take_over(&mut self, now: Time, out: &mut Output) {
        if self.stopping.is_none() && matches!(self.part, Part::Follower(_)) && self.may_seek_to_lead() {
            self.campaign(now, out);
        }
    }

    /// Asks a follower to take over, once everything is done and at most once a heartbeat.
    pub(super) fn hand_over(&mut self, out: &mut Output) {
        let last = self.log.last_index();
        let Part::Leader(leader) = &mut self.part else { return };
        let done = self.commit >= last && leader.reads.waiting.is_empty();
        if self.stopping.is_none() || !done || leader.handed {
            return;
        }
        let ready = leader.followers.iter().filter(|follower| follower.votes && follower.matched == last);
        if let Some(heir) = ready.max_by_key(|follower| follower.heard) {
            leader.handed = true;
            out.push(Effect::Send { to: heir.node, message: Message::TimeoutNow { term: self.term } });
        }
    }

    /// Steps down all the same if nobody took over within two election timeouts, or if there is nobody else
    /// and nothing left to do.
    pub(super) fn give_up(&mut self, now: Time, out: &mut Output) {
        let Some(since) = self.stopping else { return };
        let others = self.members().voters().iter().any(|node| *node != self.me);
        let alone = !others && self.commit >= self.log.last_index();
        if alone || now >= since + self.options.tempo.election * 2 {
            self.step_down(now, out);
        }
    }
}
