//! A set.

use crate::objects::grown;
use crate::{Flaw, Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, Reply, Value};

/// One set, empty in the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Set;

/// What one operation on a set saw and did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Now it is in there.
    Add(Value),
    /// It was not in there, and now it is.
    Insert(Value),
    /// Now it is not in there.
    Remove(Value),
    /// It was in there, and now it is not.
    Delete(Value),
    /// Whether it is in there.
    Contains(Value, bool),
    /// What all is in there, ascending.
    Elements(Box<[Value]>),
}

impl Model for Set {
    /// Ascending.
    type State = Vec<Value>;
    type Action = Action;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, action: &Action) -> Option<Vec<Value>> {
        let found = |value: &Value| state.binary_search(value);
        let mut after = state.clone();
        match action {
            Action::Add(value) | Action::Insert(value) => match found(value) {
                Ok(_) if matches!(action, Action::Insert(_)) => return None,
                Ok(_) => {}
                Err(at) => after.insert(at, *value),
            },
            Action::Remove(value) | Action::Delete(value) => match found(value) {
                Ok(at) => drop(after.remove(at)),
                Err(_) if matches!(action, Action::Delete(_)) => return None,
                Err(_) => {}
            },
            Action::Contains(value, is) if found(value).is_ok() != *is => return None,
            Action::Elements(all) if **all != **state => return None,
            Action::Contains(..) | Action::Elements(_) => {}
        }
        Some(after)
    }

    fn observes(&self, action: &Action) -> bool {
        matches!(action, Action::Contains(..) | Action::Elements(_))
    }

    fn bounded(&self) -> bool {
        true
    }

    fn weight(&self, state: &Vec<Value>) -> usize {
        size_of::<Vec<Value>>() + state.len() * size_of::<Value>()
    }
}

impl Object for Set {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        let contains = |value: &Value, is| Meaning::Action(Action::Contains(*value, is));
        match (op.call, op.outcome) {
            (Call::Add { .. } | Call::Remove { .. }, Outcome::Fail(_))
            | (Call::Contains { .. } | Call::Elements { .. }, Outcome::Fail(_) | Outcome::Unknown(_)) => {
                Meaning::Nothing
            }
            (Call::Add { value, .. }, Outcome::Ok(Reply::Is(true))) => {
                Meaning::Action(Action::Insert(*value))
            }
            (Call::Add { value, .. }, Outcome::Ok(Reply::Is(false))) => contains(value, true),
            (Call::Add { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Add(*value))
            }
            (Call::Remove { value, .. }, Outcome::Ok(Reply::Is(true))) => {
                Meaning::Action(Action::Delete(*value))
            }
            (Call::Remove { value, .. }, Outcome::Ok(Reply::Is(false))) => contains(value, false),
            (Call::Remove { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Remove(*value))
            }
            (Call::Contains { value, .. }, Outcome::Ok(Reply::Is(is))) => contains(value, *is),
            (Call::Elements { .. }, Outcome::Ok(Reply::List(all))) => elements(op.invoked as u32, all),
            _ => Meaning::Misfit,
        }
    }

    fn part(&self, call: &Call) -> Option<Value> {
        match call {
            Call::Add { value, .. } | Call::Remove { value, .. } | Call::Contains { value, .. } => {
                Some(*value)
            }
            _ => None,
        }
    }

    fn in_parts(&self) -> bool {
        true
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        match grown::judge(items) {
            None => Quick::Unsure,
            Some(Ok(())) => Quick::Fine("sizes of a set"),
            Some(Err(flaw)) => Quick::Wrong("sizes of a set", flaw),
        }
    }

    fn relax(&self, action: &Action) -> Option<Action> {
        match action {
            Action::Insert(value) => Some(Action::Add(*value)),
            Action::Delete(value) => Some(Action::Remove(*value)),
            Action::Add(_) | Action::Remove(_) => Some(action.clone()),
            Action::Contains(..) | Action::Elements(_) => None,
        }
    }

    fn beginning(&self) -> String {
        "nothing".to_owned()
    }
}

/// What a read of the whole set means: the order of its answer does not matter, but nothing is in a set twice.
fn elements(invoked: u32, all: &[Value]) -> Meaning<Action> {
    let mut all: Box<[Value]> = all.into();
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Meaning::Action(Action::Elements(all)),
        Some(pair) => Meaning::Absurd(
            Flaw::new("duplicate element")
                .op(invoked)
                .say(format!(" found {} more than once. Nothing is in a set more than once.", pair[0])),
        ),
    }
}
