//! From a history to the operations that a check of linearizability must explain.
//!
//! * A failed operation had no effect and is dropped. A compare-and-set that failed because it found something
//!   else is kept as what it is: a read.
//! * A read whose answer is unknown demands nothing and changes nothing, so it is dropped.
//! * A change whose outcome is unknown may happen at any time after its invocation: it returns [`NEVER`].
//! * A compare-and-set from a value to itself is a read.

use crate::models::register::Action;
use history::{Call, History, Key, Op, Outcome, Refusal, Reply, Value};
use rustc_hash::FxHashMap;

/// Where an operation returns that need not have happened yet when the history ends.
pub(crate) const NEVER: u32 = u32::MAX;

/// One operation to be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<A> {
    /// What it saw and did.
    pub action: A,
    /// The index of its invocation.
    pub invoked: u32,
    /// The index of its return, or [`NEVER`].
    pub returned: u32,
}

/// A history, taken apart by key.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// Every key, in the order of first use.
    pub keys: Vec<Key>,
    /// The items of each of them, in the order of invocation.
    items: Vec<Vec<Item<Action>>>,
    /// Compare-and-sets that were refused although they found what they expected: their key and invocation.
    pub refused: Vec<(Key, usize)>,
    /// How many operations there were, of every outcome.
    pub ops: usize,
    /// How many of them ended unknown.
    pub unknown: usize,
}

/// Why a history is not one of a register: the event whose answer does not fit its call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub String);

/// What an operation means to the check.
enum Meaning {
    Nothing,
    Item(Item<Action>),
    RefusedWithoutCause,
}

impl Prepared {
    /// Takes `history` apart, in one pass over it.
    pub fn of(history: &History) -> Result<Prepared, Misfit> {
        if history.len() >= NEVER as usize / 2 {
            return Err(Misfit(format!("the history has {} events, more than can be judged", history.len())));
        }
        let mut prepared = Prepared { ops: history.ops().len(), ..Prepared::default() };
        let places = prepared.find_keys(history);
        for (op, place) in history.ops().zip(places) {
            prepared.unknown += usize::from(op.outcome.is_unknown());
            match meaning(&op)? {
                Meaning::Nothing => {}
                Meaning::RefusedWithoutCause => prepared.refused.push((op.call.key(), op.invoked)),
                Meaning::Item(item) => prepared.items[place as usize].push(item),
            }
        }
        Ok(prepared)
    }

    /// Finds every key and makes room for its items; the place of the key of each operation.
    fn find_keys(&mut self, history: &History) -> Vec<u32> {
        let mut known = FxHashMap::default();
        let mut sizes = Vec::new();
        let mut place_of = |op: Op<'_>| {
            let key = op.call.key();
            let place = *known.entry(key).or_insert(sizes.len() as u32);
            if place as usize == sizes.len() {
                self.keys.push(key);
                sizes.push(0);
            }
            sizes[place as usize] += 1;
            place
        };
        let places = history.ops().map(&mut place_of).collect();
        self.items = sizes.into_iter().map(Vec::with_capacity).collect();
        places
    }

    /// The items of the key at `place`.
    pub fn items(&self, place: usize) -> &[Item<Action>] {
        &self.items[place]
    }
}

