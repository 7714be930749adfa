//! Which kinds of circles there are: decided in linear time, without looking for a single one.

use super::graph::{Components, Graph, Tangle, kind, mask_of};
use super::phenomenon::{Class, Order, Phenomenon};

/// How many edges may be walked to tell a circle with one missed write from one with several.
const STEPS: usize = 50_000_000;

/// The worst class of circles within one strongly connected component, for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The component, as [`Tangle`] numbers it.
    pub knot: u32,
    pub class: Class,
    pub order: Order,
    /// The vertices of a read of what was replaced, by which the class was told, if it was.
    pub hint: Option<(u32, u32)>,
    /// Whether it might be of the class before this one: nobody looked at everything.
    pub unsure: bool,
}

/// The kinds of edges that make a class of circles, for an order.
pub(crate) fn mask(class: Class, order: Order) -> u32 {
    let data = match class {
        Class::G0 => mask_of(&[kind::WW]),
        Class::G1c => mask_of(&[kind::WW, kind::WR]),
        _ => mask_of(&[kind::WW, kind::WR, kind::RW]),
    };
    data | match order {
        Order::Plain => 0,
        Order::Process => mask_of(&[kind::PROCESS]),
        Order::Realtime => mask_of(&[kind::PROCESS, kind::REALTIME]),
    }
}

/// What circles there are in each component: the worst class without any order, then with process order if that adds
/// a worse one, then with real time likewise. Whatever is implied by what is told is not told.
pub(crate) fn classify(tangle: &Tangle) -> Vec<Finding> {
    let mut worst: Vec<Option<Phenomenon>> = vec![None; tangle.knots];
    let mut findings = Vec::new();
    for order in Order::ALL {
        for finding in of_order(tangle, order) {
            let (worst, what) = (&mut worst[finding.knot as usize], Phenomenon::Cycle(finding.class, order));
            let says_more =
                |worst: Phenomenon| what.refutes().iter().any(|model| !worst.forbidden_by(*model));
            if worst.is_none_or(says_more) {
                *worst = Some(what);
                findings.push(finding);
            }
        }
    }
    findings.sort_by_key(|finding| (finding.order, finding.class, finding.knot));
    findings
}

/// The worst class of each component for one order.
fn of_order(tangle: &Tangle, order: Order) -> Vec<Finding> {
    let graph = &tangle.graph;
    let mut found: Vec<Option<Class>> = vec![None; tangle.knots];
    let mut mark = |class: Class, cyclic: &dyn Fn(u32) -> bool| {
        let mut any = false;
        for vertex in (0..graph.len() as u32).filter(|vertex| cyclic(*vertex)) {
            found[tangle.knot[vertex as usize] as usize] = Some(class);
            any = true;
        }
        any
    };
    let all = graph.components(mask(Class::G2Item, order));
    if !mark(Class::G2Item, &|vertex| all.cyclic(vertex)) {
        return Vec::new();
    }
    let doubled = graph.doubled_components(mask(Class::GNonadjacent, order));
    let mut data = None;
    if mark(Class::GNonadjacent, &|vertex| doubled.cyclic(2 * vertex) || doubled.cyclic(2 * vertex + 1)) {
        let known = graph.components(mask(Class::G1c, order));
        if mark(Class::G1c, &|vertex| known.cyclic(vertex)) {
            let writes = graph.components(mask(Class::G0, order));
            mark(Class::G0, &|vertex| writes.cyclic(vertex));
        }
        data = Some(known);
    }
    let mut singles =
        Singles { steps: STEPS, hints: vec![None; tangle.knots], unsure: vec![false; tangle.knots] };
    if let Some(data) = &data {
        let wanted: Vec<bool> = found.iter().map(|class| *class == Some(Class::GNonadjacent)).collect();
        singles.search(tangle, &doubled, data, mask(Class::G1c, order), &wanted);
    }
    let finding = |(knot, class): (usize, Option<Class>)| {
        let (hint, unsure) = (singles.hints[knot], singles.unsure[knot]);
        let class = if hint.is_some() { Class::GSingle } else { class? };
        Some(Finding { knot: knot as u32, class, order, hint, unsure })
    };
    found.into_iter().enumerate().filter_map(finding).collect()
}

/// The search for a circle with exactly one read of what was replaced.
struct Singles {
    steps: usize,
    hints: Vec<Option<(u32, u32)>>,
    unsure: Vec<bool>,
}

impl Singles {
    /// Looks for one in every wanted component. There, the edges of `mask` make no circle, so that only what lies
    /// between the ends of an edge in their order can lead back.
    fn search(
        &mut self,
        tangle: &Tangle,
        doubled: &Components,
        data: &Components,
        mask: u32,
        wanted: &[bool],
    ) {
        let graph = &tangle.graph;
        let mut seen = vec![0u32; graph.len()];
        let (mut stamp, mut stack) = (0, Vec::new());
        for from in 0..graph.len() as u32 {
            let knot = tangle.knot[from as usize] as usize;
            if !wanted[knot] || self.hints[knot].is_some() || !doubled.cyclic(2 * from) {
                continue;
            }
            for to in replaced(graph, from) {
                if doubled.of[2 * from as usize] != doubled.of[2 * to as usize + 1]
                    || data.of[to as usize] < data.of[from as usize]
                {
                    continue;
                }
                if self.steps == 0 {
                    self.unsure[knot] = true;
                    break;
                }
                stamp += 1;
                stack.push(to);
                while let Some(vertex) = stack.pop() {
                    if vertex == from {
                        self.hints[knot] = Some((from, to));
                        break;
                    }
                    for (next, kind) in graph.out(vertex) {
                        self.steps = self.steps.saturating_sub(1);
                        let ahead = data.of[next as usize] >= data.of[from as usize];
                        if mask >> kind & 1 == 1 && ahead && seen[next as usize] != stamp {
                            seen[next as usize] = stamp;
                            stack.push(next);
                        }
                    }
                }
                stack.clear();
                if self.hints[knot].is_some() {
                    break;
                }
            }
        }
    }
}

/// Where the reads of what was replaced lead from a vertex, auxiliary vertices included.
fn replaced(graph: &Graph, from: u32) -> impl Iterator<Item = u32> + '_ {
    graph.out(from).filter(|(_, kind)| *kind == kind::RW).map(|(to, _)| to)
}
