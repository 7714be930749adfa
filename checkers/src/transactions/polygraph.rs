//! Orders that the history does not tell: are there any that explain it?
//!
//! Some transactions changed the same object, and nobody saw in which order. Each order has consequences; the question is
//! whether some choice leaves no circle. That is NP-complete (Papadimitriou, *The Serializability of Concurrent Database
//! Updates*, 1979). So: guess every order, by time. If that leaves a circle, then one of the choices on it is wrong, which
//! is a clause for a solver of propositional logic; it proposes other choices, and so on until there is no circle or the
//! clauses contradict one another. Only choices that lay on a circle ever become variables. If the first guess is wrong,
//! everything that certainly follows is drawn in first ([`saturate`](super::saturate)): few choices are left then.
//!
//! A "yes" comes with an order to be executed. The circles of a "no" are checked by [`refutation`](super::refutation),
//! which also leaves out those that are not needed.

use super::cycles::{Finding, mask};
use super::graph::{Components, Edge, Graph, kind};
use super::phenomenon::{Class, Order};
use super::refutation;
use super::saturate::{Promise, Refuted, Saturated, Steps};
use super::snapshots::{self, Step};
use super::witness::{Circle, Finder};
use crate::Budget;
use batsat::{BasicSolver, Lit, SolverInterface, Var, lbool};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many circles are looked for in each component before the solver is asked again.
const CIRCLES: usize = 64;

/// The most bytes that conclusions may take while they are drawn, and which part of the budget.
const BYTES: usize = 1 << 29;

/// Versions of one object of which some come in an order that is not known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// Each version but the first: who wrote it, when it seems to have come, and who read it.
    pub versions: Vec<Version>,
    /// Pairs of places in `versions` of which the first certainly comes before the second, ascending.
    pub certain: Vec<(u32, u32)>,
}

/// A version of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Version {
    pub writer: u32,
    pub guess: u64,
    pub readers: Vec<u32>,
}

/// What is known, and what must be chosen.
pub(crate) struct Polygraph<'p> {
    vertices: usize,
    /// What certainly comes before what.
    edges: &'p [Edge],
    groups: &'p [Group],
    promise: Promise,
    order: Order,
    /// The groups, with what follows.
    certain: Vec<Vec<(u32, u32)>>,
    /// The choices that follow.
    follow: FxHashSet<Choice>,
    /// The choices that were made a variable: the group and two places, the first one first by the guess. The variable
    /// is true if it is the other way round.
    variables: FxHashMap<Choice, Var>,
    /// The same, by group.
    chosen: FxHashMap<u32, Vec<(u32, u32, Var)>>,
    solver: BasicSolver,
    refuted: Vec<Refuted>,
    /// Choices that follow and that were used beside circles.
    used: Vec<Choice>,
}

/// Whether there are orders that explain everything.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There are, and then everything may have run one after the other like this.
    Serial(Vec<u32>),
    /// There are, and then everything may have run like this, with snapshots.
    Snapshots(Vec<Step>),
    /// There are none: circles that together rule out every choice, the plainest first.
    No(Vec<Circle>),
    /// The checker contradicts itself.
    Failed,
    /// Nobody could say in time.
    GaveUp { choices: usize },
}

impl<'p> Polygraph<'p> {
    pub fn new(
        vertices: usize,
        edges: &'p [Edge],
        groups: &'p [Group],
        promise: Promise,
        order: Order,
    ) -> Self {
        let certain = groups.iter().map(|group| group.certain.clone()).collect();
        Polygraph {
            vertices,
            edges,
            groups,
            promise,
            order,
            certain,
            follow: FxHashSet::default(),
            variables: FxHashMap::default(),
            chosen: FxHashMap::default(),
            solver: BasicSolver::default(),
            refuted: Vec::new(),
            used: Vec::new(),
        }
    }

