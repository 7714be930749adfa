//! An order in which transactions might have run, where time does not tell.

use super::graph::{Edge, Graph};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a transaction needs of objects to run without contradiction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// For each transaction, the objects that it writes.
    pub writes: Vec<Vec<u32>>,
    /// For each transaction, the versions that it is the last to have written of an object, in the order of `writes`.
    pub leaves: Vec<Vec<u32>>,
    /// For each transaction, the versions that it reads, each once.
    pub reads: Vec<Vec<u32>>,
    /// How many transactions read each version.
    pub readers: Vec<u32>,
    /// What each object holds in the beginning, as a version.
    pub held: Vec<Option<u32>>,
}

/// The place of each vertex in an order that follows the edges, as far as they make no circle, and in which a version is
/// replaced once all its readers have run, as far as that is possible. Whoever has the least `rank` goes first.
pub(crate) fn places(vertices: usize, edges: &[Edge], rank: &[u64], mut needs: Needs) -> Vec<u32> {
    let graph = Graph::new(vertices, edges);
    let mut waits = vec![0u32; vertices];
    edges.iter().for_each(|edge| waits[edge.ends().1 as usize] += 1);
    let rank = |vertex: u32| rank.get(vertex as usize).copied().unwrap_or(0);
    let free = (0..vertices as u32).filter(|vertex| waits[*vertex as usize] == 0);
    let mut ready: BinaryHeap<_> = free.map(|vertex| Reverse((rank(vertex), vertex))).collect();
    // Who could run but for the readers of a version; they are looked at again when one of those has run.
    let mut parked: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut waiting_for: Vec<Vec<u32>> = vec![Vec::new(); needs.readers.len()];
    let (mut places, mut next) = (vec![u32::MAX; vertices], 0);
    loop {
        let (vertex, forced) = match ready.pop() {
            Some(Reverse((_, vertex))) => (vertex, false),
            None => match parked.pop() {
                Some(Reverse((_, vertex))) => (vertex, true),
                None => return places,
            },
        };
        if places[vertex as usize] != u32::MAX {
            continue;
        }
        if !forced && let Some(version) = needs.blocked(vertex) {
            waiting_for[version as usize].push(vertex);
            parked.push(Reverse((rank(vertex), vertex)));
            continue;
        }
        places[vertex as usize] = next;
        next += 1;
        for version in needs.run(vertex) {
            for again in std::mem::take(&mut waiting_for[version as usize]) {
                ready.push(Reverse((rank(again), again)));
            }
        }
        for (to, _) in graph.out(vertex) {
            waits[to as usize] -= 1;
            if waits[to as usize] == 0 {
                ready.push(Reverse((rank(to), to)));
            }
        }
    }
}

/// By when each vertex must have its place: before its own rank, and before that of whatever comes after it. Nothing, if
/// the edges make a circle.
pub(crate) fn deadlines(vertices: usize, edges: &[Edge], rank: &[u64]) -> Option<Vec<u64>> {
    let graph = Graph::new(vertices, edges);
    let components = graph.components(u32::MAX);
    if !components.acyclic() {
        return None;
    }
    let mut deadlines = rank.to_vec();
    deadlines.resize(vertices, u64::MAX);
    for vertex in components.order().into_iter().rev() {
        let after = graph.out(vertex).map(|(to, _)| deadlines[to as usize]).min();
        let own = &mut deadlines[vertex as usize];
        *own = after.map_or(*own, |after| after.min(*own));
    }
    Some(deadlines)
}

impl Needs {
    /// A version that others still have to read before this transaction replaces it.
    fn blocked(&self, txn: u32) -> Option<u32> {
        let reads = self.reads.get(txn as usize)?;
        let held = self.writes[txn as usize].iter().filter_map(|key| self.held[*key as usize]);
        let mut needed =
            held.filter(|version| self.readers[*version as usize] > u32::from(reads.contains(version)));
        needed.next()
    }

    /// Runs a transaction; returns the versions that it was the last to read but perhaps one.
    fn run(&mut self, txn: u32) -> Vec<u32> {
        let Some(reads) = self.reads.get(txn as usize) else { return Vec::new() };
        let mut read = Vec::new();
        for version in reads {
            let left = &mut self.readers[*version as usize];
            *left -= 1;
            if *left <= 1 {
                read.push(*version);
            }
        }
        for (key, version) in self.writes[txn as usize].iter().zip(&self.leaves[txn as usize]) {
            self.held[*key as usize] = Some(*version);
        }
        read
    }
}
