//! Every small history of transactions, against the oracles.

use super::notation::{Do, End, Txn, history};
use super::oracle::{Respect, causally, prefixes, serializable, snapshot};
use crate::{Budget, Checker, Isolation, ListAppend, RwRegister, Verdict};
use rayon::prelude::*;

/// Two transactions in one session, and one beside them; or three that are open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Session,
    Apart,
}

/// What a transaction does: whether each part writes, and which of two objects.
type Program = Vec<(bool, u64)>;

/// Every program of one or two parts.
fn programs() -> Vec<Program> {
    let parts: Vec<(bool, u64)> =
        [false, true].into_iter().flat_map(|write| [(write, 0), (write, 1)]).collect();
    let two = parts.iter().flat_map(|one| parts.iter().map(|other| vec![*one, *other]));
    parts.iter().map(|one| vec![*one]).chain(two).collect()
}

fn swapped(program: &Program) -> Program {
    program.iter().map(|(write, key)| (*write, 1 - key)).collect()
}

/// Three programs each, up to the names of objects, and of transactions where those are alike.
fn choices(shape: Shape) -> Vec<[Program; 3]> {
    let all = programs();
    let place = |program: &Program| all.iter().position(|one| one == program).unwrap();
    let mut choices = Vec::new();
    for one in 0..all.len() {
        for two in 0..all.len() {
            for three in 0..all.len() {
                let numbers = [one, two, three];
                let mut other = numbers.map(|number| place(&swapped(&all[number])));
                let fits = match shape {
                    Shape::Session => all[one][0].1 == 0,
                    Shape::Apart => {
                        other.sort_unstable();
                        numbers.is_sorted() && numbers <= other
                    }
                };
                if fits {
                    choices.push(numbers.map(|number| all[number].clone()));
                }
            }
        }
    }
    choices
}

/// Everything that a read may get, of the values written to an object.
fn answers(written: &[i64], lists: bool) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    let mut begin = 0;
    while begin < all.len() {
        let shorter: Vec<i64> = all[begin].clone();
        begin += 1;
        if lists || shorter.is_empty() {
            let more = written.iter().filter(|value| !shorter.contains(value));
            all.extend(more.map(|value| shorter.iter().chain([value]).copied().collect::<Vec<i64>>()));
        }
    }
    all
}

/// Calls `visit` with every history of these programs.
fn each(shape: Shape, programs: &[Program; 3], lists: bool, visit: &mut dyn FnMut(&[Txn])) {
    let places = match shape {
        Shape::Session => [(0, 0, 1), (0, 2, 5), (1, 3, 4)],
        Shape::Apart => [(0, 0, 3), (1, 1, 4), (2, 2, 5)],
    };
    let mut written = [Vec::new(), Vec::new()];
    let mut value = 0;
    let mut txns: Vec<Txn> = Vec::new();
    for (program, (process, invoked, completed)) in programs.iter().zip(places) {
        let mut parts = Vec::new();
        for (write, key) in program {
            parts.push(match (write, lists) {
                (false, true) => Do::List(*key, Vec::new()),
                (false, false) => Do::Read(*key, None),
                (true, lists) => {
                    value += 1;
                    written[*key as usize].push(value);
                    if lists { Do::Append(*key, value) } else { Do::Write(*key, value) }
                }
            });
        }
        txns.push(Txn { process, invoked, completed, end: End::Ok, parts });
    }
    let answers = written.map(|written| answers(&written, lists));
    fill(&mut txns, (0, 0), &answers, visit);
}

/// Fills in every answer to the reads from a part of a transaction on.
fn fill(
    txns: &mut [Txn],
    (txn, part): (usize, usize),
    answers: &[Vec<Vec<i64>>; 2],
    visit: &mut dyn FnMut(&[Txn]),
) {
    if txn == txns.len() {
        return visit(txns);
    }
    if part == txns[txn].parts.len() {
        return fill(txns, (txn + 1, 0), answers, visit);
    }
    match txns[txn].parts[part].clone() {
        Do::List(key, _) => {
            for answer in &answers[key as usize] {
                txns[txn].parts[part] = Do::List(key, answer.clone());
                fill(txns, (txn, part + 1), answers, visit);
            }
        }
        Do::Read(key, _) => {
            for answer in &answers[key as usize] {
                txns[txn].parts[part] = Do::Read(key, answer.first().copied());
                fill(txns, (txn, part + 1), answers, visit);
            }
        }
        Do::Append(..) | Do::Write(..) => fill(txns, (txn, part + 1), answers, visit),
    }
}

