//! How an object is asked: from the calls of a history to the actions of a model.

use crate::{Flaw, Model};
use history::{Call, Key, Op, Value};

/// Where an operation returns that need not have happened yet when the history ends.
pub const NEVER: u32 = u32::MAX;

/// One operation to be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<A> {
    /// What it saw and did.
    pub action: A,
    /// The index of its invocation.
    pub invoked: u32,
    /// The index of its return, or [`NEVER`].
    pub returned: u32,
}

/// What an operation means to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning<A> {
    /// It demands nothing and changes nothing.
    Nothing,
    /// It did this; or may have done it, if its outcome is unknown.
    Action(A),
    /// No object could ever answer so, whatever else happened.
    Absurd(Flaw),
    /// The call or its answer is not one of this object: the checker was given the wrong history.
    Misfit,
}

/// What a quick algorithm found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quick {
    /// There is an order that explains everything.
    Fine(&'static str),
    /// There is none, for this reason.
    Wrong(&'static str, Flaw),
    /// It cannot tell: a search must.
    Unsure,
}

/// A [`Model`] that reads the calls of a history. Any type that implements both can be judged:
///
/// ```
/// # use tribunal_checkers as checkers;
/// use checkers::{Budget, Checker, Linearizable, Meaning, Model, Object, Verdict};
/// use history::{Call, Op, Outcome, Reply, text};
///
/// /// A register that only ever grows: it keeps the largest value that was written.
/// struct Largest;
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
/// enum Action {
///     Write(i64),
///     Read(i64),
/// }
///
/// impl Model for Largest {
///     type State = i64;
///     type Action = Action;
///
///     fn initial(&self) -> i64 {
///         0
///     }
///
///     fn step(&self, state: &i64, action: &Action) -> Option<i64> {
///         match action {
///             Action::Write(value) => Some(*state.max(value)),
///             Action::Read(seen) => (seen == state).then_some(*state),
///         }
///     }
///
///     fn observes(&self, action: &Action) -> bool {
///         matches!(action, Action::Read(_))
///     }
/// }
///
/// impl Object for Largest {
///     fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
///         match (op.call, op.outcome) {
///             (Call::Read { .. }, Outcome::Ok(Reply::Read(seen))) => {
///                 Meaning::Action(Action::Read(seen.map_or(0, |value| value.0)))
///             }
///             (Call::Read { .. }, _) | (_, Outcome::Fail(_)) => Meaning::Nothing,
///             (Call::Write { value, .. }, _) => Meaning::Action(Action::Write(value.0)),
///             _ => Meaning::Misfit,
///         }
///     }
/// }
///
/// let judge = Linearizable::new(Largest);
/// let fine = text::parse("A:w5[0,1]; B:w3[2,3]; C:r5[4,5]").unwrap();
/// assert_eq!(judge.check(&fine, &Budget::default()).verdict, Verdict::Valid);
/// let wrong = text::parse("A:w5[0,1]; B:w3[2,3]; C:r3[4,5]").unwrap();
/// assert_eq!(judge.check(&wrong, &Budget::default()).verdict, Verdict::Invalid);
/// ```
pub trait Object: Model + Send {
    /// What an operation means. A change whose outcome is unknown is an action like any other; that it need not
    /// have happened is no concern of this function.
    fn meaning(&self, op: &Op<'_>) -> Meaning<Self::Action>;

    /// The object that a call is about.
    fn key(&self, call: &Call) -> Option<Key> {
        call.key()
    }

    /// The part of the object that a call is about, if it is about one part alone. If all calls of a key are,
    /// then its parts are objects of their own, and each is judged by itself.
    fn part(&self, _: &Call) -> Option<Value> {
        None
    }

    /// Whether there are such parts at all.
    fn in_parts(&self) -> bool {
        false
    }

    /// Judges without a search, if that is possible. The items come in the order of their invocation.
    fn quick(&self, _: &[Item<Self::Action>]) -> Quick {
        Quick::Unsure
    }

    /// Looks for something that is wrong where [`quick`](Object::quick) cannot tell, and a first look for an order found
    /// none: cheaper than to search on, and easier to explain.
    fn refute(&self, _: &[Item<Self::Action>]) -> Option<(&'static str, Flaw)> {
        None
    }

    /// Leaves out changes of unknown outcome that nobody can have seen. What is left must be explicable exactly
    /// if everything was.
    fn prune(&self, items: Vec<Item<Self::Action>>) -> Vec<Item<Self::Action>> {
        items
    }

    /// The action with its demands forgotten as far as possible, when its outcome no longer counts; nothing if
    /// then nothing is left of it. Whatever an order explained, it still must.
    fn relax(&self, action: &Self::Action) -> Option<Self::Action> {
        (!self.observes(action)).then(|| action.clone())
    }

    /// What the object holds in the beginning, for people.
    fn beginning(&self) -> String {
        format!("{:?}", self.initial())
    }
}
