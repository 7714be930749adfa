//! An order in which transactions might have run, where time does not tell.

use super::graph::{Edge, Graph};
use super::needs::Needs;
use super::notes::NONE;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The place of each vertex in an order that follows the edges, as far as they make no circle, and in which a version is
/// replaced once all its readers have run, as far as that is possible. Whoever has the least `rank` goes first.
pub(crate) fn places(vertices: usize, edges: &[Edge], rank: &[u64], needs: &Needs) -> Vec<u32> {
    let mut objects = Objects { needs, left: needs.counts(), held: needs.held.clone() };
    let graph = Graph::new(vertices, edges);
    let mut waits = vec![0u32; vertices];
    edges.iter().for_each(|edge| waits[edge.ends().1 as usize] += 1);
    let rank = |vertex: u32| rank.get(vertex as usize).copied().unwrap_or(0);
    let free = (0..vertices as u32).filter(|vertex| waits[*vertex as usize] == 0);
    let mut ready: BinaryHeap<_> = free.map(|vertex| Reverse((rank(vertex), vertex))).collect();
    // Who could run but for the readers of a version; they are looked at again when one of those has run.
    let mut parked: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut waiting_for: Vec<Vec<u32>> = vec![Vec::new(); needs.object.len()];
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
        if !forced && let Some(version) = objects.blocked(vertex) {
            waiting_for[version as usize].push(vertex);
            parked.push(Reverse((rank(vertex), vertex)));
            continue;
        }
        places[vertex as usize] = next;
        next += 1;
        for version in objects.run(vertex) {
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

/// What objects hold while transactions run.
struct Objects<'n> {
    needs: &'n Needs,
    /// How many have still to read each version.
    left: Vec<u32>,
    held: Vec<u32>,
}

impl Objects<'_> {
    fn is_txn(&self, vertex: u32) -> bool {
        (vertex as usize) < self.needs.reads.len()
    }

    /// A version that others still have to read before this transaction replaces it.
    fn blocked(&self, txn: u32) -> Option<u32> {
        if !self.is_txn(txn) {
            return None;
        }
        let reads = self.needs.reads.row(txn);
        let held = self.needs.changes(txn).map(|(_, object)| self.held[object as usize]);
        let mut held = held.filter(|version| *version != NONE);
        held.find(|version| self.left[*version as usize] > u32::from(reads.contains(version)))
    }

    /// Runs a transaction; returns the versions that it was the last to read but perhaps one.
    fn run(&mut self, txn: u32) -> Vec<u32> {
        if !self.is_txn(txn) {
            return Vec::new();
        }
        let mut read = Vec::new();
        for version in self.needs.reads.row(txn) {
            let left = &mut self.left[*version as usize];
            *left -= 1;
            if *left <= 1 {
                read.push(*version);
            }
        }
        for (version, object) in self.needs.changes(txn) {
            self.held[object as usize] = version;
        }
        read
    }
}
