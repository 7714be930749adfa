//! Read committed, read atomic and causal consistency, as Biswas and Enea define them.
//!
//! *On the Complexity of Checking Transactional Consistency* (OOPSLA 2019): there must be an order of commits that
//! contains the order of sessions and who read from whom, and in which nobody stands between a writer and its reader whom
//! the reader should have seen. Whom it should have seen is what tells the models apart. Only the edges that every such
//! order must have are built, as Møldrup and Pavlogiannis do (*AWDIT*, PLDI 2025); there is an order if they make no circle.

use super::heard::Heard;
use super::versions::Versions;
use crate::Budget;
use crate::transactions::cycles::{Finding, mask};
use crate::transactions::graph::{Edge, Graph, kind};
use crate::transactions::phenomenon::{Class, Order, Phenomenon};
use crate::transactions::witness::{Circle, Finder};
use rustc_hash::FxHashMap;

/// `first` must have committed before `second`, because `reader` should have seen it and read `second`'s version of `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forced {
    pub first: u32,
    pub second: u32,
    pub reader: u32,
    pub key: u32,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Weak {
    Fine,
    /// Circles of what must come before what, and why.
    Wrong(Phenomenon, Vec<Circle>, Vec<Forced>),
    /// There is not enough memory.
    TooLarge,
}

/// Judges read committed, then read atomic, then causal consistency, up to `until`; the first that does not hold counts.
/// The transaction after the last one stands for the beginning, which wrote every register.
pub(crate) fn judge(heard: &Heard, versions: &Versions, until: Phenomenon, budget: &Budget) -> Weak {
    let facts = Facts::of(heard, versions);
    for what in [Phenomenon::NonMonotonicRead, Phenomenon::FracturedRead, Phenomenon::CausalityViolation] {
        let forced = match what {
            Phenomenon::NonMonotonicRead => facts.monotonic(),
            Phenomenon::FracturedRead => facts.atomic(),
            _ => match facts.causal(budget) {
                Some(forced) => forced,
                None => return Weak::TooLarge,
            },
        };
        let circles = facts.circles(&forced);
        if !circles.is_empty() {
            return Weak::Wrong(what, circles, forced);
        }
        if what == until {
            break;
        }
    }
    Weak::Fine
}

/// Sessions, who read what of whom, who wrote what.
struct Facts<'h> {
    heard: &'h Heard,
    versions: &'h Versions,
    /// The beginning.
    start: u32,
    /// For each transaction: what it read, in its order: register and writer.
    reads: Vec<Vec<(u32, u32)>>,
    /// The transaction before each in its session, or the beginning.
    previous: Vec<u32>,
    /// The place of each transaction in its session.
    place: Vec<u32>,
    /// Who wrote each register, by session, in the order of the session.
    writers: FxHashMap<(u32, u32), Vec<u32>>,
    /// The sessions in which each register was written.
    sessions: FxHashMap<u32, Vec<u32>>,
}