fn meaning(op: &Op<'_>) -> Result<Meaning, Misfit> {
    let invoked = op.invoked as u32;
    let done = op.completed.map_or(NEVER, |at| at as u32);
    let item = |action, returned| Ok(Meaning::Item(Item { action, invoked, returned }));
    match (op.call, op.outcome) {
        (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => item(Action::Read(*value), done),
        (Call::Write { value, .. }, Outcome::Ok(Reply::Done)) => item(Action::Write(*value), done),
        (Call::Write { value, .. }, Outcome::Unknown(_)) => item(Action::Write(*value), NEVER),
        (Call::Cas { expected, new, .. }, Outcome::Ok(Reply::Done)) if *expected == Some(*new) => {
            item(Action::Read(*expected), done)
        }
        (Call::Cas { expected, new, .. }, Outcome::Unknown(_)) if *expected == Some(*new) => {
            Ok(Meaning::Nothing)
        }
        (Call::Cas { expected, new, .. }, Outcome::Ok(Reply::Done)) => {
            item(Action::Cas { expected: *expected, new: *new }, done)
        }
        (Call::Cas { expected, new, .. }, Outcome::Unknown(_)) => {
            item(Action::Cas { expected: *expected, new: *new }, NEVER)
        }
        (Call::Cas { expected, .. }, Outcome::Fail(Refusal::Mismatch { found })) if found == expected => {
            Ok(Meaning::RefusedWithoutCause)
        }
        (Call::Cas { .. }, Outcome::Fail(Refusal::Mismatch { found })) => item(Action::Read(*found), done),
        (_, Outcome::Fail(_)) | (Call::Read { .. }, Outcome::Unknown(_)) => Ok(Meaning::Nothing),
        (call, outcome @ Outcome::Ok(_)) => Err(Misfit(format!(
            "event {}: {call:?} was answered {outcome:?}, which fits no register",
            op.invoked
        ))),
    }
}

/// Drops every change of unknown outcome that nobody can have seen, for it might as well not have happened; and
/// of equal ones the later, if there are more than operations that could see one. What is left is linearizable
/// exactly if everything was.
pub(crate) fn without_unseen(items: &[Item<Action>]) -> Vec<Item<Action>> {
    let mut kept: Vec<bool> = items.iter().map(|item| item.returned != NEVER).collect();
    let mut sights = FxHashMap::default();
    items.iter().zip(&kept).filter(|(_, kept)| **kept).for_each(|(item, _)| note(item, &mut sights));
    let mut grown = true;
    while grown {
        grown = false;
        for (item, kept) in items.iter().zip(&mut kept).filter(|(_, kept)| !**kept) {
            if sights.get(&item.action.left()).is_some_and(|sights| item.invoked < sights.last) {
                (*kept, grown) = (true, true);
                note(item, &mut sights);
            }
        }
    }
    let mut equal: FxHashMap<Action, usize> = FxHashMap::default();
    let mut needed = |item: &Item<Action>| {
        let before = equal.entry(item.action).or_default();
        *before += 1;
        sights.get(&item.action.left()).is_some_and(|sights| *before <= sights.count)
    };
    let kept = items.iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| *item);
    kept.filter(|item| item.returned != NEVER || needed(item)).collect()
}

/// Who may have seen a value: how many, and the last return among them.
#[derive(Default)]
struct Sights {
    count: usize,
    last: u32,
}

fn note(item: &Item<Action>, sights: &mut FxHashMap<Option<Value>, Sights>) {
    if let Some(saw) = item.action.saw() {
        let sights = sights.entry(saw).or_default();
        sights.count += 1;
        sights.last = sights.last.max(item.returned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::text;

    fn kept(history: &str) -> Vec<u32> {
        let prepared = Prepared::of(&text::parse(history).unwrap()).unwrap();
        without_unseen(prepared.items(0)).iter().map(|item| item.invoked).collect()
    }

    #[test]
    fn an_unknown_change_that_nobody_can_have_seen_is_dropped() {
        assert_eq!(kept("A:w1[0,?]; B:r1[1,2]"), [0, 1]);
        assert_eq!(kept("A:w1[0,?]; B:r2[1,2]"), [1]);
        assert_eq!(kept("B:r1[0,1]; A:w1[2,?]"), [0], "the read was over");
    }

    #[test]
    fn an_unknown_change_is_kept_if_one_that_was_kept_may_have_seen_it() {
        assert_eq!(kept("A:w1[0,?]; B:cas(1,2)[1,?]; C:r2[2,3]"), [0, 1, 2]);
        assert_eq!(kept("A:w1[0,?]; B:cas(1,2)[1,?]; C:r3[2,3]"), [2]);
    }

    #[test]
    fn no_more_equal_ones_are_kept_than_could_be_seen() {
        assert_eq!(kept("A:w1[0,?]; B:w1[1,?]; C:w1[2,?]; D:r1[3,5]; E:r1[4,6]"), [0, 1, 3, 4]);
    }
}
