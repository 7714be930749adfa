//! A counter.

use crate::objects::counted;
use crate::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, Reply};

/// One counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Where it stands before anyone counts.
    pub initial: i64,
}

/// What one operation on a counter saw and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It added so much.
    Add(i64),
    /// It added so much, and that made so much.
    Made {
        /// How much it added.
        by: i64,
        /// Where the counter stood then.
        after: i64,
    },
    /// It stood here.
    Read(i64),
}

impl Model for Counter {
    type State = i64;
    type Action = Action;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, state: &i64, action: &Action) -> Option<i64> {
        match action {
            Action::Add(by) => state.checked_add(*by),
            Action::Made { by, after } => state.checked_add(*by).filter(|sum| sum == after),
            Action::Read(seen) => (seen == state).then_some(*state),
        }
    }

    fn observes(&self, action: &Action) -> bool {
        match action {
            Action::Read(_) => true,
            Action::Add(by) | Action::Made { by, .. } => *by == 0,
        }
    }
}

impl Object for Counter {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        match (op.call, op.outcome) {
            (Call::Increment { .. }, Outcome::Fail(_))
            | (Call::Count { .. }, Outcome::Fail(_) | Outcome::Unknown(_)) => Meaning::Nothing,
            (Call::Increment { by, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => match by {
                0 => Meaning::Nothing,
                by => Meaning::Action(Action::Add(*by)),
            },
            (Call::Increment { by, .. }, Outcome::Ok(Reply::Count(after))) => {
                Meaning::Action(Action::Made { by: *by, after: *after })
            }
            (Call::Count { .. }, Outcome::Ok(Reply::Count(seen))) => Meaning::Action(Action::Read(*seen)),
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        match counted::judge(self.initial, items) {
            Some(Ok(())) => Quick::Fine("steps of a counter"),
            Some(Err(flaw)) => Quick::Wrong("steps of a counter", flaw),
            None => match counted::within_bounds(self.initial, items) {
                Ok(()) => Quick::Unsure,
                Err(flaw) => Quick::Wrong("bounds of a counter", flaw),
            },
        }
    }

    fn relax(&self, action: &Action) -> Option<Action> {
        match action {
            Action::Add(by) | Action::Made { by, .. } if *by != 0 => Some(Action::Add(*by)),
            _ => None,
        }
    }
}
