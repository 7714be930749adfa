//! The acceptor: remembers what was proposed, so that the death of whoever counted loses nothing.

use super::{Message, Output, PaxosCommit, Record, Votes};
use crate::commit::TxnId;
use crate::{Effect, Flaw};
use history::NodeId;
use std::collections::BTreeMap;

/// What an acceptor remembers of a transaction: of one Paxos instance for each participant.
#[derive(Debug, Default)]
pub(super) struct Ballots {
    /// It accepts nothing of lower ballots.
    pub promised: u64,
    /// What it accepted last for each participant, and in which ballot.
    pub accepted: BTreeMap<NodeId, (u64, bool)>,
}

impl Ballots {
    pub(super) fn accept(&mut self, ballot: u64, votes: &Votes) {
        self.promised = self.promised.max(ballot);
        self.accepted.extend(votes.iter().map(|(node, prepared)| (*node, (ballot, *prepared))));
    }
}

impl PaxosCommit {
    /// Phase 2: accepts what is proposed, unless it has promised a higher ballot not to.
    pub(super) fn hear_propose(
        &mut self,
        from: NodeId,
        id: TxnId,
        ballot: u64,
        votes: Votes,
        out: &mut Output,
    ) {
        let ballots = self.ballots.entry(id).or_default();
        if ballot < ballots.promised {
            return;
        }
        let same =
            |(node, prepared): &(NodeId, bool)| ballots.accepted.get(node) == Some(&(ballot, *prepared));
        if !votes.iter().all(same) {
            ballots.accept(ballot, &votes);
            // FLAW acceptor-forgets: it will remember.
            if !self.has(Flaw::AcceptorForgets) {
                out.push(Effect::Persist(Record::Accepted(id, ballot, votes.clone())));
            }
        }
        // A participant proposes for itself, and the coordinator counts; other leaders count for themselves.
        let counts = if ballot == 0 { id.node } else { from };
        out.push(Effect::Send { to: counts, message: Message::Accepted(id, ballot, votes) });
    }

    /// Phase 1: promises to accept nothing of lower ballots, and says what it has accepted.
    pub(super) fn hear_ask(&mut self, from: NodeId, id: TxnId, ballot: u64, out: &mut Output) {
        if let Some(committed) = self.decision(id) {
            let message = if committed { Message::Commit(id) } else { Message::Abort(id) };
            return out.push(Effect::Send { to: from, message });
        }
        let ballots = self.ballots.entry(id).or_default();
        if ballot < ballots.promised {
            return;
        }
        if ballot > ballots.promised {
            ballots.promised = ballot;
            out.push(Effect::Persist(Record::Promised(id, ballot)));
        }
        let accepted = ballots.accepted.iter().map(|(node, (ballot, prepared))| (*node, *ballot, *prepared));
        let message = Message::Promise(id, ballot, accepted.collect());
        out.push(Effect::Send { to: from, message });
    }
}
