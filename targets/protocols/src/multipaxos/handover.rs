//! Stopping in good order: a leader hands over before it goes.
//!
//! It takes no more requests, waits until all that it has is chosen and answered, and asks whoever answered it last to
//! campaign at once. The heir may lack what was chosen last; phase 1 tells it. Whoever does not lead has nothing to hand
//! over.

use super::message::Message;
use super::part::Part;
use super::{MultiPaxos, Output};
use crate::Effect;
use crate::paxos::Ballot;
use history::Time;

impl MultiPaxos {
    /// The node is to stop.
    pub(super) fn stop(&mut self, now: Time, out: &mut Output) {
        self.stopping.get_or_insert(now);
        self.hand_over(now, out);
    }

    /// Asks somebody to take over, once everything is done and at most once a heartbeat. Steps down all the same if
    /// nobody did within two election timeouts, or if there is nobody.
    pub(super) fn hand_over(&mut self, now: Time, out: &mut Output) {
        let Some(since) = self.stopping else { return };
        let Part::Leader(leader) = &mut self.part else { return };
        let done = leader.proposals.is_empty() && leader.queue.is_empty() && leader.reads.waiting.is_empty();
        let heir = leader.peers.iter().max_by_key(|peer| peer.heard).map(|peer| peer.node);
        match heir {
            Some(to) if done && !leader.handed => {
                leader.handed = true;
                out.push(Effect::Send { to, message: Message::TakeOver { ballot: leader.ballot } });
            }
            _ => {}
        }
        if (heir.is_none() && done) || now >= since + self.options.tempo.election * 2 {
            self.step_down(now, out);
        }
    }

    /// The leader hands over to this node: campaigns wait for silence, this one need not.
    pub(super) fn take_over(&mut self, now: Time, ballot: Ballot, out: &mut Output) {
        let follows = matches!(&self.part, Part::Follower(Some(following)) if following.ballot == ballot);
        if self.stopping.is_none() && follows {
            let round = self.highest.max(self.promised).round + 1;
            self.campaign(now, Ballot { round, node: self.me }, out);
        }
    }
}
