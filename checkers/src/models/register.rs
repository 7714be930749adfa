//! A register with reads, writes and compare-and-set.

use crate::Model;
use history::Value;

/// One register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Register {
    /// What it holds before anyone writes; `None` is nothing at all.
    pub initial: Option<Value>,
}

/// What one operation on a register saw and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It saw this.
    Read(Option<Value>),
    /// It left this, whatever was there.
    Write(Value),
    /// It saw `expected` and left `new`.
    Cas {
        /// What it saw.
        expected: Option<Value>,
        /// What it left.
        new: Value,
    },
}

impl Action {
    /// What it saw, if it looked.
    pub fn saw(self) -> Option<Option<Value>> {
        match self {
            Action::Read(value) | Action::Cas { expected: value, .. } => Some(value),
            Action::Write(_) => None,
        }
    }

    /// What it left, if it changed anything.
    pub fn left(self) -> Option<Value> {
        match self {
            Action::Write(value) | Action::Cas { new: value, .. } => Some(value),
            Action::Read(_) => None,
        }
    }
}

impl Model for Register {
    type State = Option<Value>;
    type Action = Action;

    fn initial(&self) -> Option<Value> {
        self.initial
    }

    fn step(&self, state: Option<Value>, action: Action) -> Option<Option<Value>> {
        let possible = action.saw().is_none_or(|saw| saw == state);
        possible.then(|| action.left().map_or(state, Some))
    }

    fn observes(&self, action: Action) -> bool {
        action.left().is_none_or(|left| action.saw() == Some(Some(left)))
    }

    fn overwrites(&self, action: Action) -> bool {
        action.saw().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_does_what_registers_do() {
        let (model, one) = (Register::default(), Some(Value(1)));
        let cas = |expected, new| Action::Cas { expected, new: Value(new) };
        assert_eq!(model.step(None, Action::Write(Value(1))), Some(one));
        assert_eq!(model.step(one, Action::Read(one)), Some(one));
        assert_eq!(model.step(one, Action::Read(None)), None);
        assert_eq!(model.step(one, cas(one, 2)), Some(Some(Value(2))));
        assert_eq!(model.step(None, cas(one, 2)), None);
    }

    #[test]
    fn only_what_changes_nothing_observes() {
        let (model, one) = (Register::default(), Some(Value(1)));
        assert!(model.observes(Action::Read(None)));
        assert!(model.observes(Action::Cas { expected: one, new: Value(1) }));
        assert!(!model.observes(Action::Cas { expected: one, new: Value(2) }));
        assert!(!model.observes(Action::Write(Value(1))));
    }
}
