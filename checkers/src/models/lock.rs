//! A lock that knows who holds it.

use crate::objects::held;
use crate::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Outcome, ProcessId, Reply};

/// One lock, which nobody holds in the beginning.
///
/// Who got it with a lease may lose it without letting go: it may then be given to somebody else at any time, with a
/// larger fencing token. That a lease lasts as long as it was given for is a promise about clocks, and not judged here
/// (see [`Leases`](crate::Leases)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock;

/// What one operation on a lock did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It got hold of the lock.
    Acquire {
        /// Who.
        by: ProcessId,
        /// The fencing token that came with it.
        token: Option<u64>,
        /// Whether only for a time.
        leased: bool,
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
    /// Who holds it, or held it last and has not let go.
    pub by: Option<ProcessId>,
    /// Whether only for a time, which may be over.
    pub leased: bool,
    /// The largest token that it gave.
    pub token: Option<u64>,
}

impl Model for Lock {
    type State = Held;
    type Action = Action;

    fn initial(&self) -> Held {
        Held { by: None, leased: false, token: None }
    }

    fn step(&self, state: &Held, action: &Action) -> Option<Held> {
        match action {
            Action::Acquire { by, token, leased } => {
                let free = state.by.is_none() || state.leased;
                let larger = token.is_none() || *token > state.token;
                let token = (*token).max(state.token);
                (free && larger).then_some(Held { by: Some(*by), leased: *leased, token })
            }
            Action::Release { by } => {
                (state.by == Some(*by)).then_some(Held { by: None, leased: false, ..*state })
            }
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
        let acquire = |token, lease: &Option<u64>| {
            Meaning::Action(Action::Acquire { by, token, leased: lease.is_some() })
        };
        match (op.call, op.outcome) {
            (Call::Acquire { .. } | Call::Release { .. }, Outcome::Fail(_)) => Meaning::Nothing,
            (Call::Acquire { lease_ms, .. }, Outcome::Ok(Reply::Held(token))) => acquire(*token, lease_ms),
            (Call::Acquire { lease_ms, .. }, Outcome::Ok(Reply::Done)) => acquire(None, lease_ms),
            // Its process is dead, so nobody ever lets go of what it may hold: at best it never got it.
            (Call::Acquire { .. }, Outcome::Unknown(_)) => Meaning::Nothing,
            (Call::Release { .. }, Outcome::Ok(Reply::Done) | Outcome::Unknown(_)) => {
                Meaning::Action(Action::Release { by })
            }
            _ => Meaning::Misfit,
        }
    }

    fn quick(&self, items: &[Item<Action>]) -> Quick {
        let is_leased = |item: &Item<Action>| matches!(item.action, Action::Acquire { leased: true, .. });
        let is_bare = |item: &Item<Action>| matches!(item.action, Action::Acquire { token: None, .. });
        let (by, result) = match items.iter().any(is_leased) {
            true if items.iter().any(is_bare) => return Quick::Unsure,
            true => ("tokens of a lock", held::by_tokens(items)),
            false => ("holders of a lock", held::judge(items)),
        };
        result.map_or_else(|flaw| Quick::Wrong(by, flaw), |()| Quick::Fine(by))
    }

    fn beginning(&self) -> String {
        "nobody".to_owned()
    }
}
