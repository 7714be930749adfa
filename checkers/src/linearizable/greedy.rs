//! An order for histories in which little happens at once, without a search: each operation takes effect when it returns,
//! unless that is not possible and another that is open, taking effect before it, makes it possible.
//!
//! Nothing is ever taken back, so that no order is found for some histories that have one. Where few operations overlap, as on
//! each of many objects, there mostly is one, for a fraction of what the preparation of a search costs.

use super::search::SHORT;
use crate::{Item, Model, NEVER};

/// An order in which `items`, sorted by invocation, explain everything, if one is found so. What is unknown did not happen.
pub(super) fn order<M: Model>(model: &M, items: &[Item<M::Action>]) -> Option<Vec<u32>> {
    // A state may be large, and every step copies it.
    if items.len() > SHORT {
        return None;
    }
    let (order, left) = (Vec::with_capacity(items.len()), STEPS * items.len());
    let mut greedy = Greedy { model, items, state: model.initial(), open: Vec::new(), order, left };
    for (number, item) in (0u32..).zip(items) {
        greedy.settle(item.invoked)?;
        if item.returned != NEVER {
            greedy.open.push(number);
        }
    }
    greedy.settle(NEVER)?;
    Some(greedy.order)
}

/// For each operation, so many steps may be tried: where it takes more, much happens at once.
const STEPS: usize = 4;

struct Greedy<'a, M: Model> {
    model: &'a M,
    items: &'a [Item<M::Action>],
    state: M::State,
    /// What was called and has not taken effect yet.
    open: Vec<u32>,
    order: Vec<u32>,
    /// How many more steps may be tried.
    left: usize,
}

impl<M: Model> Greedy<'_, M> {
    /// Lets everything take effect that returns up to here.
    fn settle(&mut self, at: u32) -> Option<()> {
        let returned = |greedy: &Self, place: usize| greedy.item(greedy.open[place]).returned;
        while let Some(first) = (0..self.open.len()).min_by_key(|place| returned(self, *place)) {
            if returned(self, first) > at {
                break;
            }
            let first = self.open.swap_remove(first);
            self.take_with_help(first)?;
        }
        Some(())
    }

    fn item(&self, number: u32) -> &Item<M::Action> {
        &self.items[number as usize]
    }

    /// The state after an operation here, if it is possible.
    fn step(&mut self, number: u32) -> Option<M::State> {
        self.left = self.left.checked_sub(1)?;
        self.model.step(&self.state, &self.item(number).action)
    }

    fn take(&mut self, number: u32, after: M::State) {
        self.order.push(number);
        self.state = after;
    }

    fn take_with_help(&mut self, number: u32) -> Option<()> {
        let alone = self.step(number);
        if self.model.observes(&self.item(number).action) && alone.is_some() {
            self.order.push(number);
            return Some(());
        }
        self.let_observe();
        let after = match alone {
            Some(after) => after,
            None => {
                let (helper, between, after) = (0..self.open.len()).find_map(|helper| {
                    let between = self.step(self.open[helper])?;
                    let after = self.model.step(&between, &self.item(number).action)?;
                    Some((helper, between, after))
                })?;
                let helper = self.open.swap_remove(helper);
                self.take(helper, between);
                self.let_observe();
                after
            }
        };
        self.take(number, after);
        Some(())
    }

    /// The state is about to change: whoever is open, only observes and can, does so before.
    fn let_observe(&mut self) {
        let mut place = 0;
        while let Some(number) = self.open.get(place).copied() {
            let observes = self.model.observes(&self.item(number).action);
            if observes && self.step(number).is_some() {
                self.order.push(self.open.swap_remove(place));
            } else {
                place += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::witness::explains;
    use super::*;
    use crate::linearizable::Prepared;
    use crate::models::register::Register;
    use history::text;

    /// Whether an order is found; if so, it is one.
    fn finds(history: &str) -> bool {
        let (model, history) = (Register::default(), text::parse(history).unwrap());
        let items = Prepared::of(&model, &history).unwrap().items(0);
        let order = order(&model, &items);
        assert!(order.as_ref().is_none_or(|order| explains(&model, &items, order)), "{order:?}");
        order.is_some()
    }

    #[test]
    fn one_after_the_other_is_an_order() {
        assert!(finds("A:w1[0,1]; B:r1[2,3]; A:cas(1,2)[4,5]; B:r2[6,7]"));
        assert!(!finds("A:w1[0,1]; B:w2[2,3]; A:r1[4,5]"));
    }

    #[test]
    fn who_overlaps_helps() {
        assert!(finds("A:w1[0,3]; B:r1[1,2]"), "what was read is written before it returns");
        assert!(finds("A:rnil[0,3]; B:w1[1,2]; C:r1[4,5]"), "who looks does so before the state changes");
        assert!(finds("A:w1[0,5]; B:r1[1,4]; C:r1[2,3]; D:r1[6,7]"), "and as soon as somebody helped");
        assert!(finds("A:w1[0,?]; B:rnil[1,2]"), "what is unknown need not have happened");
    }

    #[test]
    fn nothing_is_taken_back() {
        assert!(!finds("A:w1[0,2]; B:w2[1,3]; C:r1[4,5]"), "the other way around there is an order");
        assert!(!finds("A:w1[0,?]; B:r1[1,2]"), "what is unknown may have happened");
    }
}
