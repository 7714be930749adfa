//! Whether an order really explains everything: every *yes* of a search is checked again, by code that knows
//! nothing of how it was found.

use crate::{Item, Model, NEVER};

/// Whether `items` taking effect in this order, each at most once, is possible, keeps to real time, and leaves
/// out only those that need not have happened.
pub(crate) fn explains<M: Model>(model: &M, items: &[Item<M::Action>], order: &[u32]) -> bool {
    let mut state = model.initial();
    let mut latest = 0;
    let mut done = vec![false; items.len()];
    for number in order {
        let item = &items[*number as usize];
        let twice = std::mem::replace(&mut done[*number as usize], true);
        if twice || item.returned < latest {
            return false;
        }
        latest = latest.max(item.invoked);
        match model.step(&state, &item.action) {
            Some(after) => state = after,
            None => return false,
        }
    }
    items.iter().zip(done).all(|(item, done)| done || item.returned == NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::register::{Action, Register};
    use history::Value;

    #[test]
    fn only_a_true_order_explains() {
        let item = |action, invoked, returned| Item { action, invoked, returned };
        let (write, read) = (Action::Write(Value(1)), Action::Read(Some(Value(1))));
        let items = [item(write, 0, 1), item(read, 2, 3), item(write, 4, NEVER)];
        let says = |order: &[u32]| explains(&Register::default(), &items, order);
        assert!(says(&[0, 1]) && says(&[0, 1, 2]));
        assert!(!says(&[1, 0]), "a read of what is not there");
        assert!(!says(&[0]), "something that happened is missing");
        assert!(!says(&[0, 1, 2, 2]), "something happened twice");
        assert!(!says(&[2, 1, 0]), "real time runs backwards");
    }
}
