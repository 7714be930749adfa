//! What follows from what is known about the order of versions.
//!
//! Of two versions of one object either may have come first, unless one of the two makes a circle with what is known.
//! Then the other is known too, and more may follow from that. This goes on until nothing follows any more, as in
//! Cobra (Tan and others, OSDI 2020) and PolySI (Huang and others, VLDB 2023). Whoever reaches whom is kept as a matrix
//! of bits, so it is for what is left of small and middling histories after the first guess.

use super::graph::{Edge, Graph, kind};
use super::polygraph::{Choice, Group};
use super::witness::Circle;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// How many pairs of versions are looked at, at most.
const PAIRS: usize = 4_000_000;

/// A circle, and the choices of which it consists where its edges are not known.
#[derive(Debug, Clone)]
pub(crate) struct Refuted {
    pub circle: Circle,
    pub choices: Vec<Choice>,
}

/// How vertices and edges make circles that must not be.
///
/// If there are snapshots, a vertex is there twice: reached at its commit, by a read of what was replaced, or at its beginning.
/// A read of what was replaced leaves from the beginning, so no second may follow it at once (see
/// [`Graph::doubled_components`]). Else only the first one counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// The kinds of edges that count.
    pub mask: u32,
    pub promise: Promise,
}

/// What is to be possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// One transaction after another.
    Order,
    /// Everybody reads what was committed when it began; nobody commits what was committed since.
    Snapshots,
    /// Everybody reads what was committed when it began.
    Prefixes,
}

impl Steps {
    /// Where an edge leads from a node: vertex times two, and one if reached at its commit.
    pub fn to(self, node: u32, (to, kind): (u32, u32)) -> Option<u32> {
        let layer = node & 1;
        match kind {
            _ if self.mask >> kind & 1 == 0 => None,
            kind::RW if layer == 1 => None,
            kind::RW => Some(to << 1 | u32::from(self.promise != Promise::Order)),
            kind::WW if self.promise == Promise::Prefixes => Some(to << 1 | 1),
            kind::ON => Some(to << 1 | layer),
            _ => Some(to << 1),
        }
    }

    fn out(self, graph: &Graph, node: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        graph.out(node / 2).filter_map(move |edge| Some((self.to(node, edge)?, edge.1)))
    }
}

/// What follows.
pub(crate) struct Saturated<'g> {
    vertices: usize,
    known: &'g [Edge],
    groups: &'g [Group],
    steps: Steps,
    /// Edges that follow: with the choice they rest on, and when it was found.
    added: Vec<(Edge, Choice, u32)>,
    /// Choices that follow, and in which round that was found. Each rests on those of earlier rounds.
    pub follows: FxHashMap<Choice, u32>,
    /// Two versions neither of which can come first, and the round.
    pub contradiction: Option<(Choice, u32)>,
}

