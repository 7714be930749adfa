//! Who cannot hear whom: from the shape of a partition to the links that it cuts.

use crate::selector::majority;
use crate::{Shape, View};
use history::{Chance, Link, NodeId};

impl Shape {
    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Shape::Halves => "halves",
            Shape::Isolate(_) => "isolate",
            Shape::Apart(_) => "apart",
            Shape::Bridge => "bridge",
            Shape::MajoritiesRing => "majorities-ring",
            Shape::Mute(_) => "mute",
            Shape::Deaf(_) => "deaf",
            Shape::Grudge(_) => "grudge",
        }
    }

    /// The links that it cuts, ascending. Pure: the same arguments give the same links.
    ///
    /// # Errors
    /// With the reason why it cuts nothing: too few nodes, or nobody meant by its selector.
    pub fn links(&self, view: &View<'_>, chance: &mut Chance) -> Result<Vec<Link>, String> {
        let nodes = view.nodes;
        let mut order = nodes.to_vec();
        chance.shuffle(&mut order);
        let middle = order.len() / 2;
        let mut links = match self {
            Shape::Halves => between(&order[..middle], &order[middle..]),
            // With an odd number of nodes the bridge is the one in the middle; with an even number one half is
            // larger by one.
            Shape::Bridge => between(&order[..middle], order.get(middle + 1..).unwrap_or(&[])),
            Shape::MajoritiesRing => majorities_ring(&order),
            Shape::Isolate(selector) => {
                let apart = selector.resolve(view, chance)?;
                between(&apart, &others(nodes, &apart))
            }
            Shape::Apart(selector) => {
                let apart = selector.resolve(view, chance)?;
                let touches = |link: &Link| apart.contains(&link.from) || apart.contains(&link.to);
                one_way(nodes, nodes).into_iter().filter(touches).collect()
            }
            Shape::Mute(selector) => {
                let mute = selector.resolve(view, chance)?;
                one_way(&mute, &others(nodes, &mute))
            }
            Shape::Deaf(selector) => {
                let deaf = selector.resolve(view, chance)?;
                one_way(&others(nodes, &deaf), &deaf)
            }
            Shape::Grudge(grudge) => {
                let links = grudge.iter().flat_map(|(hearer, unheard)| one_way(unheard, &[*hearer]));
                links.filter(|link| nodes.contains(&link.from) && nodes.contains(&link.to)).collect()
            }
        };
        links.sort_unstable();
        links.dedup();
        if links.is_empty() {
            return Err(format!(
                "a partition of shape {} cuts nothing among {} nodes",
                self.name(),
                nodes.len()
            ));
        }
        Ok(links)
    }
}

fn others(nodes: &[NodeId], than: &[NodeId]) -> Vec<NodeId> {
    nodes.iter().filter(|node| !than.contains(node)).copied().collect()
}

fn one_way(from: &[NodeId], to: &[NodeId]) -> Vec<Link> {
    let links = from.iter().flat_map(|from| to.iter().map(|to| Link { from: *from, to: *to }));
    links.filter(|link| link.from != link.to).collect()
}

fn between(left: &[NodeId], right: &[NodeId]) -> Vec<Link> {
    [one_way(left, right), one_way(right, left)].concat()
}

