//! Whom a client asks when the first answer is none.

use history::{Doubt, NodeId, Outcome, Refusal};
use std::time::Duration;

/// A client's trail through the cluster for one call.
///
/// A refusal by a follower is certain, so asking the leader that it names is safe; that trail is short and never visits
/// a node twice. A client that *insists* goes on after that: as long as its patience lasts it asks one node after the
/// other, also when the last one was lost with the call. That needs a system that recognises a call by its
/// [`Ticket`](history::Ticket) and carries it out once.
#[derive(Debug, Clone)]
pub struct Redirect {
    asked: Vec<NodeId>,
    /// Whom an insistent client asks in turn; nobody if it does not insist.
    round: Vec<NodeId>,
    /// Why an earlier attempt may have taken effect.
    doubt: Option<Doubt>,
}

impl Redirect {
    /// How many nodes one call may ask without insisting.
    const LIMIT: usize = 3;
    /// How long an insistent client waits before it asks again: an election takes longer.
    pub const PAUSE: Duration = Duration::from_millis(50);

    /// A call that asks `node` first.
    pub fn new(node: NodeId) -> Redirect {
        Redirect { asked: vec![node], round: Vec::new(), doubt: None }
    }

    /// A call that asks `node` first, and then all of these again and again.
    #[must_use]
    pub fn insisting(self, round: Vec<NodeId>) -> Redirect {
        Redirect { round, ..self }
    }

    /// Whom to ask next, after `outcome`, and how long to wait before; `None` if that is the end.
    pub fn next(&mut self, outcome: &Outcome) -> Option<(NodeId, Duration)> {
        if let Some(hint) = outcome.redirect()
            && self.asked.len() < Self::LIMIT
            && !self.asked.contains(&hint)
        {
            self.asked.push(hint);
            return Some((hint, Duration::ZERO));
        }
        match outcome {
            Outcome::Unknown(doubt @ (Doubt::Disconnected | Doubt::Deposed)) => {
                self.doubt.get_or_insert_with(|| doubt.clone());
            }
            outcome if is_refusal(outcome) => {}
            _ => return None,
        }
        let last = self.asked.last().and_then(|last| self.round.iter().position(|node| node == last));
        let next = *self.round.get(last.map_or(0, |last| (last + 1) % self.round.len().max(1)))?;
        self.asked = vec![next];
        Some((next, Self::PAUSE))
    }

    /// What the client knows in the end, if the last attempt ended so: that one was turned away says nothing about those
    /// before it.
    pub fn conclude(&self, last: Outcome) -> Outcome {
        match &self.doubt {
            Some(doubt) if is_refusal(&last) => Outcome::Unknown(doubt.clone()),
            _ => last,
        }
    }
}

/// Whether the node turned the client away, before it did anything.
fn is_refusal(outcome: &Outcome) -> bool {
    use Refusal::{NotLeader, Stopping, Unreachable};
    matches!(outcome, Outcome::Fail(NotLeader { .. } | Unreachable | Stopping))
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::Reply;

    const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn hint(node: u16) -> Outcome {
        Outcome::Fail(Refusal::NotLeader { hint: Some(NodeId(node)) })
    }

    fn lost() -> Outcome {
        Outcome::Unknown(Doubt::Disconnected)
    }

    #[test]
    fn a_hint_is_followed_to_three_nodes_and_to_none_twice() {
        let mut trail = Redirect::new(NodeId(1));
        assert_eq!(trail.next(&hint(2)), Some((NodeId(2), Duration::ZERO)));
        assert_eq!(trail.next(&hint(1)), None);
        assert_eq!(trail.next(&hint(3)), Some((NodeId(3), Duration::ZERO)));
        assert_eq!(trail.next(&hint(4)), None);
        assert_eq!(trail.next(&lost()), None);
        assert_eq!(trail.conclude(lost()), lost());
    }

    #[test]
    fn who_insists_goes_round_until_somebody_answers() {
        let mut trail = Redirect::new(NodeId(2)).insisting(NODES.to_vec());
        let unreachable = Outcome::Fail(Refusal::Unreachable);
        assert_eq!(trail.next(&unreachable), Some((NodeId(3), Redirect::PAUSE)));
        assert_eq!(trail.conclude(unreachable.clone()), unreachable, "nothing has happened");
        assert_eq!(trail.next(&hint(1)), Some((NodeId(1), Duration::ZERO)));
        assert_eq!(trail.next(&lost()), Some((NodeId(2), Redirect::PAUSE)));
        assert_eq!(trail.conclude(unreachable.clone()), lost(), "the second attempt may have done it");
        for end in
            [Outcome::Ok(Reply::Done), Outcome::Fail(Refusal::NotHeld), Outcome::Unknown(Doubt::Timeout)]
        {
            assert_eq!(trail.next(&end), None);
            assert_eq!(trail.conclude(end.clone()), end);
        }
    }

    #[test]
    fn who_begins_elsewhere_finds_into_the_round() {
        let mut trail = Redirect::new(NodeId(9)).insisting(NODES.to_vec());
        assert_eq!(trail.next(&lost()), Some((NodeId(1), Redirect::PAUSE)));
    }
}
