//! Choices between orders of versions, and the proofs of their answers, against every choice there is.

use super::notation::{history, parse};
use super::{cases, tally};
use crate::Budget;
use crate::transactions::graph::{Edge, kind};
use crate::transactions::phenomenon::Order;
use crate::transactions::polygraph::{Answer, Group, Polygraph, Version};
use crate::transactions::refutation::core;
use crate::transactions::register::explains_snapshots;
use crate::transactions::saturate::{Promise, Refuted, Steps};
use crate::transactions::snapshots::Step;
use history::Chance;

/// What is known, and what must be chosen.
#[derive(Debug)]
struct Riddle {
    txns: u32,
    edges: Vec<Edge>,
    groups: Vec<Group>,
    promise: Promise,
}

/// Some transactions that wrote and read versions of two objects in no known order.
fn riddle(chance: &mut Chance) -> Riddle {
    let txns = chance.between(4, 6) as u32;
    let any = |chance: &mut Chance| chance.below(u64::from(txns)) as u32;
    let mut edges = Vec::new();
    for _ in 0..chance.below(4) {
        let (one, other) = (any(chance), any(chance));
        if one != other {
            let kind = [kind::WR, kind::RW, kind::PROCESS, kind::REALTIME][chance.below(4) as usize];
            edges.push(Edge::new(one.min(other), one.max(other), kind));
        }
    }
    let mut groups = Vec::new();
    for _ in 0..2 {
        let mut writers: Vec<u32> = (0..txns).collect();
        chance.shuffle(&mut writers);
        writers.truncate(chance.between(2, 4) as usize);
        let mut versions = Vec::new();
        for writer in writers {
            let mut readers: Vec<u32> = (0..chance.between(0, 2)).map(|_| any(chance)).collect();
            readers.retain(|reader| *reader != writer);
            edges.extend(readers.iter().map(|reader| Edge::new(writer, *reader, kind::WR)));
            versions.push(Version { writer, guess: chance.below(9), readers });
        }
        let certain = if chance.permille(200) { vec![(0, 1)] } else { Vec::new() };
        groups.push(Group { versions, certain });
    }
    // What is certain was read before it was replaced, as far as anything is known.
    for group in &groups {
        for (one, other) in &group.certain {
            let (old, new) = (group.versions[*one as usize].writer, group.versions[*other as usize].writer);
            edges.push(Edge::new(old, new, kind::WR));
            edges.extend(between(group, *one, *other).into_iter().filter(|edge| edge.ends().2 == kind::RW));
        }
    }
    let promise = [Promise::Order, Promise::Snapshots, Promise::Snapshots, Promise::Prefixes];
    let promise = promise[chance.below(4) as usize];
    Riddle { txns, edges, groups, promise }
}

/// What it means that a version comes before another.
fn between(group: &Group, one: u32, other: u32) -> Vec<Edge> {
    let (old, new) = (&group.versions[one as usize], group.versions[other as usize].writer);
    let readers = old.readers.iter().filter(|reader| **reader != new);
    let readers = readers.map(|reader| Edge::new(*reader, new, kind::RW));
    [Edge::new(old.writer, new, kind::WW)].into_iter().chain(readers).collect()
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<u32>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(count - 1) {
        for place in 0..count {
            let mut order = shorter.clone();
            order.insert(place, count as u32 - 1);
            all.push(order);
        }
    }
    all
}

/// Whether beginnings and commits, or commits alone, can follow these edges.
fn possible(txns: u32, edges: &[Edge], promise: Promise) -> bool {
    let count = 2 * txns as usize;
    let mut before = vec![vec![false; count]; count];
    for txn in 0..txns as usize {
        before[2 * txn][2 * txn + 1] = true;
    }
    for (from, to, kind) in edges.iter().map(|edge| edge.ends()) {
        let (from, to) = (2 * from as usize, 2 * to as usize);
        match (promise, kind) {
            (Promise::Snapshots | Promise::Prefixes, kind::RW) => before[from][to + 1] = true,
            (Promise::Prefixes, kind::WW) => before[from + 1][to + 1] = true,
            _ => before[from + 1][to] = true,
        }
    }
    for middle in 0..count {
        for one in 0..count {
            for other in 0..count {
                before[one][other] |= before[one][middle] && before[middle][other];
            }
        }
    }
    (0..count).all(|node| !before[node][node])
}

/// Whether some choice leaves no circle.
fn solvable(riddle: &Riddle) -> bool {
    let [first, second] = &riddle.groups[..] else { panic!("two objects") };
    let all = |group: &Group| {
        let mut orders = orders(group.versions.len());
        let place = |order: &[u32], version: u32| order.iter().position(|one| *one == version);
        orders.retain(|order| {
            group.certain.iter().all(|(one, other)| place(order, *one) < place(order, *other))
        });
        orders
    };
    let chosen = |group: &Group, order: &[u32]| -> Vec<Edge> {
        let pairs =
            (0..order.len()).flat_map(|at| order[at + 1..].iter().map(move |later| (order[at], *later)));
        pairs.flat_map(|(one, other)| between(group, one, other)).collect()
    };
    all(first).iter().any(|one| {
        all(second).iter().any(|other| {
            let edges = riddle.edges.iter().copied();
            let edges = edges.chain(chosen(first, one)).chain(chosen(second, other));
            possible(riddle.txns, &edges.collect::<Vec<_>>(), riddle.promise)
        })
    })
}

