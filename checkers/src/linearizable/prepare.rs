//! From a history to the operations that a check of linearizability must explain.
//!
//! What each operation means is the object's business. A change whose outcome is unknown may happen at any time
//! after its invocation: it returns [`NEVER`]. An object whose calls are all about parts of it is as many objects.

use crate::models::register::Action;
use crate::{Flaw, Item, Meaning, NEVER, Object};
use history::{History, Key, Op, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// A history, taken apart by object.
#[derive(Debug)]
pub(crate) struct Prepared<A> {
    /// Every object, in the order of first use: its key, and which part of it, if its parts are objects of their
    /// own.
    pub objects: Vec<(Key, Option<Value>)>,
    /// The items of each of them, in the order of invocation.
    items: Vec<Vec<Item<A>>>,
    /// Answers that could never be right, with their keys.
    pub absurd: Vec<(Key, Flaw)>,
    /// How many keys there are.
    pub keys: usize,
    /// How many operations there were, of every outcome.
    pub ops: usize,
    /// How many of them ended unknown.
    pub unknown: usize,
    /// How many of them are known to have done or seen something.
    pub certain: usize,
}

/// Why a history is not one of such an object: the event whose answer does not fit its call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub String);

impl<A> Prepared<A> {
    /// Takes `history` apart, in one pass over it, or two if its objects may have parts.
    pub fn of<O: Object<Action = A>>(object: &O, history: &History) -> Result<Prepared<A>, Misfit> {
        if history.len() >= NEVER as usize / 2 {
            return Err(Misfit(format!("the history has {} events, more than can be judged", history.len())));
        }
        let mut prepared = Prepared {
            objects: Vec::new(),
            items: Vec::new(),
            absurd: Vec::new(),
            keys: 0,
            ops: history.ops().len(),
            unknown: 0,
            certain: 0,
        };
        let whole = prepared.find_whole(object, history);
        let (mut known, mut in_parts) = (FxHashMap::default(), FxHashSet::default());
        for op in history.ops() {
            let key = object.key(op.call).ok_or_else(|| misfit(&op))?;
            let part = object.part(op.call).filter(|_| !whole.contains(&key));
            let place = *known.entry((key, part)).or_insert(prepared.objects.len());
            if place == prepared.objects.len() {
                prepared.objects.push((key, part));
                prepared.items.push(Vec::new());
                prepared.keys += usize::from(part.is_none() || in_parts.insert(key));
            }
            let unknown = op.outcome.is_unknown();
            prepared.unknown += usize::from(unknown);
            match object.meaning(&op) {
                Meaning::Nothing => {}
                Meaning::Misfit => return Err(misfit(&op)),
                Meaning::Absurd(flaw) => prepared.absurd.push((key, flaw)),
                Meaning::Action(action) => {
                    let returned = op.completed.filter(|_| !unknown).map_or(NEVER, |at| at as u32);
                    let item = Item { action, invoked: op.invoked as u32, returned };
                    prepared.certain += usize::from(returned != NEVER);
                    prepared.items[place].push(item);
                }
            }
        }
        Ok(prepared)
    }

    /// The keys that some call is about as a whole, if there are parts at all.
    fn find_whole<O: Object<Action = A>>(&self, object: &O, history: &History) -> FxHashSet<Key> {
        if !object.in_parts() {
            return FxHashSet::default();
        }
        let whole = history.ops().filter(|op| object.part(op.call).is_none());
        whole.filter_map(|op| object.key(op.call)).collect()
    }

    /// The items of the object at `place`.
    pub fn items(&self, place: usize) -> &[Item<A>] {
        &self.items[place]
    }
}

fn misfit(op: &Op<'_>) -> Misfit {
    Misfit(format!(
        "event {}: {} was answered {:?}, which fits no such object",
        op.invoked, op.call, op.outcome
    ))
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
    use crate::models::register::Register;
    use history::text;

    fn kept(history: &str) -> Vec<u32> {
        let history = text::parse(history).unwrap();
        let prepared = Prepared::of(&Register::default(), &history).unwrap();
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
