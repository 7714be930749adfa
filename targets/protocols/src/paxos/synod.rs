//! One instance of consensus: the whole of the algorithm, and nothing else (PMS §2.2).
//!
//! The sentences of the paper are beside the lines that say the same. Nothing here knows disks or messages; whoever
//! drives it writes an acceptor's answers down before it gives them, and counts nobody's answer, its own neither, before
//! that.

use super::ballot::Ballot;
use crate::Flaw;
use history::NodeId;

/// What an acceptor remembers of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor<V> {
    /// "The number of the highest-numbered prepare request to which it has responded."
    pub(crate) promised: Ballot,
    /// "The highest-numbered proposal that it has ever accepted."
    pub(crate) accepted: Option<(Ballot, V)>,
}

impl<V: Clone> Acceptor<V> {
    /// Phase 1b: "If an acceptor receives a prepare request with number n greater than that of any prepare request to
    /// which it has already responded, then it responds to the request with a promise not to accept any more proposals
    /// numbered less than n and with the highest-numbered proposal (if any) that it has accepted."
    ///
    /// The very same request may come twice, and the answer may have been lost: so "greater" is "no less" here.
    ///
    /// # Errors
    /// With what it has promised, if that is higher.
    pub(crate) fn prepare(&mut self, ballot: Ballot) -> Result<Option<(Ballot, V)>, Ballot> {
        if ballot < self.promised {
            return Err(self.promised);
        }
        self.promised = ballot;
        Ok(self.accepted.clone())
    }

    /// Phase 2b: "If an acceptor receives an accept request for a proposal numbered n, it accepts the proposal unless it
    /// has already responded to a prepare request having a number greater than n."
    ///
    /// # Errors
    /// With what it has promised, if that is higher.
    pub(crate) fn accept(&mut self, ballot: Ballot, value: V, flaw: Option<Flaw>) -> Result<(), Ballot> {
        // FLAW accept-below-promise: whatever it has promised.
        if ballot < self.promised && flaw != Some(Flaw::AcceptBelowPromise) {
            return Err(self.promised);
        }
        self.promised = self.promised.max(ballot);
        self.accepted = Some((ballot, value));
        Ok(())
    }
}

impl<V> Default for Acceptor<V> {
    fn default() -> Acceptor<V> {
        Acceptor { promised: Ballot::NONE, accepted: None }
    }
}

/// A proposer's attempt under one ballot.
#[derive(Debug)]
pub(crate) struct Attempt<V> {
    pub(crate) ballot: Ballot,
    pub(crate) phase: Phase<V>,
}

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Phase<V> {
    /// It asks for promises.
    One {
        /// Who has promised.
        promised: Tally,
        /// What they have accepted under the highest ballot.
        found: Option<(Ballot, V)>,
    },
    /// It asks that its value be accepted.
    Two {
        /// The value.
        value: V,
        /// Who has accepted it.
        accepted: Tally,
    },
}

impl<V: Clone> Attempt<V> {
    /// Phase 1a: "A proposer selects a proposal number n and sends a prepare request with number n to a majority of
    /// acceptors." Here to all of them.
    pub(crate) fn new(ballot: Ballot) -> Attempt<V> {
        Attempt { ballot, phase: Phase::One { promised: Tally::default(), found: None } }
    }

    /// An acceptor has promised. With a majority's promises, what they have accepted under the highest ballot: phase 2a,
    /// "it sends an accept request for a proposal numbered n with a value v, where v is the value of the highest-numbered
    /// proposal among the responses, or is any value if the responses reported no proposals".
    pub(crate) fn count_promise(
        &mut self,
        from: NodeId,
        accepted: Option<(Ballot, V)>,
        quorum: usize,
        flaw: Option<Flaw>,
    ) -> Option<Option<V>> {
        let Phase::One { promised, found } = &mut self.phase else { return None };
        promised.add(from);
        if let Some((ballot, value)) = accepted {
            // FLAW first-value-found: one is as good as another.
            let better = |best: &(Ballot, V)| ballot > best.0 && flaw != Some(Flaw::FirstValueFound);
            if found.as_ref().is_none_or(better) {
                *found = Some((ballot, value));
            }
        }
        (promised.count() >= quorum).then(|| found.take().map(|(_, value)| value))
    }

    /// Phase 2a.
    pub(crate) fn propose(&mut self, value: V) {
        self.phase = Phase::Two { value, accepted: Tally::default() };
    }

    /// An acceptor has accepted. With a majority, the value is chosen.
    pub(crate) fn count_accepted(&mut self, from: NodeId, quorum: usize) -> Option<V> {
        let Phase::Two { value, accepted } = &mut self.phase else { return None };
        accepted.add(from);
        (accepted.count() >= quorum).then(|| value.clone())
    }
}

/// Those who said yes, each once.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(Vec<NodeId>);

impl Tally {
    /// Counts `node`, once however often it says so; whether this was the first time.
    pub(crate) fn add(&mut self, node: NodeId) -> bool {
        let news = !self.0.contains(&node);
        if news {
            self.0.push(node);
        }
        news
    }

    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.0.contains(&node)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn nodes(&self) -> &[NodeId] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(round: u64, node: u16) -> Ballot {
        Ballot { round, node: NodeId(node) }
    }

    #[test]
    fn a_promise_binds_and_tells() {
        let mut acceptor = Acceptor::default();
        assert_eq!(acceptor.prepare(ballot(1, 1)), Ok(None));
        assert_eq!(acceptor.accept(ballot(1, 1), "a", None), Ok(()));
        assert_eq!(acceptor.prepare(ballot(2, 1)), Ok(Some((ballot(1, 1), "a"))));
        assert_eq!(acceptor.accept(ballot(1, 2), "b", None), Err(ballot(2, 1)));
        assert_eq!(acceptor.prepare(ballot(1, 2)), Err(ballot(2, 1)));
    }

    #[test]
    fn the_value_of_the_highest_ballot_must_be_proposed() {
        let mut attempt = Attempt::new(ballot(9, 1));
        let mut count = |node, accepted| attempt.count_promise(NodeId(node), accepted, 3, None);
        assert_eq!(count(1, Some((ballot(1, 1), "old"))), None);
        assert_eq!(count(1, Some((ballot(1, 1), "old"))), None, "once however often it says so");
        assert_eq!(count(2, None), None);
        assert_eq!(count(3, Some((ballot(2, 2), "new"))), Some(Some("new")));
    }

    #[test]
    fn a_majority_chooses() {
        let mut attempt = Attempt::new(ballot(1, 1));
        assert_eq!(attempt.count_accepted(NodeId(1), 1), None, "nothing is proposed yet");
        attempt.propose("a");
        assert_eq!(attempt.count_accepted(NodeId(1), 2), None);
        assert_eq!(attempt.count_accepted(NodeId(1), 2), None);
        assert_eq!(attempt.count_accepted(NodeId(2), 2), Some("a"));
    }
}
