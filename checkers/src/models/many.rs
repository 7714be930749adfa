//! Several objects of one kind as one: for what is no matter of each object alone, such as sequential
//! consistency.

use crate::{Meaning, Model, Object};
use history::{Key, Op};

/// An object for every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Many<O>(pub O);

impl<O: Model> Model for Many<O> {
    /// Ascending by key; an object that is not there is as in the beginning.
    type State = Vec<(Key, O::State)>;
    type Action = (Key, O::Action);

    fn initial(&self) -> Self::State {
        Vec::new()
    }

    fn step(&self, state: &Self::State, (key, action): &Self::Action) -> Option<Self::State> {
        match state.binary_search_by_key(key, |(key, _)| *key) {
            Ok(at) => {
                let after = self.0.step(&state[at].1, action)?;
                let mut all = state.clone();
                all[at].1 = after;
                Some(all)
            }
            Err(at) => {
                let initial = self.0.initial();
                let after = self.0.step(&initial, action)?;
                let mut all = state.clone();
                if after != initial {
                    all.insert(at, (*key, after));
                }
                Some(all)
            }
        }
    }

    fn observes(&self, (_, action): &Self::Action) -> bool {
        self.0.observes(action)
    }

    fn weight(&self, state: &Self::State) -> usize {
        state.iter().map(|(_, state)| size_of::<Key>() + self.0.weight(state)).sum()
    }
}

impl<O: Object> Object for Many<O> {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Self::Action> {
        let Some(key) = self.0.key(op.call) else { return Meaning::Misfit };
        match self.0.meaning(op) {
            Meaning::Action(action) => Meaning::Action((key, action)),
            Meaning::Nothing => Meaning::Nothing,
            Meaning::Absurd(flaw) => Meaning::Absurd(flaw),
            Meaning::Misfit => Meaning::Misfit,
        }
    }
}
