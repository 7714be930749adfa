//! Laws that hold between the verdicts of related histories.

use super::cases;
use super::notation::{Do, End, Txn, history};
use super::random::histories;
use crate::{Budget, Checker, Isolation, ListAppend, RwRegister, Verdict};
use history::Chance;

/// What is said about each model: not invalid, or the summary. Only whether it is invalid if `names` are not wanted.
fn said(txns: &[Txn], lists: bool, names: bool) -> Vec<Option<String>> {
    let history = history(txns);
    let say = |expect: Isolation| {
        let checker: Box<dyn Checker> = match lists {
            true => Box::new(ListAppend::new(expect)),
            false => Box::new(RwRegister::new(expect)),
        };
        let report = checker.check(&history, &Budget::default());
        let summary = if names { report.summary } else { String::new() };
        (report.verdict == Verdict::Invalid).then_some(summary)
    };
    Isolation::ALL.into_iter().map(say).collect()
}

fn rename(part: &Do) -> Do {
    let value = |value: i64| 1_000 - 7 * value;
    match part {
        Do::Append(key, new) => Do::Append(9 - key, value(*new)),
        Do::List(key, list) => Do::List(9 - key, list.iter().copied().map(value).collect()),
        Do::Write(key, new) => Do::Write(9 - key, value(*new)),
        Do::Read(key, held) => Do::Read(9 - key, held.map(value)),
    }
}

#[test]
fn names_do_not_matter() {
    let chance = Chance::new(4);
    for case in 0..cases(9_000) / 30 {
        for lists in [true, false] {
            let txns = histories(&mut chance.split(&case.to_string()), lists);
            let mut renamed = txns.clone();
            for txn in &mut renamed {
                txn.parts = txn.parts.iter().map(rename).collect();
                txn.process = 50 - txn.process;
            }
            assert_eq!(said(&txns, lists, true), said(&renamed, lists, true), "case {case}: {txns:#?}");
        }
    }
}

#[test]
fn what_is_about_another_object_does_not_matter() {
    let chance = Chance::new(5);
    for case in 0..cases(9_000) / 30 {
        for lists in [true, false] {
            let txns = histories(&mut chance.split(&case.to_string()), lists);
            let mut more = txns.clone();
            let parts = match lists {
                true => vec![Do::Append(77, 5), Do::List(77, vec![5])],
                false => vec![Do::Write(77, 5), Do::Read(77, Some(5))],
            };
            more.push(Txn { process: 99, invoked: 100, completed: 101, end: End::Ok, parts });
            assert_eq!(said(&txns, lists, true), said(&more, lists, true), "case {case}: {txns:#?}");
        }
    }
}

/// From read committed on. What is weaker allows that reads of one list contradict one another; then nobody knows the order of
/// its elements, and to forget one of the reads is to know it.
#[test]
fn to_know_less_never_accuses() {
    let chance = Chance::new(6);
    for case in 0..cases(9_000) / 30 {
        for lists in [true, false] {
            let mut chance = chance.split(&case.to_string());
            let txns = histories(&mut chance, lists);
            let mut less = txns.clone();
            let one = chance.below(less.len() as u64) as usize;
            if less[one].end == End::Ok {
                less[one].end = End::Unknown;
                // Whoever is unknown never speaks again.
                for (seat, txn) in less.iter_mut().enumerate().skip(one + 1) {
                    txn.process += 100 * u32::from(txns[seat].process == txns[one].process);
                }
            }
            let (before, after) = (said(&txns, lists, false), said(&less, lists, false));
            let accused =
                Isolation::ALL.iter().zip(before.iter().zip(&after)).find(|(model, (before, after))| {
                    model.implies(Isolation::ReadCommitted) && before.is_none() && after.is_some()
                });
            assert!(accused.is_none(), "case {case}: {txns:#?}, then {less:#?}: {before:?}, then {after:?}");
        }
    }
}
