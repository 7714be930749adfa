//! # Changing who takes part (thesis, chapter 4)
//!
//! **One server at a time.** Raft knows two ways to change its configuration while it runs: joint consensus (§6),
//! which goes from any configuration to any other through one in which both must agree, and changes of a single
//! server (thesis 4.1), which need no such thing because every majority before has somebody in common with every
//! majority after. We take the second. It leaves one rule for majorities in every place that counts, and each of
//! its four conditions is one line here, which can be left out to see what it is good for. Replacing a server is two
//! changes, and moving a whole cluster is many; we can wait.
//!
//! A configuration ([`Members`]) is an entry of the log, and a node **uses the latest in its log**, committed or not:
//! the log keeps them in a stack, and what is cut from it takes its configurations with it. The one at the bottom is
//! that of the founders. The conditions under which a leader makes a new one:
//!
//! 1. *The last one is committed*, so that no two changes are on their way, whose majorities might not meet.
//! 2. *An entry of its own term is committed* (Ongaro to raft-dev, 10 July 2015, <https://groups.google.com/g/raft-dev/c/t4xj6dJTP6E>).
//!    Without it two leaders in turn can each make a change to the same configuration; each is one step away from
//!    it, but two from one another. A committed entry of its own term proves that its configuration is the
//!    latest that can be committed, and that nobody else's change still can.
//! 3. *It differs by one voter.*
//! 4. *A new node has caught up.* It is a learner first: it is brought the log, its copies count for nothing, and it
//!    does not seek to lead. The leader makes it a voter by itself, when it has what there was when it came and
//!    lacks no more than one append brings (thesis 4.2.1). That is for availability, not for safety. A new
//!    leader finds the learner in its configuration and goes on with it.
//!
//! A leader that removes itself leads on until that is committed, without counting itself, and then resigns
//! and lets a voter begin an election at once (thesis 4.2.2). Who was removed hears of nothing any more. It
//! will ask whether it could lead, but nobody says yes who hears a leader (thesis 4.2.3, 9.6: our canvass is what
//! keeps it from disturbing). It may seek to lead all the same as long as its removal may not be committed, for as
//! long it may be needed (thesis 4.2.2, figure 4.6).
//!
//! Votes are given to whoever asks, and it is the candidate who looks whose votes count: a voter may not have heard
//! yet that it is one (tikv/raft-rs #57).
//!
//! An administrator's request is a wish. Nobody answers it: [`crate::Protocol::members`] shows what became of it,
//! and that is the only proof anyway.

use super::leader::Taking;
use super::log::{Command, Entry};
use super::members::Members;
use super::message::Message;
use super::part::Part;
use super::{Output, Raft};
use crate::{Effect, Flaw};
use history::{Change, NodeId, Time};

impl Raft {
    /// The configuration in use.
    pub(super) fn members(&self) -> &Members {
        // FLAW members-when-committed: not before everyone agrees.
        if self.has(Flaw::MembersWhenCommitted) {
            return self.log.members_at(self.commit).1;
        }
        // FLAW members-not-rolled-back: what it once knew it keeps.
        self.kept.as_ref().unwrap_or(self.log.members().1)
    }

    /// Whether this node's vote, or its copy of an entry, counts.
    pub(super) fn counts(&self, node: NodeId) -> bool {
        let members = self.members();
        // FLAW learners-count: everyone does who is brought the log.
        members.votes(node) || (self.has(Flaw::LearnersCount) && members.learners().contains(&node))
    }

    /// Who takes part if this node leads.
    pub(super) fn taking(&self) -> Taking {
        let members = self.members();
        let followers = members.everyone().filter(|node| *node != self.me);
        let followers = followers.map(|node| (node, self.counts(node))).collect();
        // FLAW removed-leader-counts: a leader always does.
        let votes = self.counts(self.me) || self.has(Flaw::RemovedLeaderCounts);
        Taking { followers, votes, quorum: members.quorum() }
    }

    /// Whether it is for this node to seek to lead: it votes, or it did, and its removal may not be committed.
    pub(super) fn may_seek_to_lead(&self) -> bool {
        let (at, _) = self.log.members();
        let before = || self.log.members_at(at.saturating_sub(1)).1;
        self.members().votes(self.me) || (at > self.commit && before().votes(self.me))
    }

    /// An administrator wishes for a change.
    pub(super) fn change(&mut self, now: Time, change: Change, out: &mut Output) {
        if self.may_change()
            && let Some(members) = self.log.members().1.after(change)
        {
            self.propose_members(now, members, out);
        }
    }

    /// Whether it leads and may make a new configuration.
    fn may_change(&self) -> bool {
        let Part::Leader(leader) = &self.part else { return false };
        // FLAW change-before-own-commit: it is the leader, is it not?
        let knows = self.commit >= leader.first || self.has(Flaw::ChangeBeforeOwnCommit);
        // FLAW two-changes-at-once: one more will do no harm.
        let settled = self.log.members().0 <= self.commit || self.has(Flaw::TwoChangesAtOnce);
        knows && settled && self.stopping.is_none()
    }

    /// Makes a voter of this learner, if it knows enough.
    pub(super) fn promote(&mut self, now: Time, learner: NodeId, out: &mut Output) {
        let last = self.log.last_index();
        let members = self.log.members().1;
        if !members.learners().contains(&learner) || !self.may_change() {
            return;
        }
        let Part::Leader(leader) = &mut self.part else { return };
        if leader.follower(learner).is_some_and(|follower| follower.has_caught_up(last)) {
            let members = members.promoting(learner);
            self.propose_members(now, members, out);
        }
    }

    fn propose_members(&mut self, now: Time, members: Members, out: &mut Output) {
        let index = self.log.append(Entry { term: self.term, command: Command::Members(members) });
        // The first thing that it sends to a new one is this entry.
        self.adopt(now, index - 1);
        self.publish(index, out);
    }

    /// A leader's configuration may have changed: who is new is sent what comes after `last`.
    fn adopt(&mut self, now: Time, last: u64) {
        let taking = self.taking();
        if let Part::Leader(leader) = &mut self.part {
            leader.adopt(taking, last, now);
        }
    }

    /// More of the log is committed: a leader that is removed by it goes.
    pub(super) fn settle_members(&mut self, now: Time, out: &mut Output) {
        if !matches!(self.part, Part::Leader(_)) {
            return;
        }
        if self.has(Flaw::MembersWhenCommitted) {
            self.adopt(now, self.log.last_index());
        }
        let (at, members) = self.log.members();
        // FLAW removed-leader-counts: it leads for ever.
        let gone = at <= self.commit && !members.votes(self.me) && !self.has(Flaw::RemovedLeaderCounts);
        let Part::Leader(leader) = &self.part else { return };
        if gone {
            let voters = leader.followers.iter().filter(|follower| follower.votes);
            if let Some(heir) = voters.max_by_key(|follower| (follower.matched, follower.heard)) {
                out.push(Effect::Send { to: heir.node, message: Message::TimeoutNow { term: self.term } });
            }
            self.step_down(now, out);
        }
    }
}
