//! Could every value that was seen have come from anywhere? The cheapest necessary condition, with the clearest
//! stories, for registers whose values repeat.

use super::unique::Violation;
use crate::models::register::Action;
use crate::{Item, NEVER};
use history::Value;
use rustc_hash::FxHashMap;

/// The first operation that saw a value that nobody had begun to write when it returned.
pub(crate) fn check(initial: Option<Value>, items: &[Item<Action>]) -> Result<(), Violation> {
    let mut begun = FxHashMap::default();
    for item in items {
        let Some(left) = item.action.left() else { continue };
        begun.entry(left).or_insert(item.invoked);
    }
    for item in items.iter().filter(|item| item.returned != NEVER) {
        let Some(saw) = item.action.saw().filter(|saw| *saw != initial) else { continue };
        match saw.and_then(|value| begun.get(&value)) {
            None => return Err(Violation::Unwritten { seen_by: item.invoked }),
            Some(begun) if item.returned < *begun => {
                return Err(Violation::Disordered { later: item.returned, earlier: *begun });
            }
            Some(_) => {}
        }
    }
    Ok(())
}
