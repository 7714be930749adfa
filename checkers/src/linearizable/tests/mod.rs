//! The algorithms against the oracle, against each other, and against a table of named histories.

mod exhaustive;
mod limits;
mod oracle;
mod random;
mod simulate;
mod stories;
mod table;

use super::meter::Meter;
use super::prepare::{Item, without_unseen};
use super::search::{Answer, search};
use super::{Linearizable, sources, unique, witness};
use crate::models::register::{Action, Register};
use crate::{Budget, Checker, Verdict};
use history::{History, Value, text};

/// Lets every algorithm that can judge these items; all must say `expected`. Whether the values were unique.
fn both(initial: Option<Value>, items: &[Item<Action>], expected: bool) -> bool {
    let model = Register { initial };
    let meter = Meter::new(&Budget::default());
    let unique = unique::judge(initial, items).map(|result| result.is_ok());
    assert!(unique.is_none_or(|said| said == expected), "unique values, from {initial:?}: {items:?}");
    assert!(
        !expected || sources::check(initial, items).is_ok(),
        "unwritten values, from {initial:?}: {items:?}"
    );
    for items in [items, &without_unseen(items)] {
        match search(&model, items, &meter) {
            Answer::Order(order) => {
                assert!(expected, "search, from {initial:?}: {items:?}");
                assert!(witness::explains(&model, items, &order), "the order is none");
            }
            Answer::None { .. } => assert!(!expected, "search, from {initial:?}: {items:?}"),
            Answer::Gone { .. } => panic!("a budget of a minute was too little"),
        }
    }
    unique.is_some()
}

/// What the whole checker says, having been made to decide.
fn prepared_says(history: &History) -> bool {
    let report = Linearizable::default().check(history, &Budget::default());
    assert_ne!(report.verdict, Verdict::Unknown, "{}", report.summary);
    report.verdict == Verdict::Valid
}

fn shown(history: &History) -> String {
    history.ops().map(|op| text::show(&op)).collect::<Vec<_>>().join("; ")
}
