//! Which nodes an intent means.

use crate::{Selector, View};
use history::{Chance, NodeId};
use std::fmt;
use std::str::FromStr;

/// The selectors that need no list, by name.
const NAMED: [(&str, Selector); 7] = [
    ("one", Selector::One),
    ("minority", Selector::Minority),
    ("majority", Selector::Majority),
    ("minority-third", Selector::MinorityThird),
    ("primaries", Selector::Primaries),
    ("all", Selector::All),
    ("subject", Selector::Subject),
];

impl Selector {
    /// The nodes it means now, ascending. Pure: the same arguments give the same nodes.
    ///
    /// # Errors
    /// With the reason why nobody is meant: there is no node, or no leader. Nobody else is taken for a missing
    /// leader; who is told "the leader was killed" must be able to rely on it.
    pub fn resolve(&self, view: &View<'_>, chance: &mut Chance) -> Result<Vec<NodeId>, String> {
        let nodes = view.nodes;
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
            Selector::Primaries => (known(view.primaries), "nobody leads"),
            Selector::Subject => (known(view.subject.as_slice()), "no moment was awaited"),
            Selector::All => (nodes.to_vec(), "there is no node"),
            Selector::These(these) => (known(these), "none of these nodes is in the cluster"),
        };
        chosen.sort_unstable();
        if chosen.is_empty() { Err(why_nobody.to_owned()) } else { Ok(chosen) }
    }
}

impl FromStr for Selector {
    type Err = String;

    /// `primaries`, or nodes such as `n1+n3`.
    fn from_str(text: &str) -> Result<Selector, String> {
        if let Some((_, selector)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(selector.clone());
        }
        let nodes: Result<Vec<NodeId>, String> = text.split('+').map(str::parse).collect();
        let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
        nodes.map(Selector::These).map_err(|_| {
            format!("{text:?} names no nodes; what does: {}, or a list such as n1+n3", names.join(", "))
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Selector::These(nodes) = self {
            let names: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
            return f.write_str(&names.join("+"));
        }
        let named = NAMED.iter().find(|(_, selector)| selector == self);
        f.write_str(named.map_or("", |(name, _)| *name))
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
        let view =
            View { spares: &[history::NodeId(9)], nodes: &NodeId::all(size), primaries: &[], subject: None };
        selector.resolve(&view, &mut Chance::new(u64::from(size))).ok().map(|chosen| chosen.len())
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
        let view =
            View { spares: &[history::NodeId(9)], nodes: &NodeId::all(5), primaries: &[], subject: None };
        let mut chance = Chance::new(1);
        let mut times = [0; 6];
        for _ in 0..500 {
            let chosen = Selector::Minority.resolve(&view, &mut chance).unwrap();
            assert!(chosen[0] < chosen[1], "ascending, hence distinct: {chosen:?}");
            chosen.iter().for_each(|node| times[usize::from(node.0)] += 1);
        }
        assert!(times[1..].iter().all(|times| (150..250).contains(times)), "{times:?}");
    }

    #[test]
    fn a_missing_leader_is_not_replaced() {
        let nodes = NodeId::all(3);
        let resolve = |primaries: &[NodeId]| {
            let view = View { spares: &[history::NodeId(9)], nodes: &nodes, primaries, subject: None };
            Selector::Primaries.resolve(&view, &mut Chance::new(0))
        };
        assert_eq!(resolve(&[NodeId(3), NodeId(1)]), Ok(vec![NodeId(1), NodeId(3)]));
        assert_eq!(resolve(&[]), Err("nobody leads".to_owned()));
    }

    #[test]
    fn strangers_are_not_chosen() {
        let view = View {
            spares: &[history::NodeId(9)],
            nodes: &NodeId::all(3),
            primaries: &[],
            subject: Some(NodeId(3)),
        };
        let resolve = |selector: Selector| selector.resolve(&view, &mut Chance::new(0));
        assert_eq!(resolve(Selector::These(vec![NodeId(9), NodeId(2)])), Ok(vec![NodeId(2)]));
        assert!(resolve(Selector::These(vec![NodeId(9)])).is_err());
        assert_eq!(resolve(Selector::Subject), Ok(vec![NodeId(3)]));
        let nothing_awaited = View { subject: None, ..view };
        let error = Selector::Subject.resolve(&nothing_awaited, &mut Chance::new(0)).unwrap_err();
        assert_eq!(error, "no moment was awaited");
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let these = Selector::These(vec![NodeId(1), NodeId(3)]);
        for selector in NAMED.into_iter().map(|(_, selector)| selector).chain([these]) {
            assert_eq!(selector.to_string().parse(), Ok(selector));
        }
        for text in ["", "leaders", "n1,n2", "n0", "n1+", "1"] {
            let error = text.parse::<Selector>().unwrap_err();
            assert!(error.contains("names no nodes") && error.contains("minority-third"), "{error}");
        }
    }
}