impl<'h> Facts<'h> {
    fn of(heard: &'h Heard, versions: &'h Versions) -> Facts<'h> {
        let store = &heard.store;
        let (count, start) = (store.len(), store.len() as u32);
        let mut facts = Facts {
            heard,
            versions,
            start,
            reads: vec![Vec::new(); count],
            previous: vec![start; count],
            place: vec![0; count],
            writers: FxHashMap::default(),
            sessions: FxHashMap::default(),
        };
        for (version, reader) in &versions.reads {
            let writer = if versions.is_initial[*version as usize] {
                start
            } else {
                versions.writer[*version as usize]
            };
            facts.reads[*reader as usize].push((heard.versions[*version as usize].0, writer));
        }
        let mut last = vec![(start, 0); store.processes()];
        for txn in (0..start).filter(|txn| versions.committed[*txn as usize]) {
            let session = store.process(txn);
            let last = &mut last[session as usize];
            facts.previous[txn as usize] = last.0;
            facts.place[txn as usize] = last.1;
            *last = (txn, last.1 + 1);
            for part in store.parts(txn).iter().filter(|part| part.is_write()) {
                let writers = facts.writers.entry((part.key(), session)).or_default();
                if writers.is_empty() {
                    facts.sessions.entry(part.key()).or_default().push(session);
                }
                if writers.last() != Some(&txn) {
                    writers.push(txn);
                }
            }
        }
        facts
    }

    fn readers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.start).filter(|txn| !self.reads[*txn as usize].is_empty())
    }

    fn writes(&self, txn: u32, key: u32) -> bool {
        txn == self.start
            || self.heard.store.parts(txn).iter().any(|part| part.is_write() && part.key() == key)
    }

    /// Read committed: once something of a transaction was read, no later read goes back before it.
    fn monotonic(&self) -> Vec<Forced> {
        let mut forced = Vec::new();
        for reader in self.readers() {
            let mut seen: Vec<u32> = Vec::new();
            for (key, second) in &self.reads[reader as usize] {
                for first in seen.iter().filter(|first| *first != second && self.writes(**first, *key)) {
                    forced.push(Forced { first: *first, second: *second, reader, key: *key });
                }
                if !seen.contains(second) {
                    seen.push(*second);
                }
            }
        }
        forced
    }

    /// Read atomic: whatever comes before in the session, or was read from, is seen as a whole.
    fn atomic(&self) -> Vec<Forced> {
        let mut forced = Vec::new();
        for reader in self.readers() {
            let reads = &self.reads[reader as usize];
            let mut seen: Vec<u32> = reads.iter().map(|(_, writer)| *writer).collect();
            seen.sort_unstable();
            seen.dedup();
            let session = self.heard.store.process(reader);
            for (key, second) in reads {
                let before = self.writers.get(&(*key, session)).and_then(|writers| {
                    let earlier = writers.partition_point(|writer| *writer < reader);
                    earlier.checked_sub(1).map(|last| writers[last])
                });
                let others = seen.iter().copied().filter(|first| self.writes(*first, *key));
                for first in others.chain(before).filter(|first| first != second && *first != reader) {
                    forced.push(Forced { first, second: *second, reader, key: *key });
                }
            }
        }
        forced
    }

    /// Causal consistency: whatever comes before, by sessions and by reading, over any number of steps, is seen.
    fn causal(&self, budget: &Budget) -> Option<Vec<Forced>> {
        let sessions = self.heard.store.processes();
        if self.heard.store.len() * sessions * size_of::<u32>() > budget.bytes {
            return None;
        }
        let order = self.graph(&[]).components(mask(Class::G1c, Order::Process)).order();
        // By transaction and session: how many transactions of that session come before or are it.
        let mut clocks = vec![0u32; self.heard.store.len() * sessions];
        let mut forced = Vec::new();
        for txn in order.into_iter().filter(|txn| *txn < self.start && self.versions.committed[*txn as usize])
        {
            let own = txn as usize * sessions;
            let sources = self.reads[txn as usize].iter().map(|(_, writer)| *writer);
            for before in sources.chain([self.previous[txn as usize]]).filter(|before| *before != self.start)
            {
                for session in 0..sessions {
                    let theirs = clocks[before as usize * sessions + session];
                    clocks[own + session] = clocks[own + session].max(theirs);
                }
            }
            for (key, second) in &self.reads[txn as usize] {
                for session in self.sessions.get(key).into_iter().flatten() {
                    let known = clocks[own + *session as usize];
                    let writers = &self.writers[&(*key, *session)];
                    let count = writers.partition_point(|writer| self.place[*writer as usize] < known);
                    if let Some(first) = count.checked_sub(1).map(|last| writers[last])
                        && first != *second
                    {
                        forced.push(Forced { first, second: *second, reader: txn, key: *key });
                    }
                }
            }
            clocks[own + self.heard.store.process(txn) as usize] = self.place[txn as usize] + 1;
        }
        Some(forced)
    }

    /// Sessions, reading, and what is forced, as a graph.
    fn graph(&self, forced: &[Forced]) -> Graph {
        let mut edges = Vec::new();
        for txn in (0..self.start).filter(|txn| self.versions.committed[*txn as usize]) {
            edges.push(Edge::new(self.previous[txn as usize], txn, kind::PROCESS));
            if self.previous[txn as usize] != self.start {
                edges.push(Edge::new(self.start, txn, kind::PROCESS));
            }
            let read = self.reads[txn as usize].iter().filter(|(_, writer)| *writer != self.start);
            edges.extend(read.map(|(_, writer)| Edge::new(*writer, txn, kind::WR)));
        }
        edges.extend(forced.iter().map(|forced| Edge::new(forced.first, forced.second, kind::RW)));
        Graph::new(self.start as usize + 1, &edges)
    }

    /// Short circles of all that, if there are any.
    fn circles(&self, forced: &[Forced]) -> Vec<Circle> {
        let (class, order) = (Class::G2Item, Order::Process);
        let graph = self.graph(forced);
        let all = graph.components(mask(class, order));
        if all.acyclic() {
            return Vec::new();
        }
        let tangle = graph.tangled(&all);
        let mut finder = Finder::new(&tangle);
        let finding = |knot| Finding { knot, class, order, hint: None, unsure: false };
        (0..tangle.knots.min(20) as u32).flat_map(|knot| finder.several(&finding(knot), 1)).collect()
    }
}

/// Why `first` must have committed before `second`.
pub(crate) fn reason(forced: &[Forced], first: u32, second: u32) -> Option<Forced> {
    forced.iter().copied().find(|one| one.first == first && one.second == second)
}