/// Every node hears the majority of nodes that begins with itself on the ring: itself and the next ones, going
/// round. No two nodes begin at the same place, so no two hear the same majority. Jepsen's ring of the same
/// name keeps links symmetric where it can; ours cuts one way, which holds for any number of nodes from three.
fn majorities_ring(ring: &[NodeId]) -> Vec<Link> {
    let size = ring.len();
    let unheard = |hearer: usize| (majority(size)..size).map(move |step| (hearer + step) % size);
    let link = |hearer: usize, speaker: usize| Link { from: ring[speaker], to: ring[hearer] };
    (0..size).flat_map(|hearer| unheard(hearer).map(move |speaker| link(hearer, speaker))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Selector;
    use std::collections::BTreeSet;

    fn links(shape: &Shape, size: u16, seed: u64) -> Vec<Link> {
        let view = View {
            spares: &[history::NodeId(9)],
            nodes: &NodeId::all(size),
            primaries: &[NodeId(1)],
            subject: None,
        };
        shape.links(&view, &mut Chance::new(seed)).unwrap()
    }

    /// Whom each node hears, itself included.
    fn hears(shape: &Shape, size: u16, seed: u64) -> Vec<BTreeSet<NodeId>> {
        let cut = links(shape, size, seed);
        let hears = |to: NodeId, from: NodeId| !cut.contains(&Link { from, to });
        let nodes = NodeId::all(size);
        nodes.iter().map(|to| nodes.iter().copied().filter(|from| hears(*to, *from)).collect()).collect()
    }

    fn is_symmetric(links: &[Link]) -> bool {
        links.iter().all(|link| links.contains(&Link { from: link.to, to: link.from }))
    }

    #[test]
    fn halves_are_two_groups_that_do_not_hear_each_other() {
        for (size, seed) in (2..=9).flat_map(|size| (0..20).map(move |seed| (size, seed))) {
            let groups: BTreeSet<_> = hears(&Shape::Halves, size, seed).into_iter().collect();
            let sizes: Vec<usize> = groups.iter().map(BTreeSet::len).collect();
            assert_eq!(sizes.len(), 2, "{size} nodes");
            assert_eq!(sizes.iter().sum::<usize>(), usize::from(size), "the groups do not overlap");
            assert!(sizes[0].abs_diff(sizes[1]) <= 1, "{sizes:?}");
            assert!(is_symmetric(&links(&Shape::Halves, size, seed)));
        }
    }

    #[test]
    fn a_bridge_hears_everyone_and_nobody_else_does() {
        for (size, seed) in (3..=9).flat_map(|size| (0..20).map(move |seed| (size, seed))) {
            let all = hears(&Shape::Bridge, size, seed);
            assert_eq!(all.iter().filter(|heard| heard.len() == usize::from(size)).count(), 1);
            assert!(is_symmetric(&links(&Shape::Bridge, size, seed)));
        }
    }

    #[test]
    fn in_a_ring_everyone_hears_a_majority_and_no_two_the_same() {
        for (size, seed) in (3..=9).flat_map(|size| (0..50).map(move |seed| (size, seed))) {
            let all = hears(&Shape::MajoritiesRing, size, seed);
            for (node, heard) in NodeId::all(size).iter().zip(&all) {
                assert!(heard.contains(node));
                assert_eq!(heard.len(), usize::from(size) / 2 + 1);
            }
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), usize::from(size));
        }
    }

    #[test]
    fn the_isolated_hear_only_one_another() {
        let primary = Shape::Isolate(Selector::Primaries);
        assert_eq!(hears(&primary, 5, 0)[0], BTreeSet::from([NodeId(1)]));
        assert_eq!(links(&primary, 5, 0).len(), 8);
        assert!(is_symmetric(&links(&Shape::Isolate(Selector::Minority), 5, 3)));
    }

    #[test]
    fn the_mute_hear_and_the_deaf_are_heard() {
        let one = || Selector::These(vec![NodeId(2)]);
        assert!(links(&Shape::Mute(one()), 4, 0).iter().all(|link| link.from == NodeId(2)));
        assert!(links(&Shape::Deaf(one()), 4, 0).iter().all(|link| link.to == NodeId(2)));
        assert_eq!(links(&Shape::Mute(one()), 4, 0).len(), 3);
        assert_eq!(links(&Shape::Deaf(one()), 4, 0).len(), 3);
    }

    #[test]
    fn those_apart_hear_nobody_and_the_others_hear_one_another() {
        let two = || Selector::These(vec![NodeId(2), NodeId(4)]);
        let all = hears(&Shape::Apart(two()), 5, 0);
        let others = BTreeSet::from([1, 3, 5].map(NodeId));
        for (node, heard) in NodeId::all(5).into_iter().zip(all) {
            let alone = BTreeSet::from([node]);
            assert_eq!(heard, if others.contains(&node) { others.clone() } else { alone }, "{node}");
        }
        assert!(is_symmetric(&links(&Shape::Apart(two()), 5, 0)));
        assert_eq!(
            hears(&Shape::Apart(Selector::All), 3, 0),
            NodeId::all(3).iter().map(|n| BTreeSet::from([*n])).collect::<Vec<_>>()
        );
        assert_eq!(
            links(&Shape::Apart(Selector::Primaries), 5, 0),
            links(&Shape::Isolate(Selector::Primaries), 5, 0)
        );
    }

    #[test]
    fn a_minority_third_leaves_a_majority() {
        for (size, seed) in (3..=9).flat_map(|size| (0..20).map(move |seed| (size, seed))) {
            let all = hears(&Shape::Isolate(Selector::MinorityThird), size, seed);
            let cut_off = all.iter().filter(|heard| heard.len() <= usize::from(size) / 2).count();
            assert_eq!(cut_off, usize::from(size / 3), "{size} nodes");
        }
    }

    #[test]
    fn a_grudge_is_held_as_it_is_written() {
        let of = |node: u16, unheard: &[u16]| (NodeId(node), unheard.iter().copied().map(NodeId).collect());
        let grudge = Shape::Grudge([of(1, &[2, 3, 1]), of(3, &[9]), of(2, &[])].into());
        let link = |from, to| Link { from: NodeId(from), to: NodeId(to) };
        assert_eq!(
            links(&grudge, 3, 0),
            [link(2, 1), link(3, 1)],
            "nobody is deaf to himself or to strangers"
        );
    }

    #[test]
    fn no_link_is_cut_twice_or_from_a_node_to_itself() {
        let whom = [Selector::One, Selector::Minority, Selector::Majority, Selector::MinorityThird];
        let shapes = |of: &Selector| {
            [
                Shape::Isolate(of.clone()),
                Shape::Apart(of.clone()),
                Shape::Mute(of.clone()),
                Shape::Deaf(of.clone()),
            ]
        };
        let shapes =
            whom.iter().flat_map(shapes).chain([Shape::Halves, Shape::Bridge, Shape::MajoritiesRing]);
        for (shape, size) in shapes.flat_map(|shape| (3..=7).map(move |size| (shape.clone(), size))) {
            let links = links(&shape, size, u64::from(size));
            assert!(links.is_sorted() && links.windows(2).all(|pair| pair[0] != pair[1]), "{shape:?}");
            assert!(links.iter().all(|link| link.from != link.to), "{shape:?}");
        }
    }

    #[test]
    fn a_shape_that_cuts_nothing_says_so() {
        let cuts = |shape: Shape, size| {
            let view = View {
                spares: &[history::NodeId(9)],
                nodes: &NodeId::all(size),
                primaries: &[],
                subject: None,
            };
            shape.links(&view, &mut Chance::new(0))
        };
        for (shape, size) in [
            (Shape::Halves, 1),
            (Shape::Bridge, 2),
            (Shape::MajoritiesRing, 2),
            (Shape::Isolate(Selector::All), 3),
            (Shape::Halves, 0),
            (Shape::Bridge, 0),
        ] {
            let error = cuts(shape.clone(), size).unwrap_err();
            assert!(error.contains("cuts nothing"), "{shape:?} of {size}: {error}");
        }
        assert_eq!(cuts(Shape::Mute(Selector::Primaries), 3), Err("nobody leads".to_owned()));
    }
}
