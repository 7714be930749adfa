//! Do these circles rule out every order? The certificate of a "no", checked without anything that found it.

use super::graph::{Edge, kind};
use super::polygraph::{Choice, Group};
use super::saturate::{Refuted, Steps};
use batsat::{BasicSolver, Lit, SolverInterface, Var, lbool};
use rustc_hash::{FxHashMap, FxHashSet};

/// Versions of one object whose orders are weighed in full; with more, what follows from two orders for a third is not.
const WEIGHED: usize = 100;

/// Those of the circles that together leave no order of the versions, if they do: every edge of each is known or certain, or is of
/// a choice that it names; and whatever is chosen, all choices of some circle are.
pub(crate) fn core(known: &[Edge], groups: &[Group], steps: Steps, all: &[Refuted]) -> Option<Vec<Refuted>> {
    let mut out: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
    let named: FxHashSet<u32> = all.iter().flat_map(|one| &one.circle).map(|(txn, _)| *txn).collect();
    for (from, to, kind) in known.iter().map(|edge| edge.ends()) {
        if kind == kind::ON || named.contains(&from) {
            out.entry(from).or_default().push((to, kind));
        }
    }
    for group in groups {
        for (one, other) in &group.certain {
            let (old, new) = (&group.versions[*one as usize], group.versions[*other as usize].writer);
            out.entry(old.writer).or_default().push((new, kind::WW));
            for reader in old.readers.iter().filter(|reader| **reader != new) {
                out.entry(*reader).or_default().push((new, kind::RW));
            }
        }
    }
    let mut weighing = Weighing { solver: BasicSolver::default(), variables: FxHashMap::default() };
    let mut guards = Vec::with_capacity(all.len());
    for one in all {
        let guard = weighing.solver.new_var_default();
        let mut clause: Vec<Lit> = one.choices.iter().map(|choice| !weighing.literal(*choice)).collect();
        clause.push(Lit::new(guard, false));
        weighing.solver.add_clause_reuse(&mut clause);
        guards.push(Lit::new(guard, true));
    }
    weighing.add_orders(groups, all);
    if weighing.solver.solve_limited(&guards) != lbool::FALSE {
        return None;
    }
    let needed: FxHashSet<Lit> = weighing.solver.unsat_core().iter().copied().collect();
    let is_needed = |guard: &Lit| needed.contains(guard) || needed.contains(&!*guard);
    let core = all.iter().zip(&guards).filter(|(_, guard)| is_needed(guard));
    let core: Vec<Refuted> = core.map(|(one, _)| one.clone()).collect();
    // There may be many circles, and an edge of real time goes over as many moments: only those that count are looked at.
    core.iter().all(|one| is_circle(&out, groups, steps, one)).then_some(core)
}

/// Whether a circle is one that must not be, if its choices are made.
fn is_circle(
    out: &FxHashMap<u32, Vec<(u32, u32)>>,
    groups: &[Group],
    steps: Steps,
    Refuted { circle, choices }: &Refuted,
) -> bool {
    let edge = |place: usize| (circle[place].0, circle[(place + 1) % circle.len()].0, circle[place].1);
    let is_known = |(from, to, kind): (u32, u32, u32)| {
        let mut stack: Vec<u32> =
            out.get(&from).into_iter().flatten().filter(|edge| edge.1 == kind).map(|edge| edge.0).collect();
        let mut met = FxHashSet::default();
        while let Some(at) = stack.pop() {
            if at == to {
                return true;
            }
            if met.insert(at) {
                let on = out.get(&at).into_iter().flatten().filter(|edge| edge.1 == kind::ON);
                stack.extend(on.map(|edge| edge.0));
            }
        }
        false
    };
    let is_chosen = |(from, to, kind): (u32, u32, u32)| {
        choices.iter().any(|(group, one, other)| {
            let versions = &groups[*group as usize].versions;
            let (old, new) = (&versions[*one as usize], &versions[*other as usize]);
            new.writer == to
                && match kind {
                    kind::WW => old.writer == from,
                    kind::RW => old.readers.contains(&from),
                    _ => false,
                }
        })
    };
    // Who is reached at its commit has long begun.
    let late = |kind: u32| steps.to(0, (0, kind)).is_some_and(|node| node & 1 == 1);
    let twice = |place: usize| late(circle[place].1) && edge((place + 1) % circle.len()).2 == kind::RW;
    !circle.is_empty()
        && (0..circle.len()).all(|place| {
            let (from, to, kind) = edge(place);
            from != to
                && steps.mask >> kind & 1 == 1
                && !twice(place)
                && (is_known((from, to, kind)) || is_chosen((from, to, kind)))
        })
}

/// Orders of versions as propositions.
struct Weighing {
    solver: BasicSolver,
    /// For a group and two places, the lesser first: that it comes first.
    variables: FxHashMap<Choice, Var>,
}

impl Weighing {
    /// That the first place comes first.
    fn literal(&mut self, (group, one, other): Choice) -> Lit {
        let solver = &mut self.solver;
        let least = (group, one.min(other), one.max(other));
        let variable = *self.variables.entry(least).or_insert_with(|| solver.new_var_default());
        Lit::new(variable, one < other)
    }

    /// Says that the versions named have an order, which keeps to what is certain of them.
    fn add_orders(&mut self, groups: &[Group], all: &[Refuted]) {
        let mut named: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (group, one, other) in all.iter().flat_map(|one| &one.choices) {
            named.entry(*group).or_default().extend([*one, *other]);
        }
        for (number, mut places) in named {
            places.sort_unstable();
            places.dedup();
            for one in &places {
                for later in later(&groups[number as usize], *one) {
                    if places.binary_search(&later).is_ok() {
                        let certain = self.literal((number, *one, later));
                        self.solver.add_clause_reuse(&mut vec![certain]);
                    }
                }
            }
            if places.len() > WEIGHED {
                continue;
            }
            for (at, one) in places.iter().enumerate() {
                for (and, other) in places.iter().enumerate().skip(at + 1) {
                    for third in &places[and + 1..] {
                        let [ab, bc, ac] = [(*one, *other), (*other, *third), (*one, *third)]
                            .map(|(one, other)| self.literal((number, one, other)));
                        self.solver.add_clause_reuse(&mut vec![!ab, !bc, ac]);
                        self.solver.add_clause_reuse(&mut vec![ab, bc, !ac]);
                    }
                }
            }
        }
    }
}

/// What certainly comes after a version.
fn later(group: &Group, place: u32) -> Vec<u32> {
    let mut later: Vec<u32> = Vec::new();
    let mut stack = vec![place];
    while let Some(at) = stack.pop() {
        let begin = group.certain.partition_point(|(one, _)| *one < at);
        for (_, next) in group.certain[begin..].iter().take_while(|(one, _)| *one == at) {
            if !later.contains(next) {
                later.push(*next);
                stack.push(*next);
            }
        }
    }
    later
}