    /// How circles are made that must not be.
    fn steps(&self) -> Steps {
        Steps { mask: mask(Class::G2Item, self.order), promise: self.promise }
    }

    /// Looks for orders.
    pub fn solve(mut self, budget: &Budget) -> Answer {
        let mut orders: Vec<Vec<u32>> = vec![Vec::new(); self.groups.len()];
        for group in 0..self.groups.len() as u32 {
            match self.arrange(group) {
                Ok(order) => orders[group as usize] = order,
                Err(_) => return Answer::Failed,
            }
        }
        match self.found(&orders) {
            Ok(answer) => return answer,
            Err(circles) if circles.is_empty() => return Answer::GaveUp { choices: 0 },
            Err(_) => {}
        }
        let bytes = BYTES.min(budget.bytes / 4);
        let saturated =
            Saturated::of(self.vertices, self.edges, self.groups, self.steps(), bytes, &|| budget.is_over());
        if let Some(saturated) = &saturated {
            if saturated.contradiction.is_some() {
                return self.no(Some(saturated));
            }
            for (group, one, other) in saturated.follows.keys() {
                self.certain[*group as usize].push((*one, *other));
                self.follow.insert((*group, *one, *other));
            }
            for certain in &mut self.certain {
                certain.sort_unstable();
                certain.dedup();
            }
        }
        match self.search(&mut orders, budget) {
            Some(answer) => answer,
            None => self.no(saturated.as_ref()),
        }
    }

    /// Tries choices until there is an answer; nothing if they contradict one another.
    fn search(&mut self, orders: &mut [Vec<u32>], budget: &Budget) -> Option<Answer> {
        let mut stale: Vec<u32> = (0..self.groups.len() as u32).collect();
        loop {
            if budget.is_over() {
                return Some(Answer::GaveUp { choices: self.variables.len() });
            }
            let mut contradictory = false;
            for group in stale.drain(..) {
                match self.arrange(group) {
                    Ok(order) => orders[group as usize] = order,
                    Err(choices) => {
                        contradictory = true;
                        self.used.extend(choices.iter().filter(|choice| self.follow.contains(choice)));
                        self.forbid(&choices);
                    }
                }
            }
            if !contradictory {
                let circles = match self.found(orders) {
                    Ok(answer) => return Some(answer),
                    Err(circles) => circles,
                };
                if circles.is_empty() {
                    return Some(Answer::GaveUp { choices: self.variables.len() });
                }
                let resting = self.resting(orders);
                for circle in circles {
                    let choices = self.choices(&resting, &circle);
                    self.forbid(&choices);
                    self.refuted.push(Refuted { circle, choices });
                }
            }
            if self.solver.solve_limited(&[]) != lbool::TRUE {
                return None;
            }
            stale.extend(self.chosen.keys());
            stale.sort_unstable();
        }
    }

    /// The circles that rule everything out, if they do.
    fn no(self, saturated: Option<&Saturated<'_>>) -> Answer {
        let steps = self.steps();
        let mut all = self.refuted;
        if let Some(saturated) = saturated {
            let wanted = all.iter().flat_map(|one| &one.choices).chain(&self.used).copied();
            let wanted: Vec<Choice> = wanted.filter(|choice| self.follow.contains(choice)).collect();
            let mut reasons = saturated.reasons(wanted);
            all.append(&mut reasons);
        }
        match refutation::core(self.edges, self.groups, steps, &all) {
            Some(mut core) => {
                core.sort_by_key(|one| (one.choices.len(), one.circle.len()));
                Answer::No(core.into_iter().map(|one| one.circle).collect())
            }
            None => Answer::Failed,
        }
    }

