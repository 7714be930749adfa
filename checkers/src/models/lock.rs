//! A lock that knows who holds it.

use crate::objects::held;
use crate::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, ProcessId, Reply};

/// One lock, which nobody holds in the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock {
    /// Whether a holder may lose it without letting go, as when a lease runs out. Then only its fencing tokens
    /// can be judged: each must be larger than all before it.
    pub leases: bool,
}

/// What one operation on a lock did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It got hold of the lock.
    Acquire {
        /// Who.
        by: ProcessId,
        /// The fencing token that came with it.
        token: Option<u64>,
    },
    /// It let go of the lock.
    Release {
        /// Who.
        by: ProcessId,
    },
}

/// What a lock remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// Who holds it.
    pub by: Option<ProcessId>,
    /// The largest token that it gave.
    pub token: Option<u64>,
}

impl Model for Lock {
    type State = Held;
    type Action = Action;

    fn initial(&self) -> Held {
        Held { by: None, token: None }
    }

    fn step(&self, state: &Held, action: &Action) -> Option<Held> {
        match action {
            Action::Acquire { by, token } => {
                let free = self.leases || state.by.is_none();
                let larger = token.is_none() || *token > state.token;
                (free && larger).then_some(Held { by: Some(*by), token: (*token).max(state.token) })
            }
            Action::Release { by } if state.by == Some(*by) => Some(Held { by: None, ..*state }),
            Action::Release { .. } => self.leases.then_some(*state),
        }
    }

    fn observes(&self, _: &Action) -> bool {
        false
    }

    fn bounded(&self) -> bool {
        true
    }
}

impl Object for Lock {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        let by = op.process;
        let acquire = |token| Meaning::Action(Action::Acquire { by, token });
        match (op.call, op.outcome) {
            (Call::Acquire { .. } | Call::Release { .. }, Outcome::Fail(_)) => Meaning::Nothing,
            (Call::Acquire { .. }, Outcome::Ok(Reply::Held(token))) => acquire(*token),
            (Call::Acquire { .. }, Outcome::Ok(Reply::Done)) => acquire(None),
            // Its process is dead, so nobody ever lets go of what it may hold: at best it never got it.
            (Call::Acquire { .. }, Outcome::Unknown(_)) => Meaning::Nothing,
            (Call::Release { .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Release { by })
            }
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        let (by, result) = match self.leases {
            true => ("tokens of a lock", held::tokens(items)),
            false => ("holders of a lock", held::judge(items)),
        };
        result.map_or_else(|flaw| Quick::Wrong(by, flaw), |()| Quick::Fine(by))
    }

    fn beginning(&self) -> String {
        "nobody".to_owned()
    }
}
