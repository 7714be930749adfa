//! The algorithms against the oracle, against each other, and against a table of named histories.

mod exhaustive;
mod limits;
mod oracle;
mod random;
pub(crate) mod shapes;
mod stories;
mod table;

use super::meter::Meter;
use super::prepare::without_unseen;
use super::search::{Answer, search};
use super::{Linearizable, greedy, sources, unique, witness};
use crate::Item;
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
    for items in [items, &without_unseen(items.to_vec())] {
        let stuck = super::search::stuck(&model, items, &meter);
        assert!(!(stuck && expected), "the refuting search, from {initial:?}: {items:?}");
        let doubtful = items.iter().any(|item| item.returned == crate::NEVER);
        assert!(doubtful || stuck != expected, "the refuting search, from {initial:?}: {items:?}");
        if let Some(order) = greedy::order(&model, items) {
            assert!(expected, "greedy, from {initial:?}: {items:?}");
            assert!(witness::explains(&model, items, &order), "the greedy order is none: {items:?}");
        }
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
    // Nothing can be wrong where nothing is known to have happened.
    let vacuous = report.summary.starts_with("vacuous");
    assert!(vacuous || report.verdict != Verdict::Unknown, "{}", report.summary);
    vacuous || report.verdict == Verdict::Valid
}

fn shown(history: &History) -> String {
    history.ops().map(|op| text::show(&op)).collect::<Vec<_>>().join("; ")
}