    /// One of these choices, each a group and two places of which the first comes first, must be otherwise. Those that
    /// follow cannot be.
    fn forbid(&mut self, choices: &[Choice]) {
        let mut clause: Vec<Lit> = Vec::new();
        for (group, one, other) in choices.iter().filter(|choice| !self.follow.contains(choice)) {
            let versions = &self.groups[*group as usize].versions;
            let guess = |place: u32| (versions[place as usize].guess, place);
            let as_guessed = guess(*one) < guess(*other);
            let (first, second) = if as_guessed { (*one, *other) } else { (*other, *one) };
            let solver = &mut self.solver;
            let chosen = &mut self.chosen;
            let variable = *self.variables.entry((*group, first, second)).or_insert_with(|| {
                let variable = solver.new_var_default();
                chosen.entry(*group).or_default().push((first, second, variable));
                variable
            });
            clause.push(Lit::new(variable, as_guessed));
        }
        self.solver.add_clause_reuse(&mut clause);
    }

    /// The versions of a group in an order that follows what is certain and what is chosen, else as guessed.
    ///
    /// # Errors
    /// The choices on a circle, if what is certain and what is chosen make one.
    fn arrange(&self, number: u32) -> Result<Vec<u32>, Vec<Choice>> {
        let group = &self.groups[number as usize];
        let count = group.versions.len();
        let mut after: Vec<Vec<(u32, bool)>> = vec![Vec::new(); count];
        let mut waits = vec![0u32; count];
        let mut link = |one: u32, other: u32, certain: bool| {
            after[one as usize].push((other, certain));
            waits[other as usize] += 1;
        };
        self.certain[number as usize].iter().for_each(|(one, other)| {
            link(*one, *other, !self.follow.contains(&(number, *one, *other)));
        });
        for (one, other, variable) in self.chosen.get(&number).into_iter().flatten() {
            match self.solver.value_var(*variable) {
                value if value == lbool::TRUE => link(*other, *one, false),
                value if value == lbool::FALSE => link(*one, *other, false),
                _ => {}
            }
        }
        let guess = |place: u32| Reverse((group.versions[place as usize].guess, place));
        let free = (0..count as u32).filter(|place| waits[*place as usize] == 0);
        let mut ready: BinaryHeap<_> = free.map(guess).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(Reverse((_, place))) = ready.pop() {
            order.push(place);
            for (next, _) in &after[place as usize] {
                waits[*next as usize] -= 1;
                if waits[*next as usize] == 0 {
                    ready.push(guess(*next));
                }
            }
        }
        if order.len() == count { Ok(order) } else { Err(round(number, &after, &waits)) }
    }

    /// What these orders of versions make known.
    fn edges_under(&self, orders: &[Vec<u32>]) -> Vec<Edge> {
        let mut edges = self.edges.to_vec();
        for (group, order) in self.groups.iter().zip(orders) {
            for pair in order.windows(2) {
                let (one, next) = (&group.versions[pair[0] as usize], &group.versions[pair[1] as usize]);
                edges.push(Edge::new(one.writer, next.writer, kind::WW));
                let readers = one.readers.iter().filter(|reader| **reader != next.writer);
                edges.extend(readers.map(|reader| Edge::new(*reader, next.writer, kind::RW)));
            }
        }
        edges
    }

    /// The answer under these orders of versions, if it is a "yes".
    ///
    /// # Errors
    /// Some circles that must not be.
    fn found(&self, orders: &[Vec<u32>]) -> Result<Answer, Vec<Circle>> {
        let edges = self.edges_under(orders);
        let graph = Graph::new(self.vertices, &edges);
        let all = graph.components(mask(Class::G2Item, self.order));
        if all.acyclic() {
            return Ok(Answer::Serial(all.order()));
        }
        let run = || snapshots::run(self.vertices, &edges, self.steps(), CIRCLES);
        if self.promise == Promise::Prefixes {
            return run().map(Answer::Snapshots);
        }
        let tangle = graph.tangled(&all);
        let with_snapshots = self.promise == Promise::Snapshots;
        let class = if with_snapshots { Class::GNonadjacent } else { Class::G2Item };
        let mut bad = vec![true; tangle.knots];
        if with_snapshots {
            bad =
                knots(&tangle.graph.doubled_components(mask(class, self.order)), &tangle.knot, tangle.knots);
        }
        if !bad.contains(&true) {
            return Ok(run().map_or(Answer::Failed, Answer::Snapshots));
        }
        let mut finder = Finder::new(&tangle);
        let finding = |knot: u32| Finding { knot, class, order: self.order, hint: None, unsure: false };
        let bad = (0..tangle.knots as u32).filter(|knot| bad[*knot as usize]);
        Err(bad.flat_map(|knot| finder.several(&finding(knot), CIRCLES)).collect())
    }

