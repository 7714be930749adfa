//! Which nodes an intent means.

use crate::Selector;
use history::{Chance, NodeId};

impl Selector {
    /// The nodes it means now, ascending. Pure: the same arguments give the same nodes.
    ///
    /// # Errors
    /// With the reason why nobody is meant: there is no node, or no leader. Nobody else is taken for a missing
    /// leader; who is told "the leader was killed" must be able to rely on it.
    pub fn resolve(
        &self,
        nodes: &[NodeId],
        primaries: &[NodeId],
        chance: &mut Chance,
    ) -> Result<Vec<NodeId>, String> {
        let some = |count: usize, chance: &mut Chance| {
            let mut drawn = nodes.to_vec();
            chance.shuffle(&mut drawn);
            drawn.truncate(count);
            drawn
        };
        let known = |wanted: &[NodeId]| nodes.iter().filter(|node| wanted.contains(node)).copied().collect();
        let size = nodes.len();
        let (mut chosen, why_nobody): (Vec<NodeId>, _) = match self {
            Selector::One => (some(1, chance), "there is no node"),
            Selector::Minority => (some(minority(size), chance), "no minority of so few nodes"),
            Selector::Majority => (some(majority(size), chance), "there is no node"),
            Selector::MinorityThird => (some((size / 3).max(1), chance), "there is no node"),
            Selector::Primaries => (known(primaries), "nobody leads"),
            Selector::All => (nodes.to_vec(), "there is no node"),
            Selector::These(these) => (known(these), "none of these nodes is in the cluster"),
        };
        chosen.sort_unstable();
        if chosen.is_empty() { Err(why_nobody.to_owned()) } else { Ok(chosen) }
    }
}

/// The largest number below half: as many as a majority quorum can lose.
pub(crate) fn minority(size: usize) -> usize {
    size.saturating_sub(1) / 2
}

/// The smallest number above half.
pub(crate) fn majority(size: usize) -> usize {
    if size == 0 { 0 } else { size / 2 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(selector: &Selector, size: u16) -> Option<usize> {
        let nodes = NodeId::all(size);
        selector.resolve(&nodes, &[], &mut Chance::new(u64::from(size))).ok().map(|chosen| chosen.len())
    }

    #[test]
    fn sizes_are_those_of_quorums() {
        let sizes =
            |selector: Selector| (1..=7).map(|size| count(&selector, size).unwrap_or(0)).collect::<Vec<_>>();
        assert_eq!(sizes(Selector::One), [1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(sizes(Selector::Minority), [0, 0, 1, 1, 2, 2, 3]);
        assert_eq!(sizes(Selector::Majority), [1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(sizes(Selector::MinorityThird), [1, 1, 1, 1, 1, 2, 2]);
        assert_eq!(sizes(Selector::All), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn every_node_is_chosen_sometimes_and_none_twice() {
        let nodes = NodeId::all(5);
        let mut chance = Chance::new(1);
        let mut times = [0; 6];
        for _ in 0..500 {
            let chosen = Selector::Minority.resolve(&nodes, &[], &mut chance).unwrap();
            assert!(chosen[0] < chosen[1], "ascending, hence distinct: {chosen:?}");
            chosen.iter().for_each(|node| times[usize::from(node.0)] += 1);
        }
        assert!(times[1..].iter().all(|times| (150..250).contains(times)), "{times:?}");
    }

    #[test]
    fn a_missing_leader_is_not_replaced() {
        let nodes = NodeId::all(3);
        let resolve =
            |primaries: &[NodeId]| Selector::Primaries.resolve(&nodes, primaries, &mut Chance::new(0));
        assert_eq!(resolve(&[NodeId(3), NodeId(1)]), Ok(vec![NodeId(1), NodeId(3)]));
        assert_eq!(resolve(&[]), Err("nobody leads".to_owned()));
    }

    #[test]
    fn strangers_are_not_chosen() {
        let these = Selector::These(vec![NodeId(9), NodeId(2)]);
        assert_eq!(these.resolve(&NodeId::all(3), &[], &mut Chance::new(0)), Ok(vec![NodeId(2)]));
        assert!(Selector::These(vec![NodeId(9)]).resolve(&NodeId::all(3), &[], &mut Chance::new(0)).is_err());
    }
}
