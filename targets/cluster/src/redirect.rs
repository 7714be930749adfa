//! Following a node's word on who leads.

use history::{NodeId, Outcome};

/// A client's trail through the cluster for one call. A refusal by a follower is certain, so asking the leader
/// that it names is safe; the trail is short and never visits a node twice.
#[derive(Debug, Clone)]
pub struct Redirect {
    asked: Vec<NodeId>,
}

impl Redirect {
    /// How many nodes one call may ask.
    const LIMIT: usize = 3;

    /// A call that asks `node` first.
    pub fn new(node: NodeId) -> Redirect {
        Redirect { asked: vec![node] }
    }

    /// Whom to ask next, after `outcome`; `None` if `outcome` is the answer.
    pub fn next(&mut self, outcome: &Outcome) -> Option<NodeId> {
        let hint = outcome.redirect()?;
        if self.asked.len() >= Self::LIMIT || self.asked.contains(&hint) {
            return None;
        }
        self.asked.push(hint);
        Some(hint)
    }
}