    /// The choices on a circle: pairs of versions on whose order one of its edges rests.
    fn choices(&self, resting: &Resting, circle: &Circle) -> Vec<Choice> {
        let pair = |place: usize| {
            let ((from, kind), (to, _)) = (circle[place], circle[(place + 1) % circle.len()]);
            resting.get(&(from, to, kind)).copied()
        };
        let mut choices: Vec<Choice> = (0..circle.len()).filter_map(pair).collect();
        choices.sort_unstable();
        choices.dedup();
        choices
    }

    /// For each edge that is not known, the pair of versions on whose order it rests.
    fn resting(&self, orders: &[Vec<u32>]) -> Resting {
        let mut resting = Resting::default();
        // What is known as well rests on nothing.
        for known in [false, true] {
            for (number, (group, order)) in self.groups.iter().zip(orders).enumerate() {
                for pair in order.windows(2) {
                    if group.certain.binary_search(&(pair[0], pair[1])).is_ok() != known {
                        continue;
                    }
                    let choice = (number as u32, pair[0], pair[1]);
                    let (one, next) = (&group.versions[pair[0] as usize], &group.versions[pair[1] as usize]);
                    let readers = one.readers.iter().map(|reader| (*reader, next.writer, kind::RW));
                    for edge in readers.chain([(one.writer, next.writer, kind::WW)]) {
                        if known {
                            resting.remove(&edge);
                        } else {
                            resting.insert(edge, choice);
                        }
                    }
                }
            }
        }
        for edge in self.edges {
            resting.remove(&edge.ends());
        }
        resting
    }
}

/// A group and two places of which the first comes first.
pub(crate) type Choice = (u32, u32, u32);

/// By its ends and its kind, what an edge rests on.
type Resting = FxHashMap<(u32, u32, u32), Choice>;

/// Which components have a vertex on a circle of the doubled graph.
fn knots(doubled: &Components, knot: &[u32], count: usize) -> Vec<bool> {
    let mut bad = vec![false; count];
    for (vertex, knot) in knot.iter().enumerate() {
        bad[*knot as usize] |= doubled.cyclic(2 * vertex as u32) || doubled.cyclic(2 * vertex as u32 + 1);
    }
    bad
}

/// The choices on some circle of those who wait for one another.
fn round(group: u32, after: &[Vec<(u32, bool)>], waits: &[u32]) -> Vec<Choice> {
    let waiting = |place: usize| waits[place] > 0;
    let mut before = vec![None; after.len()];
    for place in (0..after.len()).filter(|place| waiting(*place)) {
        for (next, certain) in after[place].iter().filter(|(next, _)| waiting(*next as usize)) {
            before[*next as usize] = Some((place as u32, *certain));
        }
    }
    let mut at = (0..after.len()).find(|place| waiting(*place)).unwrap_or(0) as u32;
    let back = |at: u32| before[at as usize].unwrap_or((at, true));
    // Whoever waits goes back to a circle in so many steps.
    for _ in 0..after.len() {
        at = back(at).0;
    }
    let (begin, mut choices) = (at, Vec::new());
    loop {
        let (previous, certain) = back(at);
        if !certain {
            choices.push((group, previous, at));
        }
        at = previous;
        if at == begin {
            return choices;
        }
    }
}
