//! A list to which unique values are appended, and which is read as a whole.
//!
//! The longest read tells the order of the appends; every other must be the beginning of it. The length of a read
//! is the version that it saw, so that the order of all operations is known. What was appended and never read came
//! after everything that was.

use crate::models::list::Action;
use crate::stages::{Late, Staged, scan};
use crate::{Flaw, Item, NEVER};
use history::Value;
use rustc_hash::FxHashMap;

/// Judges; nothing if some value was appended twice.
pub(crate) fn judge(items: &[Item<Action>]) -> Option<Result<(), Flaw>> {
    let mut appends: FxHashMap<Value, usize> = FxHashMap::default();
    for (place, item) in items.iter().enumerate() {
        if let Action::Append(value) = &item.action
            && appends.insert(*value, place).is_some()
        {
            return None;
        }
    }
    Some(in_order(items, &appends))
}

/// What was read, with the item that read it.
fn reads(items: &[Item<Action>]) -> impl Iterator<Item = (&Item<Action>, &[Value])> {
    items.iter().filter_map(|item| match &item.action {
        Action::Elements(all) => Some((item, &**all)),
        Action::Append(_) => None,
    })
}

fn in_order(items: &[Item<Action>], appends: &FxHashMap<Value, usize>) -> Result<(), Flaw> {
    let longest = reads(items).max_by_key(|(_, all)| all.len());
    let (reader, order) = longest.map_or((0, &[][..]), |(item, all)| (item.invoked, all));
    let mut stage: FxHashMap<usize, u64> = FxHashMap::default();
    for (at, value) in (1..).zip(order) {
        let Some(place) = appends.get(value) else { return Err(Flaw::phantom(reader, *value)) };
        if stage.insert(*place, 2 * at).is_some() {
            return Err(Flaw::new("duplicate element")
                .op(reader)
                .say(format!(" found {value} more than once, but it was appended once, by "))
                .op(items[*place].invoked)
                .say("."));
        }
    }
    let mut stages = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let stage = match &item.action {
            Action::Elements(all) if order.starts_with(all) => 2 * all.len() as u64 + 1,
            Action::Elements(_) => {
                return Err(Flaw::new("incompatible orders").ops(&[item.invoked, reader]).say(
                    ". Whatever is appended goes to the end, so the shorter of these two must be the beginning of \
                     the longer.",
                ));
            }
            Action::Append(_) => match stage.get(&place) {
                Some(stage) => *stage,
                None if item.returned == NEVER => continue,
                None => 2 * order.len() as u64 + 2,
            },
        };
        stages.push(Staged { invoked: item.invoked, returned: item.returned, stage });
    }
    scan(&stages).map_err(|late| told(&late, &stages))
}

fn future(reader: u32, returned: u32, append: u32) -> Flaw {
    Flaw::new("future read")
        .op(reader)
        .say(" had returned by ")
        .at(returned)
        .say(", and found what was appended only after that, by ")
        .op(append)
        .say(".")
}

fn told(late: &Late, stages: &[Staged]) -> Flaw {
    let is_read = |invoked: u32| {
        stages.iter().any(|staged| staged.invoked == invoked && !staged.stage.is_multiple_of(2))
    };
    let (name, why) = match (is_read(late.later), is_read(late.earlier)) {
        (true, true) => ("stale read", "and found less, though nothing is ever removed."),
        (false, true) => ("stale read", "and did not find what was appended before."),
        (true, false) => return future(late.later, late.returned, late.earlier),
        (false, false) => ("reordered appends", "but what it appended stands in front of that."),
    };
    Flaw::new(name)
        .op(late.later)
        .say(" had returned by ")
        .at(late.returned)
        .say(". After that ")
        .op(late.earlier)
        .say(format!(" was invoked, {why}"))
}
