//! A queue: who comes out first is a matter of its order.

use crate::objects::{drains, fifo, priority, stack};
use crate::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, Reply, Value};

/// Who comes out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Whoever went in first: a queue.
    #[default]
    First,
    /// Whoever went in last: a stack.
    Last,
    /// The largest value: a priority queue.
    Largest,
}

/// One queue, empty in the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// Who comes out first.
    pub order: Order,
}

/// What one operation on a queue saw and did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// It put this in.
    Put(Value),
    /// It took this out; `None` if there was nothing.
    Take(Option<Value>),
    /// It took out whatever came first, if there was anything: nobody knows.
    TakeAny,
    /// It took out everything, and this was everything.
    Drain(Box<[Value]>),
    /// It took out everything, whatever that was.
    DrainAny,
}

impl Queue {
    /// Whoever went in first comes out first.
    pub const FIFO: Queue = Queue { order: Order::First };
    /// Whoever went in last comes out first.
    pub const STACK: Queue = Queue { order: Order::Last };
    /// The largest value comes out first.
    pub const PRIORITY: Queue = Queue { order: Order::Largest };

    fn take(&self, state: &mut Vec<Value>) -> Option<Value> {
        match self.order {
            Order::First => (!state.is_empty()).then(|| state.remove(0)),
            Order::Last | Order::Largest => state.pop(),
        }
    }
}

impl Model for Queue {
    /// In the order of arrival; of a priority queue, ascending.
    type State = Vec<Value>;
    type Action = Action;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, action: &Action) -> Option<Vec<Value>> {
        let mut after = state.clone();
        match action {
            Action::Put(value) if self.order == Order::Largest => {
                after.insert(after.partition_point(|other| other <= value), *value);
            }
            Action::Put(value) => after.push(*value),
            Action::Take(expected) if self.take(&mut after) != *expected => return None,
            Action::Take(_) => {}
            Action::TakeAny => drop(self.take(&mut after)),
            Action::Drain(all) => {
                let same = match self.order {
                    Order::First => all.iter().eq(state),
                    Order::Last | Order::Largest => all.iter().eq(state.iter().rev()),
                };
                if !same {
                    return None;
                }
                after.clear();
            }
            Action::DrainAny => after.clear(),
        }
        Some(after)
    }

    fn observes(&self, action: &Action) -> bool {
        match action {
            Action::Take(None) => true,
            Action::Drain(all) => all.is_empty(),
            _ => false,
        }
    }

    fn weight(&self, state: &Vec<Value>) -> usize {
        size_of::<Vec<Value>>() + state.len() * size_of::<Value>()
    }
}

impl Object for Queue {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        match (op.call, op.outcome) {
            (Call::Enqueue { .. } | Call::Dequeue { .. } | Call::Drain { .. }, Outcome::Fail(_)) => {
                Meaning::Nothing
            }
            (Call::Enqueue { value, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Put(*value))
            }
            (Call::Dequeue { .. }, Outcome::Ok(Reply::Read(value))) => Meaning::Action(Action::Take(*value)),
            (Call::Dequeue { .. }, Outcome::Unknown(_)) => Meaning::Action(Action::TakeAny),
            (Call::Drain { .. }, Outcome::Ok(Reply::List(all))) => {
                Meaning::Action(Action::Drain(all.clone().into()))
            }
            (Call::Drain { .. }, Outcome::Unknown(_)) => Meaning::Action(Action::DrainAny),
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        let deeds = drains::apart(items, self.order);
        let (by, result) = match self.order {
            Order::First => ("order of a queue", fifo::judge(&deeds)),
            Order::Last => ("order of a stack", stack::judge(&deeds)),
            Order::Largest => ("order of priorities", priority::judge(&deeds)),
        };
        match result {
            None => Quick::Unsure,
            Some(Ok(())) => Quick::Fine(by),
            Some(Err(flaw)) => Quick::Wrong(by, flaw),
        }
    }

    fn relax(&self, action: &Action) -> Option<Action> {
        match action {
            Action::Put(_) => Some(action.clone()),
            Action::Take(Some(_)) | Action::TakeAny => Some(Action::TakeAny),
            Action::Drain(_) | Action::DrainAny => Some(Action::DrainAny),
            Action::Take(None) => None,
        }
    }

    fn beginning(&self) -> String {
        "nothing".to_owned()
    }
}