impl<'g> Saturated<'g> {
    /// Draws all conclusions, if there is room for them in so many bytes. `over` ends it early.
    pub fn of(
        vertices: usize,
        known: &'g [Edge],
        groups: &'g [Group],
        steps: Steps,
        bytes: usize,
        over: &dyn Fn() -> bool,
    ) -> Option<Saturated<'g>> {
        let nodes = 2 * vertices;
        let pairs = groups.iter().map(|group| group.versions.len().pow(2) / 2);
        if nodes.div_ceil(64) * 8 * nodes > bytes || pairs.sum::<usize>() > PAIRS {
            return None;
        }
        let (added, follows) = (Vec::new(), FxHashMap::default());
        let mut saturated = Saturated { vertices, known, groups, steps, added, follows, contradiction: None };
        let mut open = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let places = 0..group.versions.len() as u32;
            open.extend(places.flat_map(|one| (0..one).map(move |other| (number as u32, other, one))));
        }
        for round in 0.. {
            // If it all contradicts itself, a search will tell.
            let Some(reach) = Reach::of(&saturated.graph(round), steps) else { break };
            let before = saturated.follows.len();
            open.retain(|choice| saturated.is_open(*choice, round, &reach));
            if saturated.follows.len() == before || saturated.contradiction.is_some() {
                break;
            }
            if over() {
                return None;
            }
        }
        Some(saturated)
    }

    /// What is known, and what was found before this round.
    fn graph(&self, round: u32) -> Graph {
        let added = self.added.iter().filter(|(.., found)| *found < round).map(|(edge, ..)| *edge);
        let edges: Vec<Edge> = self.known.iter().copied().chain(added).collect();
        Graph::new(self.vertices, &edges)
    }

    /// Whether either may still come first. If not, it is written down.
    fn is_open(&mut self, (group, one, other): Choice, round: u32, reach: &Reach) -> bool {
        let closes = |choice: Choice| self.edges(choice).any(|edge| reach.closes(edge, self.steps));
        let certain = match (closes((group, one, other)), closes((group, other, one))) {
            (false, false) => return true,
            (true, true) => {
                self.contradiction = Some(((group, one, other), round));
                return false;
            }
            (true, false) => (group, other, one),
            (false, true) => (group, one, other),
        };
        let news = self.edges(certain).filter(|edge| !reach.implies(*edge, self.steps));
        let news: Vec<_> = news.map(|edge| (edge, certain, round)).collect();
        self.added.extend(news);
        self.follows.insert(certain, round);
        false
    }

    /// What a choice adds.
    fn edges(&self, (group, one, other): Choice) -> impl Iterator<Item = Edge> + '_ {
        let versions = &self.groups[group as usize].versions;
        let (old, new) = (&versions[one as usize], versions[other as usize].writer);
        let readers = old.readers.iter().filter(move |reader| **reader != new);
        let readers = readers.map(move |reader| Edge::new(*reader, new, kind::RW));
        std::iter::once(Edge::new(old.writer, new, kind::WW)).chain(readers)
    }

    /// Why the choices in `wanted` follow, and why what that rests on follows, and so on: for each a circle that the
    /// opposite closes. If there is a contradiction, both its circles too.
    pub fn reasons(&self, wanted: impl IntoIterator<Item = Choice>) -> Vec<Refuted> {
        let mut wanted: FxHashMap<Choice, u32> =
            wanted.into_iter().filter_map(|choice| Some((choice, *self.follows.get(&choice)?))).collect();
        let mut last = wanted.values().copied().max().unwrap_or(0);
        if let Some(((group, one, other), round)) = self.contradiction {
            wanted.extend([((group, one, other), round), ((group, other, one), round)]);
            last = last.max(round);
        }
        let mut reasons = Vec::new();
        for round in (0..=last).rev() {
            let mut now: Vec<Choice> =
                wanted.iter().filter(|(_, found)| **found == round).map(|(choice, _)| *choice).collect();
            if now.is_empty() {
                continue;
            }
            now.sort_unstable();
            let graph = self.graph(round);
            let earlier = self.added.iter().filter(|(.., found)| *found < round);
            let mut rests: FxHashMap<(u32, u32, u32), Choice> =
                earlier.map(|(edge, choice, _)| (edge.ends(), *choice)).collect();
            for edge in self.known {
                rests.remove(&edge.ends());
            }
            for (group, one, other) in now {
                let opposite = (group, other, one);
                let Some(circle) = self.edges(opposite).find_map(|edge| self.close(&graph, edge)) else {
                    continue;
                };
                let ends =
                    |place: usize| (circle[place].0, circle[(place + 1) % circle.len()].0, circle[place].1);
                let mut choices: Vec<Choice> =
                    (1..circle.len()).filter_map(|place| rests.get(&ends(place)).copied()).collect();
                wanted.extend(choices.iter().map(|choice| (*choice, self.follows[choice])));
                choices.push(opposite);
                choices.sort_unstable();
                choices.dedup();
                reasons.push(Refuted { circle, choices });
            }
        }
        reasons
    }

    /// The shortest circle that an edge closes, beginning with it.
    fn close(&self, graph: &Graph, edge: Edge) -> Option<Circle> {
        let (from, to, first) = edge.ends();
        let start = self.steps.to(from << 1, (to, first))?;
        let mut before: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            if self.steps.ends(at, from, first) {
                let (mut circle, mut at) = (Vec::new(), at);
                while at != start {
                    let (previous, kind) = before[&at];
                    circle.push((previous / 2, kind));
                    at = previous;
                }
                circle.push((from, first));
                circle.reverse();
                circle.retain(|(_, kind)| *kind != kind::ON);
                return Some(circle);
            }
            for (next, kind) in self.steps.out(graph, at) {
                if next != start && !before.contains_key(&next) {
                    before.insert(next, (at, kind));
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

impl Steps {
    /// Whether an edge of this kind may leave `from` once `node` is reached.
    fn ends(self, node: u32, from: u32, kind: u32) -> bool {
        node / 2 == from && (node & 1 == 0 || kind != kind::RW)
    }
}

/// Which nodes each node reaches.
struct Reach {
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    /// Nothing if there is a circle.
    fn of(graph: &Graph, steps: Steps) -> Option<Reach> {
        let nodes = 2 * graph.len();
        let order = backwards(graph, steps)?;
        let words = nodes.div_ceil(64);
        let mut reach = Reach { words, bits: vec![0; words * nodes] };
        let mut row = vec![0u64; words];
        for node in order {
            row.fill(0);
            for (next, _) in steps.out(graph, node) {
                // What is reached already brings all that it reaches.
                if row[next as usize / 64] >> (next % 64) & 1 == 1 {
                    continue;
                }
                row[next as usize / 64] |= 1 << (next % 64);
                let theirs = &reach.bits[next as usize * words..][..words];
                row.iter_mut().zip(theirs).for_each(|(own, their)| *own |= their);
            }
            reach.bits[node as usize * words..][..words].copy_from_slice(&row);
        }
        Some(reach)
    }

    fn has(&self, from: u32, to: u32) -> bool {
        from == to || self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }

    /// Whether an edge would close a circle.
    fn closes(&self, edge: Edge, steps: Steps) -> bool {
        let (from, to, kind) = edge.ends();
        let Some(start) = steps.to(from << 1, (to, kind)) else { return false };
        (0..2).any(|layer| steps.ends(from << 1 | layer, from, kind) && self.has(start, from << 1 | layer))
    }

    /// Whether an edge leads to nothing new.
    fn implies(&self, edge: Edge, steps: Steps) -> bool {
        let (from, to, kind) = edge.ends();
        let mut ways =
            (0..2).filter_map(|layer| Some((from << 1 | layer, steps.to(from << 1 | layer, (to, kind))?)));
        ways.all(|(from, to)| self.has(from, to))
    }
}

/// All nodes, each after those that it leads to; nothing if there is a circle.
fn backwards(graph: &Graph, steps: Steps) -> Option<Vec<u32>> {
    let nodes = 2 * graph.len() as u32;
    let mut waits = vec![0u32; nodes as usize];
    for node in 0..nodes {
        steps.out(graph, node).for_each(|(next, _)| waits[next as usize] += 1);
    }
    let mut order: Vec<u32> = (0..nodes).filter(|node| waits[*node as usize] == 0).collect();
    let mut at = 0;
    while let Some(node) = order.get(at).copied() {
        at += 1;
        for (next, _) in steps.out(graph, node) {
            waits[next as usize] -= 1;
            if waits[next as usize] == 0 {
                order.push(next);
            }
        }
    }
    order.reverse();
    (order.len() == nodes as usize).then_some(order)
}
