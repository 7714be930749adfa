//! A short circle that shows a finding.

use super::cycles::{Finding, mask};
use super::graph::{Components, Tangle, kind};
use super::phenomenon::{Class, Order};
use std::collections::VecDeque;

/// How many edges one search for a shorter circle may walk, once there is one.
const STEPS: usize = 1_000_000;

/// A circle of transactions: each with the kind of the edge that leads to the next, the last one's to the first.
pub(crate) type Circle = Vec<(u32, u32)>;

/// Finds circles in a tangle; remembers what it needs for several.
pub(crate) struct Finder<'t> {
    tangle: &'t Tangle,
    /// The vertices of each component, ascending: where they begin, and all of them.
    starts: Vec<u32>,
    members: Vec<u32>,
    /// By vertex and layer: in which search it was reached, how far, from where by what kind of edge.
    reached: Vec<(u32, u32, u32, u32)>,
    search: u32,
    cache: Option<((Class, Order), Components)>,
}

impl<'t> Finder<'t> {
    pub fn new(tangle: &'t Tangle) -> Finder<'t> {
        let mut starts = vec![0; tangle.knots + 2];
        tangle.knot.iter().for_each(|knot| starts[*knot as usize + 2] += 1);
        for knot in 2..starts.len() {
            starts[knot] += starts[knot - 1];
        }
        let mut members = vec![0; tangle.knot.len()];
        for (vertex, knot) in tangle.knot.iter().enumerate() {
            let place = &mut starts[*knot as usize + 1];
            members[*place as usize] = vertex as u32;
            *place += 1;
        }
        starts.pop();
        let reached = vec![(0, 0, 0, 0); 2 * tangle.graph.len()];
        Finder { tangle, starts, members, reached, search: 0, cache: None }
    }

    /// The shortest circle of this finding's class, or a short one if its component is large.
    pub fn find(&mut self, finding: &Finding) -> Option<Circle> {
        let doubled = finding.class == Class::GNonadjacent;
        let mut best: Option<Circle> = None;
        let mut steps = STEPS;
        if let Some((from, to)) = finding.hint {
            best = self.circle(finding, (from, to, kind::RW), u32::MAX, &mut usize::MAX.clone());
        }
        let wanted = match finding.class {
            Class::G0 => kind::WW,
            Class::G1c => kind::WR,
            _ => kind::RW,
        };
        for (from, to) in self.candidates(finding, wanted, doubled) {
            let shortest = best.as_ref().map_or(u32::MAX, |best| best.len() as u32);
            if shortest == 2 || steps == 0 {
                break;
            }
            let mut unlimited = usize::MAX;
            let left = if best.is_some() { &mut steps } else { &mut unlimited };
            let circle = self.circle(finding, (from, to, wanted), shortest, left);
            best = circle.or(best);
        }
        best.map(|circle| self.told(circle))
    }

    /// Up to `limit` short circles of this component that share no transaction, for a finding of class
    /// [`Class::G2Item`], any circle, or [`Class::GNonadjacent`], any without two reads in a row of what was replaced.
    pub fn several(&mut self, finding: &Finding, limit: usize) -> Vec<Circle> {
        let (mut circles, mut taken) = (Vec::new(), vec![false; self.tangle.graph.len()]);
        let candidates: Vec<(u32, u32, u32)> = [kind::RW, kind::WW, kind::WR]
            .into_iter()
            .flat_map(|kind| {
                let of_kind = self.candidates(finding, kind, finding.class == Class::GNonadjacent);
                of_kind.into_iter().map(move |(from, to)| (from, to, kind))
            })
            .collect();
        let mut steps = STEPS;
        for (from, to, first) in candidates {
            if circles.len() == limit || (steps == 0 && !circles.is_empty()) {
                break;
            }
            if taken[from as usize] || taken[to as usize] {
                continue;
            }
            let mut unlimited = usize::MAX;
            let left = if circles.is_empty() { &mut unlimited } else { &mut steps };
            if let Some(circle) = self.circle(finding, (from, to, first), u32::MAX, left) {
                circle.iter().for_each(|(vertex, _)| taken[*vertex as usize] = true);
                circles.push(self.told(circle));
            }
        }
        circles
    }

    /// The edges of a kind on which a circle of the class may lie.
    fn candidates(&mut self, finding: &Finding, wanted: u32, doubled: bool) -> Vec<(u32, u32)> {
        let (graph, wanted_for) = (&self.tangle.graph, (finding.class, finding.order));
        if self.cache.as_ref().is_none_or(|(known, _)| *known != wanted_for) {
            let components = match finding.class {
                Class::GSingle | Class::GNonadjacent => {
                    graph.doubled_components(mask(Class::GNonadjacent, finding.order))
                }
                class => graph.components(mask(class, finding.order)),
            };
            self.cache = Some((wanted_for, components));
        }
        let Some((_, components)) = &self.cache else { return Vec::new() };
        let doubled = doubled || finding.class == Class::GSingle;
        let together = |from: u32, to: u32| match doubled {
            true if wanted == kind::RW => {
                components.of[2 * from as usize] == components.of[2 * to as usize + 1]
            }
            true => {
                (0..2).any(|layer| components.of[2 * from as usize + layer] == components.of[2 * to as usize])
            }
            false => components.of[from as usize] == components.of[to as usize],
        };
        let knot = finding.knot as usize;
        let inside = self.members[self.starts[knot] as usize..self.starts[knot + 1] as usize].iter().copied();
        let out =
            |from: u32| graph.out(from).filter(move |edge| edge.1 == wanted).map(move |edge| (from, edge.0));
        inside.flat_map(out).filter(|(from, to)| together(*from, *to)).collect()
    }

    /// The shortest circle through an edge, if it has fewer than `shortest` transactions.
    fn circle(
        &mut self,
        finding: &Finding,
        (from, to, first): (u32, u32, u32),
        shortest: u32,
        steps: &mut usize,
    ) -> Option<Circle> {
        let doubled = finding.class == Class::GNonadjacent;
        let mask = match finding.class {
            Class::GSingle => mask(Class::G1c, finding.order),
            class => mask(class, finding.order),
        };
        let graph = &self.tangle.graph;
        self.search += 1;
        let start = 2 * to + u32::from(doubled && first == kind::RW);
        let mut queue = VecDeque::from([start]);
        self.reached[start as usize] = (self.search, 1, start, first);
        while let Some(at) = queue.pop_front() {
            let (_, far, _, _) = self.reached[at as usize];
            if at / 2 == from && (at & 1 == 0 || first != kind::RW) {
                return Some(self.back(at, start, from, first));
            }
            for (next, kind) in graph.out(at / 2) {
                *steps = steps.saturating_sub(1);
                if mask >> kind & 1 == 0 || (doubled && kind == kind::RW && at & 1 == 1) {
                    continue;
                }
                let layer = match kind {
                    kind::RW => u32::from(doubled),
                    kind::ON => at & 1,
                    _ => 0,
                };
                let (next, cost) = (2 * next + layer, u32::from(kind != kind::ON));
                let (search, known, _, _) = self.reached[next as usize];
                let far = far + cost;
                if far >= shortest || (search == self.search && known <= far) {
                    continue;
                }
                self.reached[next as usize] = (self.search, far, at, kind);
                if cost == 0 { queue.push_front(next) } else { queue.push_back(next) }
            }
            if *steps == 0 {
                return None;
            }
        }
        None
    }

    /// The way that a search came, from its end to its beginning, turned round.
    fn back(&self, end: u32, start: u32, from: u32, first: u32) -> Circle {
        let (mut circle, mut at) = (Vec::new(), end);
        while at != start {
            let (_, _, before, kind) = self.reached[at as usize];
            circle.push((before / 2, kind));
            at = before;
        }
        circle.push((from, first));
        circle.reverse();
        circle
    }

    /// The circle by the transactions' own numbers, without auxiliary vertices, beginning with the first of them.
    fn told(&self, circle: Circle) -> Circle {
        let own = circle.iter().filter(|(_, kind)| *kind != kind::ON);
        let mut own: Circle = own.map(|(v, kind)| (self.tangle.old[*v as usize], *kind)).collect();
        let first = own.iter().enumerate().min_by_key(|(_, (vertex, _))| *vertex).map_or(0, |(at, _)| at);
        own.rotate_left(first);
        own
    }
}
