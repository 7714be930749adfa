//! A register with reads, writes and compare-and-set.

use crate::linearizable::{once, prepare::without_unseen, sources, unique};
use crate::{Flaw, Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, Refusal, Reply, Value};
use std::hash::{Hash, Hasher};

/// One register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Register {
    /// What it holds before anyone writes; `None` is nothing at all.
    pub initial: Option<Value>,
}

/// What one operation on a register saw and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Hash for Action {
    /// One number tells most of them apart, and every operation of a history is hashed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (kind, saw, left) = match *self {
            Action::Read(None) => (0, 0, 0),
            Action::Read(Some(Value(saw))) => (1, saw, 0),
            Action::Write(Value(left)) => (2, 0, left),
            Action::Cas { expected: None, new: Value(left) } => (3, 0, left),
            Action::Cas { expected: Some(Value(saw)), new: Value(left) } => (4, saw, left),
        };
        state.write_u64(kind ^ ((saw as u64) << 3) ^ (left as u64).rotate_left(32));
    }
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

    fn step(&self, state: &Option<Value>, action: &Action) -> Option<Option<Value>> {
        let possible = action.saw().is_none_or(|saw| saw == *state);
        possible.then(|| action.left().map_or(*state, Some))
    }

    fn observes(&self, action: &Action) -> bool {
        action.left().is_none_or(|left| action.saw() == Some(Some(left)))
    }

    fn overwrites(&self, action: &Action) -> bool {
        action.saw().is_none()
    }

    fn bounded(&self) -> bool {
        true
    }
}

impl Object for Register {
    #[inline]
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        match (op.call, op.outcome) {
            (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => Meaning::Action(Action::Read(*value)),
            (Call::Write { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Write(*value))
            }
            (Call::Cas { expected, new, .. }, outcome) => cas(op.invoked as u32, *expected, *new, outcome),
            (Call::Write { .. }, Outcome::Fail(_))
            | (Call::Read { .. }, Outcome::Fail(_) | Outcome::Unknown(_)) => Meaning::Nothing,
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        let by = "unique values";
        match unique::judge(self.initial, items) {
            None => Quick::Unsure,
            Some(Ok(())) => Quick::Fine(by),
            Some(Err(flaw)) => Quick::Wrong(by, flaw.into()),
        }
    }

    fn refute(&self, items: &[Item<Action>]) -> Option<(&'static str, Flaw)> {
        match sources::check(self.initial, items) {
            Err(violation) => Some(("unwritten values", violation.into())),
            Ok(sources) => match once::check(&sources, items) {
                Err(violation) => Some(("values written once", violation.into())),
                Ok(()) => None,
            },
        }
    }

    fn prune(&self, items: Vec<Item<Action>>) -> Vec<Item<Action>> {
        without_unseen(items)
    }

    fn relax(&self, action: &Action) -> Option<Action> {
        action.left().map(Action::Write)
    }

    fn beginning(&self) -> String {
        self.initial.map_or_else(|| "nil".to_owned(), |value| value.to_string())
    }
}

/// A compare-and-set from a value to itself is a read. One that was refused because it found something else is
/// a read of that.
#[inline]
fn cas(invoked: u32, expected: Option<Value>, new: Value, outcome: &Outcome) -> Meaning<Action> {
    match outcome {
        Outcome::Ok(Reply::Done) if expected == Some(new) => Meaning::Action(Action::Read(expected)),
        Outcome::Unknown(_) if expected == Some(new) => Meaning::Nothing,
        Outcome::Ok(Reply::Done) | Outcome::Unknown(_) => Meaning::Action(Action::Cas { expected, new }),
        Outcome::Fail(Refusal::Mismatch { found }) if *found == expected => {
            let found = expected.map_or_else(|| "nil".to_owned(), |value| value.to_string());
            Meaning::Absurd(Flaw::new("refused without cause").op(invoked).say(format!(
                " was refused because the register held {found}. But {found} is what it expected: it should have \
                 succeeded."
            )))
        }
        Outcome::Fail(Refusal::Mismatch { found }) => Meaning::Action(Action::Read(*found)),
        Outcome::Fail(_) => Meaning::Nothing,
        Outcome::Ok(_) => Meaning::Misfit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_does_what_registers_do() {
        let (model, one) = (Register::default(), Some(Value(1)));
        let cas = |expected, new| Action::Cas { expected, new: Value(new) };
        assert_eq!(model.step(&None, &Action::Write(Value(1))), Some(one));
        assert_eq!(model.step(&one, &Action::Read(one)), Some(one));
        assert_eq!(model.step(&one, &Action::Read(None)), None);
        assert_eq!(model.step(&one, &cas(one, 2)), Some(Some(Value(2))));
        assert_eq!(model.step(&None, &cas(one, 2)), None);
    }

    #[test]
    fn only_what_changes_nothing_observes() {
        let (model, one) = (Register::default(), Some(Value(1)));
        assert!(model.observes(&Action::Read(None)));
        assert!(model.observes(&Action::Cas { expected: one, new: Value(1) }));
        assert!(!model.observes(&Action::Cas { expected: one, new: Value(2) }));
        assert!(!model.observes(&Action::Write(Value(1))));
    }
}
