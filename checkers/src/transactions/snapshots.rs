//! A run with snapshots: when each transaction begins and commits. It is found here, and executed again by code that knows
//! nothing of how it was found.

use super::graph::{Edge, Graph, kind};
use super::phenomenon::Order;
use super::saturate::{Promise, Steps};
use super::store::{Fate, NEVER, Store};
use super::witness::Circle;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// A moment of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A transaction takes its snapshot.
    Begin(u32),
    /// What it wrote is there for everybody who begins later.
    Commit(u32),
}

impl Step {
    /// Who begins or commits.
    pub fn txn(self) -> u32 {
        match self {
            Step::Begin(txn) | Step::Commit(txn) => txn,
        }
    }
}

/// The beginnings and commits of all vertices, as a graph: of vertex `v` they are `2v` and `2v + 1`. Whoever read what was
/// replaced began before that was committed; every other edge leads from a commit, to where `steps` says. Auxiliary
/// vertices, those that edges go on from, have no beginning and no commit, but are two as well.
fn moments(vertices: usize, edges: &[Edge], steps: Steps) -> Graph {
    let mut helps = vec![false; vertices];
    let mut links: Vec<Edge> = Vec::with_capacity(edges.len() + vertices);
    for (from, to, kind) in edges.iter().map(|edge| edge.ends()) {
        if kind == kind::ON {
            helps[from as usize] = true;
            links.extend((0..2).map(|layer| Edge::new(2 * from + layer, 2 * to + layer, kind)));
        } else if let Some(node) = steps.to(2 * from, (to, kind)) {
            links.push(Edge::new(2 * from + u32::from(kind != kind::RW), node, kind));
        }
    }
    let txns = (0..vertices as u32).filter(|vertex| !helps[*vertex as usize]);
    links.extend(txns.map(|txn| Edge::new(2 * txn, 2 * txn + 1, kind::ON)));
    Graph::new(2 * vertices, &links)
}

/// Beginnings and commits in an order that follows all edges. Those of auxiliary vertices mean nothing.
///
/// # Errors
/// Some circles that share no vertex, if there is no such order; `limit` at most.
pub(crate) fn run(
    vertices: usize,
    edges: &[Edge],
    steps: Steps,
    limit: usize,
) -> Result<Vec<Step>, Vec<Circle>> {
    let graph = moments(vertices, edges, steps);
    let all = graph.components(u32::MAX);
    if all.acyclic() {
        let step =
            |node: u32| if node.is_multiple_of(2) { Step::Begin(node / 2) } else { Step::Commit(node / 2) };
        return Ok(all.order().into_iter().map(step).collect());
    }
    let (mut circles, mut taken) = (Vec::new(), vec![false; vertices]);
    for from in 0..graph.len() as u32 {
        for (to, kind) in graph.out(from).filter(|(_, kind)| *kind != kind::ON) {
            let inside = all.of[from as usize] == all.of[to as usize];
            if circles.len() == limit || !inside || taken[from as usize / 2] || taken[to as usize / 2] {
                continue;
            }
            if let Some(circle) = close(&graph, (from, to, kind)) {
                circle.iter().for_each(|(vertex, _)| taken[*vertex as usize] = true);
                circles.push(circle);
            }
        }
    }
    Err(circles)
}

/// The shortest circle through a link, of vertices.
fn close(graph: &Graph, (from, to, first): (u32, u32, u32)) -> Option<Circle> {
    let mut before: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
    let mut queue = VecDeque::from([to]);
    while let Some(at) = queue.pop_front() {
        if at == from {
            let (mut circle, mut at) = (Vec::new(), at);
            while at != to {
                let (previous, kind) = before[&at];
                circle.push((previous / 2, kind));
                at = previous;
            }
            circle.push((from / 2, first));
            circle.reverse();
            circle.retain(|(_, kind)| *kind != kind::ON);
            return Some(circle);
        }
        for (next, kind) in graph.out(at) {
            if next != to && !before.contains_key(&next) {
                before.insert(next, (at, kind));
                queue.push_back(next);
            }
        }
    }
    None
}

/// What objects hold, as transactions see and change it.
pub(crate) trait Objects {
    /// The part of a transaction that does not read what it read, if it begins now.
    fn odd(&self, txn: u32) -> Option<usize>;
    /// Does what the transaction does. The part of it, if there is one, that is not what was seen later.
    fn change(&mut self, txn: u32) -> Option<usize>;
}

/// Why steps do not explain everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// This part of a transaction sees or does something else than was seen.
    Part { txn: u32, at: usize },
    /// Another has committed the object since this one began.
    Conflict { txn: u32, key: u32 },
    /// It had completed before one in front of it was invoked.
    Late { txn: u32 },
    /// It is not there once and once only, first to begin and then to commit, or it failed.
    Astray { txn: u32 },
}

/// Executes the steps, and checks that every read gets what it got, that nobody commits an object that was committed since
/// it began unless prefixes are enough, that nothing comes in between if an order is promised, that nobody who is ok is
/// missing, and that processes or real time are respected.
pub(crate) fn explains(
    store: &Store,
    steps: &[Step],
    (promise, respects): (Promise, Order),
    mut objects: impl Objects,
) -> Result<(), Misfit> {
    let mut begun = vec![NEVER; store.len()];
    let mut committed = vec![false; store.len()];
    // When each object was last committed; the latest call of those that began, at all and by process.
    let (mut last, mut latest_call) = (vec![0; store.keys()], 0);
    let mut last_call = vec![0; store.processes()];
    for (now, step) in (1..).zip(steps) {
        match *step {
            Step::Begin(txn) => {
                if begun[txn as usize] != NEVER || store.fate(txn) == Fate::Fail {
                    return Err(Misfit::Astray { txn });
                }
                objects.odd(txn).map_or(Ok(()), |at| Err(Misfit::Part { txn, at }))?;
                begun[txn as usize] = now;
                latest_call = latest_call.max(store.invoked(txn));
                let last_call = &mut last_call[store.process(txn) as usize];
                *last_call = (*last_call).max(store.invoked(txn));
            }
            Step::Commit(txn) => {
                let end = if store.fate(txn) == Fate::Ok { store.completed(txn) } else { NEVER };
                let late = match respects {
                    Order::Plain => false,
                    Order::Process => end < last_call[store.process(txn) as usize],
                    Order::Realtime => end < latest_call,
                };
                let began = begun[txn as usize];
                let apart = promise == Promise::Order && began != NEVER && began + 1 != now;
                if began == NEVER || apart || std::mem::replace(&mut committed[txn as usize], true) {
                    return Err(Misfit::Astray { txn });
                }
                if late {
                    return Err(Misfit::Late { txn });
                }
                for part in store.parts(txn).iter().filter(|part| part.is_write()) {
                    let last = &mut last[part.key() as usize];
                    if *last > began && *last != now && promise != Promise::Prefixes {
                        return Err(Misfit::Conflict { txn, key: part.key() });
                    }
                    *last = now;
                }
                objects.change(txn).map_or(Ok(()), |at| Err(Misfit::Part { txn, at }))?;
            }
        }
    }
    let whole = |txn: u32| match store.fate(txn) {
        Fate::Ok => committed[txn as usize],
        _ => committed[txn as usize] == (begun[txn as usize] != NEVER),
    };
    (0..store.len() as u32).find(|txn| !whole(*txn)).map_or(Ok(()), |txn| Err(Misfit::Astray { txn }))
}
