//! From a history to the operations that a check of linearizability must explain (`CHECKERS.md` §A).
//!
//! * A failed operation had no effect and is dropped. A compare-and-set that failed because it found something
//!   else is kept as what it is: a read.
//! * A read whose answer is unknown demands nothing and changes nothing, so it is dropped.
//! * A change whose outcome is unknown may happen at any time after its invocation: it returns [`NEVER`].
//! * A compare-and-set from a value to itself is a read.

use crate::models::register::Action;
use history::{Call, History, Key, Op, Outcome, Refusal, Reply};
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
    /// Where each key's items begin, and the end.
    bounds: Vec<usize>,
    /// All items, those of a key together and in the order of invocation.
    items: Vec<Item<Action>>,
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
        let ops = history.ops();
        let mut prepared = Prepared { ops: ops.len(), ..Prepared::default() };
        let mut slots = FxHashMap::default();
        let mut items = Vec::with_capacity(ops.len());
        let mut places = Vec::with_capacity(ops.len());
        let mut sizes = Vec::new();
        for op in ops {
            prepared.unknown += usize::from(op.outcome.is_unknown());
            let key = op.call.key();
            let slot = *slots.entry(key).or_insert_with(|| {
                prepared.keys.push(key);
                sizes.push(0);
                sizes.len() as u32 - 1
            });
            match meaning(&op)? {
                Meaning::Nothing => {}
                Meaning::RefusedWithoutCause => prepared.refused.push((key, op.invoked)),
                Meaning::Item(item) => {
                    sizes[slot as usize] += 1;
                    places.push(slot);
                    items.push(item);
                }
            }
        }
        prepared.group(items, &places, &sizes);
        Ok(prepared)
    }

    /// The items of the key at `place`.
    pub fn items(&self, place: usize) -> &[Item<Action>] {
        &self.items[self.bounds[place]..self.bounds[place + 1]]
    }

    fn group(&mut self, items: Vec<Item<Action>>, places: &[u32], sizes: &[usize]) {
        self.bounds.push(0);
        for size in sizes {
            self.bounds.push(self.bounds[self.bounds.len() - 1] + size);
        }
        if sizes.len() <= 1 {
            self.items = items;
            return;
        }
        let mut next = self.bounds.clone();
        let blank = Item { action: Action::Read(None), invoked: 0, returned: 0 };
        self.items = vec![blank; items.len()];
        for (item, place) in items.into_iter().zip(places) {
            let at = &mut next[*place as usize];
            self.items[*at] = item;
            *at += 1;
        }
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

/// Drops every change of unknown outcome that nobody can have seen, for it might as well not have happened
/// (`CHECKERS.md` §B.5.1). What is left is linearizable exactly if everything was.
pub(crate) fn without_unseen(items: &[Item<Action>]) -> Vec<Item<Action>> {
    // The last return of an operation that saw the value and certainly happened, or may have.
    let mut seen = FxHashMap::default();
    let mut kept = vec![false; items.len()];
    let mut grown = true;
    let note = |item: &Item<Action>, seen: &mut FxHashMap<_, u32>| {
        if let Some(saw) = item.action.saw() {
            let last = seen.entry(saw).or_default();
            *last = item.returned.max(*last);
        }
    };
    for (item, kept) in items.iter().zip(&mut kept).filter(|(item, _)| item.returned != NEVER) {
        *kept = true;
        note(item, &mut seen);
    }
    while grown {
        grown = false;
        for (item, kept) in items.iter().zip(&mut kept).filter(|(_, kept)| !**kept) {
            if seen.get(&item.action.left()).is_some_and(|last| item.invoked < *last) {
                (*kept, grown) = (true, true);
                note(item, &mut seen);
            }
        }
    }
    items.iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| *item).collect()
}
