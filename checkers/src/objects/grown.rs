//! A set to which things are only added, and which is read as a whole.
//!
//! Of two reads, the smaller must come first, and the larger must have all that it has. So the sizes are the order
//! of the reads; an element came in before the first read that has it, and after the one before that.

use super::element;
use crate::models::set::Action;
use crate::stages::{Late, Staged, scan};
use crate::{Flaw, Item, NEVER};
use history::Value;
use rustc_hash::FxHashMap;

/// Judges; nothing if something was removed, or asked for by name while others read the whole.
pub(crate) fn judge(items: &[Item<Action>]) -> Option<Result<(), Flaw>> {
    if let Some(result) = element::judge(items) {
        return Some(result);
    }
    let (mut adds, mut reads): (FxHashMap<Value, Add>, Vec<Read<'_>>) = (FxHashMap::default(), Vec::new());
    for item in items {
        match &item.action {
            Action::Add(value) => {
                let add =
                    adds.entry(*value).or_insert(Add { invoked: item.invoked, returned: NEVER, stage: None });
                // However often it is added, it comes in once: after the first began, before any returned.
                add.invoked = add.invoked.min(item.invoked);
                add.returned = add.returned.min(item.returned);
            }
            Action::Elements(all) => reads.push(Read { all, invoked: item.invoked, returned: item.returned }),
            _ => return None,
        }
    }
    reads.sort_by_key(|read| read.all.len());
    Some(in_order(&mut adds, &reads))
}

/// All that was done to add one element.
struct Add {
    invoked: u32,
    returned: u32,
    stage: Option<u64>,
}

struct Read<'i> {
    all: &'i [Value],
    invoked: u32,
    returned: u32,
}

fn in_order(adds: &mut FxHashMap<Value, Add>, reads: &[Read<'_>]) -> Result<(), Flaw> {
    let mut stages = Vec::with_capacity(adds.len() + reads.len());
    let mut before: &[Value] = &[];
    for (rank, read) in (1..).zip(reads) {
        if let Some(missing) = first_missing(before, read.all) {
            return Err(incomparable(&reads[rank as usize - 2], read, missing));
        }
        for value in news(before, read.all) {
            let Some(add) = adds.get_mut(&value) else { return Err(Flaw::phantom(read.invoked, value)) };
            add.stage = Some(2 * rank - 1);
        }
        stages.push(Staged { invoked: read.invoked, returned: read.returned, stage: 2 * rank });
        before = read.all;
    }
    let last = 2 * reads.len() as u64 + 1;
    for add in adds.values().filter(|add| add.stage.is_some() || add.returned != NEVER) {
        let stage = add.stage.unwrap_or(last);
        stages.push(Staged { invoked: add.invoked, returned: add.returned, stage });
    }
    scan(&stages).map_err(|late| told(&late, &stages))
}

/// The first value of `small` that is not in `large`; both ascend.
fn first_missing(small: &[Value], large: &[Value]) -> Option<Value> {
    let mut large = large.iter();
    small.iter().copied().find(|value| !large.by_ref().any(|other| other == value))
}

/// What is in `large` but not in `small`, all of which is in `large`; both ascend.
fn news<'v>(small: &'v [Value], large: &'v [Value]) -> impl Iterator<Item = Value> + 'v {
    let mut small = small.iter().peekable();
    large.iter().copied().filter(move |value| small.next_if_eq(&value).is_none())
}

fn incomparable(one: &Read<'_>, other: &Read<'_>, missing: Value) -> Flaw {
    let surplus = first_missing(other.all, one.all);
    let flaw = Flaw::new("incomparable reads").op(one.invoked).say(format!(" found {missing}"));
    let flaw = match surplus {
        Some(surplus) => flaw.say(format!(" but not {surplus}")),
        None => flaw,
    };
    let flaw = flaw.say(", and ").op(other.invoked).say(format!(" did not find {missing}"));
    let flaw = match surplus {
        Some(surplus) => flaw.say(format!(" but found {surplus}")),
        None => flaw,
    };
    flaw.say(". Nothing is ever removed, so one of the two must have found all that the other found.")
}

fn told(late: &Late, stages: &[Staged]) -> Flaw {
    let is_read = |invoked: u32| {
        stages.iter().any(|staged| staged.invoked == invoked && staged.stage.is_multiple_of(2))
    };
    let flaw = |name, why: &str| {
        Flaw::new(name)
            .op(late.later)
            .say(" had returned by ")
            .at(late.returned)
            .say(". After that ")
            .op(late.earlier)
            .say(format!(" was invoked, {why}"))
    };
    match (is_read(late.later), is_read(late.earlier)) {
        (true, true) => flaw("stale read", "and found less, though nothing is ever removed."),
        (false, true) => flaw("stale read", "and did not find that, though nothing is ever removed."),
        (true, false) => flaw("future read", "whose element had been found before."),
        (false, false) => {
            flaw("reordered adds", "whose element was there when some read did not find the other's yet.")
        }
    }
}
