//! Whether nothing really explains these few operations: every *no* of a search is checked again, by code that
//! knows nothing of how it was found.

use crate::{Item, Model, NEVER};
use rustc_hash::FxHashSet;

/// After so many steps the check is given up, if a search alone says no.
pub(crate) const MANY: usize = 200_000;

/// The same if an algorithm that does not search says so as well: that is a second opinion already.
pub(crate) const FEW: usize = 5_000;

/// Whether no order explains these items; nothing if that would take more than `most` steps to say.
pub(crate) fn rules_out<M: Model>(model: &M, items: &[Item<M::Action>], most: usize) -> Option<bool> {
    if items.len() > 64 {
        return None;
    }
    let certain = (0..items.len()).filter(|at| items[*at].returned != NEVER);
    let all = certain.fold(0u64, |all, at| all | 1 << at);
    let mut tried = FxHashSet::default();
    let mut open = vec![(0u64, model.initial())];
    while let Some((done, state)) = open.pop() {
        if done & all == all {
            return Some(false);
        }
        if tried.len() >= most {
            return None;
        }
        if !tried.insert((done, state.clone())) {
            continue;
        }
        let left = |at: &usize| done & (1 << at) == 0;
        let first_return = (0..items.len()).filter(left).map(|at| items[at].returned).min();
        for at in (0..items.len()).filter(left) {
            if first_return.is_none_or(|first| items[at].invoked < first)
                && let Some(after) = model.step(&state, &items[at].action)
            {
                open.push((done | 1 << at, after));
            }
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::register::{Action, Register};
    use history::Value;

    #[test]
    fn only_what_cannot_be_is_ruled_out() {
        let item = |action, invoked, returned| Item { action, invoked, returned };
        let (write, read) = (Action::Write(Value(1)), |seen: Option<i64>| Action::Read(seen.map(Value)));
        let says = |items: &[Item<Action>]| rules_out(&Register::default(), items, MANY);
        assert_eq!(says(&[item(write, 0, 1), item(read(Some(1)), 2, 3)]), Some(false));
        assert_eq!(says(&[item(write, 0, 1), item(read(None), 2, 3)]), Some(true));
        assert_eq!(says(&[item(write, 0, 3), item(read(None), 1, 2)]), Some(false));
        assert_eq!(says(&[item(write, 0, NEVER), item(read(None), 2, 3)]), Some(false));
        assert_eq!(says(&vec![item(write, 0, 1); 65]), None);
    }
}