/// Judges one history against every model that there is an oracle for.
fn judge(shape: Shape, txns: &[Txn], lists: bool) -> [u64; 4] {
    use Isolation::*;
    let told = history(txns);
    let says = |expect: Isolation| {
        let checker: Box<dyn Checker> = match lists {
            true => Box::new(ListAppend::new(expect)),
            false => Box::new(RwRegister::new(expect)),
        };
        let report = checker.check(&told, &Budget::default());
        (report.verdict, report.summary)
    };
    // What is open at once is ordered by nothing; the two in a session are ordered by time as well.
    let (respect, serial, snapshots) = match shape {
        Shape::Apart => (Respect::Nothing, Serializable, SnapshotIsolation),
        Shape::Session => (Respect::Sessions, StrongSessionSerializable, StrongSessionSnapshotIsolation),
    };
    let strong = match shape {
        Shape::Apart => vec![(serial, serializable(txns, respect)), (snapshots, snapshot(txns, respect))],
        Shape::Session => {
            let (order, moments) = (serializable(txns, respect), snapshot(txns, respect));
            vec![
                (serial, order),
                (StrictSerializable, serializable(txns, Respect::Time)),
                (snapshots, moments),
            ]
        }
    };
    let mut counts = [0; 4];
    for (model, expected) in strong {
        let (verdict, summary) = says(model);
        let hidden = summary.starts_with("vacuous") || summary.starts_with("not serializable, and nobody");
        assert!(verdict != Verdict::Unknown || hidden, "{model}: {summary} {txns:#?}");
        assert!(
            (verdict != Verdict::Invalid) == expected || hidden,
            "{model}, {expected}: {summary} {txns:#?}"
        );
        counts[usize::from(expected)] += 1;
    }
    if lists {
        return counts;
    }
    let weak = [RcAtomicVisibility, ReadAtomic, Causal].into_iter().enumerate();
    let agrees = txns.iter().all(super::registers::agrees);
    for (model, expected) in weak.map(|(rule, model)| (model, causally(txns, rule))).filter(|_| agrees) {
        let (verdict, summary) = says(model);
        assert!(verdict != Verdict::Unknown || summary.starts_with("vacuous"), "{model}: {summary}");
        // What was read before it was written last is none of the axioms' business.
        let direct = ["G1", "future"].iter().any(|name| summary.contains(name));
        let fits = (verdict != Verdict::Invalid) == expected || direct;
        assert!(fits, "{model}, {expected}: {summary} {txns:#?}");
        counts[2 + usize::from(expected)] += 1;
    }
    let (verdict, summary) = says(PrefixConsistency);
    let expected = prefixes(txns);
    assert!(verdict != Verdict::Unknown || summary.starts_with("vacuous"), "prefix: {summary}");
    assert_eq!(verdict != Verdict::Invalid, expected, "prefix: {summary} {txns:#?}");
    counts[2 + usize::from(expected)] += 1;
    counts
}

/// Judges every history of up to three transactions of two parts; of so many parts in all, at most. How many were broken
/// and kept, of the strong models and of the weak ones.
fn judge_all(lists: bool, most: usize) -> [u64; 4] {
    let sum = |one: [u64; 4], other: [u64; 4]| std::array::from_fn(|at| one[at] + other[at]);
    let all = [Shape::Session, Shape::Apart].into_iter().flat_map(|shape| {
        let small = |programs: &[Program; 3]| programs.iter().map(Vec::len).sum::<usize>() <= most;
        choices(shape).into_iter().filter(small).map(move |programs| (shape, programs)).collect::<Vec<_>>()
    });
    let all: Vec<(Shape, [Program; 3])> = all.collect();
    let judge = |(shape, programs): &(Shape, [Program; 3])| {
        let mut counts = [0; 4];
        each(*shape, programs, lists, &mut |txns| counts = sum(counts, judge(*shape, txns, lists)));
        counts
    };
    all.par_iter().map(judge).reduce(|| [0; 4], sum)
}

/// The numbers are what was counted when this was written; they can only change with the enumeration.
#[test]
fn every_history_of_registers_of_three_small_transactions() {
    assert_eq!(judge_all(false, 6), [88_974, 27_326, 60_371, 51_537]);
}

/// Those of lists are many, so the largest are for whoever asks for many cases.
#[test]
fn every_history_of_lists_of_three_small_transactions() {
    let most = if super::cases(0) > 100_000 { 6 } else { 5 };
    let counts = judge_all(true, most);
    assert!(most == 6 || counts == [78_482, 13_150, 0, 0], "{counts:?}");
}
