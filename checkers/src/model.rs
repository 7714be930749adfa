//! What a sequential object is.

use std::fmt;
use std::hash::Hash;

/// An object that serves one operation at a time: the specification that a concurrent object is held against.
///
/// An action is an operation together with its answer, so that a step either is possible or is not. A search
/// gives every state a number, so a state may be as large as it likes; it is copied once for every step tried.
pub trait Model: Sync {
    /// What the object remembers.
    type State: Clone + Eq + Hash + fmt::Debug + Send;
    /// What an operation demands of the state and does to it.
    type Action: Clone + Eq + Hash + fmt::Debug + Send + Sync;

    /// The state in the beginning.
    fn initial(&self) -> Self::State;

    /// The state after the action, or nothing if the object could not have answered so.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// Whether the action changes no state in which it is possible. A search may take it as soon as it can.
    fn observes(&self, action: &Self::Action) -> bool;

    /// Whether the action is possible in every state and leaves nothing of it. What went before it and was seen
    /// by nobody might as well not have happened. `false` is always right, and slower.
    fn overwrites(&self, _: &Self::Action) -> bool {
        false
    }

    /// Whether there are few states however often the same actions are repeated, as of a register, but not of a
    /// counter. Then a search may first forget that an unknown operation takes effect only once. `false` is
    /// always right, and slower.
    fn bounded(&self) -> bool {
        false
    }

    /// About how many bytes a state takes.
    fn weight(&self, _: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}
