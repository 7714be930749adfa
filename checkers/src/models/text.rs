//! A text that is put as a whole, appended to, and read as a whole: a key of a store of strings.

use crate::linearizable::prepare::without_unread;
use crate::objects::written;
use crate::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, Reply, Value};

impl Action {
    /// What it left at the end, if it changed anything.
    fn left(&self) -> Option<Value> {
        match self {
            Action::Put(value) | Action::Append(value) => Some(*value),
            Action::Get(_) => None,
        }
    }

    /// What it saw.
    fn saw(&self) -> &[Value] {
        if let Action::Get(all) = self { all } else { &[] }
    }
}

/// One text, empty in the beginning. It is told by the pieces that were put or appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text;

/// What one operation on a text saw and did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// It replaced everything by this.
    Put(Value),
    /// It put this at the end.
    Append(Value),
    /// It saw all this.
    Get(Box<[Value]>),
}

impl Model for Text {
    type State = Vec<Value>;
    type Action = Action;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, action: &Action) -> Option<Vec<Value>> {
        match action {
            Action::Put(value) => Some(vec![*value]),
            Action::Append(value) => Some(state.iter().chain([value]).copied().collect()),
            Action::Get(all) => (**all == **state).then(|| state.clone()),
        }
    }

    fn observes(&self, action: &Action) -> bool {
        matches!(action, Action::Get(_))
    }

    fn overwrites(&self, action: &Action) -> bool {
        matches!(action, Action::Put(_))
    }

    fn weight(&self, state: &Vec<Value>) -> usize {
        size_of::<Vec<Value>>() + state.len() * size_of::<Value>()
    }
}

impl Object for Text {
    #[inline]
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        match (op.call, op.outcome) {
            (Call::Write { .. } | Call::Append { .. }, Outcome::Fail(_))
            | (Call::Elements { .. }, Outcome::Fail(_) | Outcome::Unknown(_)) => Meaning::Nothing,
            (Call::Write { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Put(*value))
            }
            (Call::Append { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Append(*value))
            }
            (Call::Elements { .. }, Outcome::Ok(Reply::List(all))) => {
                Meaning::Action(Action::Get(all.as_slice().into()))
            }
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        match written::judge(items) {
            None => Quick::Unsure,
            Some(Ok(())) => Quick::Fine("pieces of a text"),
            Some(Err(flaw)) => Quick::Wrong("pieces of a text", flaw),
        }
    }

    fn prune(&self, items: Vec<Item<Action>>) -> Vec<Item<Action>> {
        without_unread(items, Action::left, Action::saw)
    }

    fn beginning(&self) -> String {
        "nothing".to_owned()
    }
}
