//! A register that is written by the holders of a lock, and refuses those who lost it: fencing.

use crate::{Item, Meaning, Model, Object, Quick, stages};
use history::{Call, Op, Outcome, Reply, Value};

/// One guarded register, which holds nothing in the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guarded;

/// What one operation on a guarded register saw and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It saw this.
    Read(Option<Value>),
    /// It left `value` on behalf of the holder with `token`, and no larger token had been seen.
    Write {
        /// What it left.
        value: Value,
        /// With which token.
        token: u64,
    },
}

impl Model for Guarded {
    /// What it holds, and the largest token that it saw.
    type State = (Option<Value>, u64);
    type Action = Action;

    fn initial(&self) -> Self::State {
        (None, 0)
    }

    fn step(&self, state: &Self::State, action: &Action) -> Option<Self::State> {
        match action {
            Action::Read(seen) => (*seen == state.0).then_some(*state),
            Action::Write { value, token } => (*token >= state.1).then_some((Some(*value), *token)),
        }
    }

    fn observes(&self, action: &Action) -> bool {
        matches!(action, Action::Read(_))
    }

    fn bounded(&self) -> bool {
        true
    }
}

impl Object for Guarded {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        match (op.call, op.outcome) {
            (Call::Guarded { .. }, Outcome::Fail(_))
            | (Call::Read { .. }, Outcome::Fail(_) | Outcome::Unknown(_)) => Meaning::Nothing,
            (Call::Guarded { value, token, .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Write { value: *value, token: *token })
            }
            (Call::Read { .. }, Outcome::Ok(Reply::Read(seen))) => Meaning::Action(Action::Read(*seen)),
            _ => Meaning::Misfit,
        }
    }

    /// Certain writes must come in the order of their tokens, whatever was read.
    fn quick(&self, items: &[Item<Action>]) -> Quick {
        let writes: Vec<_> = (items.iter())
            .filter_map(|item| match item.action {
                Action::Write { token, .. } => {
                    Some(stages::Staged { invoked: item.invoked, returned: item.returned, stage: token })
                }
                Action::Read(_) => None,
            })
            .filter(|write| write.returned != crate::NEVER)
            .collect();
        match stages::scan(&writes) {
            Ok(()) if writes.len() == items.len() => Quick::Fine("tokens of writes"),
            Ok(()) => Quick::Unsure,
            Err(late) => Quick::Wrong(
                "tokens of writes",
                crate::Flaw::new("stale token accepted")
                    .op(late.later)
                    .say(" had returned by ")
                    .at(late.returned)
                    .say(". After that ")
                    .op(late.earlier)
                    .say(" was accepted, with a smaller token: its holder had lost the lock."),
            ),
        }
    }

    fn beginning(&self) -> String {
        "nil".to_owned()
    }
}
