//! Whoever comes after something, each but oneself.

use super::graph::{Edge, kind};

/// Up to so many are linked one by one; more by chains of auxiliary vertices.
const ONE_BY_ONE: usize = 8;

/// Transactions that all come after something. Who comes before all of them, or before all others of them, needs two
/// edges at most: to the rest of a chain upwards, and to the rest of a chain downwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fan<'m> {
    /// The transactions, ascending.
    members: &'m [u32],
    /// The first auxiliary vertex, if there are any.
    chains: Option<u32>,
}

impl<'m> Fan<'m> {
    /// Those transactions; auxiliary vertices are numbered from `vertices`, which is counted up.
    pub fn new(members: &'m [u32], vertices: &mut u32, edges: &mut Vec<Edge>) -> Fan<'m> {
        if members.len() <= ONE_BY_ONE {
            return Fan { members, chains: None };
        }
        let (begin, count) = (*vertices, members.len() as u32);
        *vertices += 2 * count;
        for (place, txn) in members.iter().enumerate() {
            let (up, down) = (begin + place as u32, begin + count + place as u32);
            edges.push(Edge::new(up, *txn, kind::ON));
            edges.push(Edge::new(down, *txn, kind::ON));
            if place > 0 {
                edges.push(Edge::new(up - 1, up, kind::ON));
                edges.push(Edge::new(down, down - 1, kind::ON));
            }
        }
        Fan { members, chains: Some(begin) }
    }

    /// `from` comes before every member but itself.
    pub fn link(&self, from: u32, kind: u32, edges: &mut Vec<Edge>) {
        let Some(begin) = self.chains else {
            let others = self.members.iter().filter(|txn| **txn != from);
            edges.extend(others.map(|txn| Edge::new(from, *txn, kind)));
            return;
        };
        let count = self.members.len() as u32;
        match self.members.binary_search(&from) {
            Err(_) => edges.push(Edge::new(from, begin, kind)),
            Ok(place) => {
                let place = place as u32;
                if place + 1 < count {
                    edges.push(Edge::new(from, begin + place + 1, kind));
                }
                if place > 0 {
                    edges.push(Edge::new(from, begin + count + place - 1, kind));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transactions::graph::Graph;

    /// The transactions that `from` comes before.
    fn after(graph: &Graph, from: u32, txns: u32) -> Vec<u32> {
        let (mut stack, mut reached) = (vec![from], Vec::new());
        while let Some(vertex) = stack.pop() {
            for (to, kind) in graph.out(vertex) {
                assert_eq!(kind == kind::ON, vertex >= txns, "only auxiliary vertices go on");
                if to < txns { reached.push(to) } else { stack.push(to) }
            }
        }
        reached.sort_unstable();
        reached
    }

    #[test]
    fn everybody_comes_before_all_members_but_itself() {
        let txns = 60;
        for count in 0..20 {
            let members: Vec<u32> = (0..count).map(|member| 3 * member + 1).collect();
            for from in 0..txns {
                let (mut vertices, mut edges) = (txns, Vec::new());
                let fan = Fan::new(&members, &mut vertices, &mut edges);
                fan.link(from, kind::RW, &mut edges);
                let graph = Graph::new(vertices as usize, &edges);
                let others: Vec<u32> = members.iter().copied().filter(|member| *member != from).collect();
                assert_eq!(after(&graph, from, txns), others, "{count} members, from {from}");
            }
        }
    }
}
