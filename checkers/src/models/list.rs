//! A list that is appended to and read as a whole. A string that is appended to is one as well.

use crate::linearizable::prepare::without_unread;
use crate::objects::appended;
use crate::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, Reply, Value};

/// One list, empty in the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List;

/// What one operation on a list saw and did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// It put this at the end.
    Append(Value),
    /// It saw all this.
    Elements(Box<[Value]>),
}

impl Model for List {
    type State = Vec<Value>;
    type Action = Action;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, action: &Action) -> Option<Vec<Value>> {
        match action {
            Action::Append(value) => Some(state.iter().chain([value]).copied().collect()),
            Action::Elements(all) => (**all == **state).then(|| state.clone()),
        }
    }

    fn observes(&self, action: &Action) -> bool {
        matches!(action, Action::Elements(_))
    }

    fn weight(&self, state: &Vec<Value>) -> usize {
        size_of::<Vec<Value>>() + state.len() * size_of::<Value>()
    }
}

impl Object for List {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        match (op.call, op.outcome) {
            (Call::Append { .. }, Outcome::Fail(_))
            | (Call::Elements { .. }, Outcome::Fail(_) | Outcome::Unknown(_)) => Meaning::Nothing,
            (Call::Append { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Append(*value))
            }
            (Call::Elements { .. }, Outcome::Ok(Reply::List(all))) => {
                Meaning::Action(Action::Elements(all.clone().into()))
            }
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        match appended::judge(items) {
            None => Quick::Unsure,
            Some(Ok(())) => Quick::Fine("versions of a list"),
            Some(Err(flaw)) => Quick::Wrong("versions of a list", flaw),
        }
    }

    fn prune(&self, items: Vec<Item<Action>>) -> Vec<Item<Action>> {
        let left = |action: &Action| if let Action::Append(value) = action { Some(*value) } else { None };
        without_unread(items, left, |action| if let Action::Elements(all) = action { all } else { &[] })
    }

    fn beginning(&self) -> String {
        "nothing".to_owned()
    }
}