#[test]
fn choices_are_made_if_and_only_if_some_are_possible() {
    let counts = tally(cases(10_000), 7, |case, chance| {
        let riddle = riddle(chance);
        let Riddle { txns, edges, groups, promise } = &riddle;
        let polygraph = Polygraph::new(*txns as usize, edges, groups, *promise, Order::Realtime);
        let answer = polygraph.solve(&Budget::default());
        let told = || format!("case {case}: {answer:?} {riddle:?}");
        let yes = match &answer {
            Answer::Serial(order) => {
                assert_eq!(order.len(), *txns as usize, "{}", told());
                0
            }
            Answer::Snapshots(steps) => {
                assert!(*promise != Promise::Order && steps.len() == 2 * *txns as usize, "{}", told());
                1
            }
            Answer::No(circles) => {
                assert!(!circles.is_empty(), "{}", told());
                2
            }
            Answer::GaveUp { .. } | Answer::Failed => panic!("{}", told()),
        };
        assert_eq!(yes < 2, solvable(&riddle), "{}", told());
        std::array::from_fn::<u64, 3, _>(|at| u64::from(at == yes))
    });
    assert!(counts.iter().all(|count| *count > cases(10_000) / 250), "one-sided: {counts:?}");
}

/// Two transactions wrote one object each before the other read it, so that whichever came first is wrong.
fn contradiction() -> (Vec<Edge>, Vec<Group>, Vec<Refuted>) {
    let version = |writer, reader| Version { writer, guess: 0, readers: vec![reader] };
    let groups = vec![Group { versions: vec![version(0, 2), version(1, 3)], certain: Vec::new() }];
    let edges = vec![Edge::new(1, 2, kind::PROCESS), Edge::new(0, 3, kind::PROCESS)];
    let circle = |reader, writer| vec![(reader, kind::RW), (writer, kind::PROCESS)];
    let refuted = |reader, writer, choice| Refuted { circle: circle(reader, writer), choices: vec![choice] };
    (edges, groups, vec![refuted(2, 1, (0, 0, 1)), refuted(3, 0, (0, 1, 0))])
}

#[test]
fn a_refutation_is_believed_only_if_every_edge_is_known_or_chosen_and_nothing_is_left() {
    let (edges, groups, circles) = contradiction();
    let steps = Steps { mask: u32::MAX, promise: Promise::Snapshots };
    let believed = |edges: &[Edge], steps, circles: &[Refuted]| core(edges, &groups, steps, circles);
    assert_eq!(believed(&edges, steps, &circles).map(|core| core.len()), Some(2));
    assert!(believed(&edges, steps, &circles[..1]).is_none(), "the other order is left");
    assert!(believed(&edges[..1], steps, &circles).is_none(), "an edge is not known");
    let timeless = Steps { mask: !(1 << kind::PROCESS), ..steps };
    assert!(believed(&edges, timeless, &circles).is_none(), "processes are not respected");
    let mut swapped = circles.clone();
    swapped[0].choices = vec![(0, 1, 0)];
    assert!(believed(&edges, steps, &swapped).is_none(), "the choice makes another edge");
    let mut rested = circles.clone();
    rested[1].circle = vec![(3, kind::RW), (0, kind::RW)];
    assert!(believed(&edges, steps, &rested).is_none(), "two reads in a row");
    let mut more = circles.clone();
    more.insert(0, circles[0].clone());
    assert_eq!(believed(&edges, steps, &more).map(|core| core.len()), Some(2), "one is not needed");
}

#[test]
fn a_run_is_believed_only_if_it_explains_everything() {
    use Step::{Begin, Commit};
    let explains = |text: &str, steps: &[Step], respects| {
        explains_snapshots(&history(&parse(text, false)), steps, (Promise::Snapshots, respects))
    };
    let apart = [Begin(0), Commit(0), Begin(1), Commit(1)];
    let together = [Begin(0), Begin(1), Commit(0), Commit(1)];
    let backwards = [Begin(1), Commit(1), Begin(0), Commit(0)];
    let skew = "T1: rx0 wy1 [0,2]; T2: ry0 wx1 [1,3]";
    assert!(explains(skew, &together, Order::Realtime));
    assert!(!explains(skew, &apart, Order::Plain), "the second should have read 1");
    assert!(!explains(skew, &together[..3], Order::Plain), "one never commits");
    assert!(!explains(skew, &[&together[..], &[Commit(1)]].concat(), Order::Plain), "one commits twice");
    assert!(!explains("T1: rx0 wx1; T2: rx0 wx2", &together, Order::Plain), "the update is lost");
    let lost = history(&parse("T1: rx0 wx1; T2: rx0 wx2", false));
    assert!(explains_snapshots(&lost, &together, (Promise::Prefixes, Order::Plain)), "prefixes allow that");
    let stale = "T1@A: wx1 [0,1]; T2@A: rx0 [2,3]";
    assert!(explains(stale, &together, Order::Plain));
    assert!(!explains(stale, &together, Order::Process), "it has written that itself");
    let apart_in_time = "T1: wx1 [0,1]; T2: rx0 [2,3]";
    assert!(explains(apart_in_time, &backwards, Order::Process));
    assert!(!explains(apart_in_time, &backwards, Order::Realtime), "it was over");
    assert!(!explains("T1: wx1 [0,1]!; T2: rx0 [2,3]", &apart, Order::Plain), "it failed");
    assert!(explains("T1: wx1 rx1 wx2; T2: rx2", &apart, Order::Plain), "own writes are seen");
    assert!(!explains("T1: wx1 rx0; T2: rx1", &apart, Order::Plain), "own writes are not seen");
}
