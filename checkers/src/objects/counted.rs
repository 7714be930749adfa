//! A counter that is counted up in equal steps.
//!
//! Where the counter stands only grows. So a read of `c` says: by its return at least `c` steps had been made, and
//! until its invocation no more than `c`. The k-th step therefore has a time by which it must be made, the earliest
//! return of those who saw `k` or more, and a time until which it must not, the latest invocation of those who saw
//! less than `k`; both only grow with `k`. It is left to give every step an increment that was open then, each
//! increment at most once, and no increment that returned may be left over. Taking the one that returns first is
//! always best.

use crate::models::counter::Action;
use crate::{Flaw, Item, NEVER};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Who read how many steps.
struct Read {
    steps: u64,
    invoked: u32,
    returned: u32,
}

/// Judges; nothing if the steps are not equal.
pub(crate) fn judge(initial: i64, items: &[Item<Action>]) -> Option<Result<(), Flaw>> {
    let mut step = None;
    let mut adds = Vec::new();
    for item in items {
        match item.action {
            Action::Add(by) if *step.get_or_insert(by) == by && by != 0 => {
                adds.push((item.invoked, item.returned));
            }
            Action::Read(_) => {}
            _ => return None,
        }
    }
    let step = step.unwrap_or(1);
    let mut reads = Vec::new();
    for item in items {
        let Action::Read(seen) = item.action else { continue };
        let distance = i128::from(seen) - i128::from(initial);
        let steps = distance / i128::from(step);
        if distance % i128::from(step) != 0 || steps < 0 || steps > adds.len() as i128 {
            return Some(Err(Flaw::new("impossible count").op(item.invoked).say(format!(
                " saw {seen}. The counter began at {initial}, and {} times {step} may have been added: it can never \
                 have stood there.",
                adds.len()
            ))));
        }
        reads.push(Read { steps: steps as u64, invoked: item.invoked, returned: item.returned });
    }
    adds.sort_unstable();
    Some(Windows::of(reads).fill(&adds))
}

/// When each step must be made. An event is named with the invocation of its operation.
struct Windows {
    /// By steps already made: the latest invocation of those who saw so few or fewer.
    not_until: Vec<Option<u32>>,
    /// By steps: the earliest return of those who saw so many or more.
    by: Vec<(u32, u32)>,
}

impl Windows {
    fn of(reads: Vec<Read>) -> Windows {
        let most = reads.iter().map(|read| read.steps as usize).max().unwrap_or(0);
        let mut windows = Windows { not_until: vec![None; most + 1], by: vec![(NEVER, NEVER); most + 1] };
        for read in reads {
            let steps = read.steps as usize;
            windows.not_until[steps] = windows.not_until[steps].max(Some(read.invoked));
            windows.by[steps] = windows.by[steps].min((read.returned, read.invoked));
        }
        for steps in 1..=most {
            windows.not_until[steps] = windows.not_until[steps].max(windows.not_until[steps - 1]);
        }
        for steps in (0..most).rev() {
            windows.by[steps] = windows.by[steps].min(windows.by[steps + 1]);
        }
        windows
    }

    /// Gives every step an increment.
    fn fill(&self, adds: &[(u32, u32)]) -> Result<(), Flaw> {
        let mut later = adds.iter().peekable();
        let mut open: BinaryHeap<Reverse<(u32, u32)>> = BinaryHeap::new();
        for step in 1..self.by.len() {
            let (not_until, (by, reader)) = (self.not_until[step - 1], self.by[step]);
            if not_until.is_some_and(|reader| by < reader) {
                return Err(backwards(reader, by, not_until.unwrap_or(0)));
            }
            while let Some((invoked, returned)) = later.next_if(|(invoked, _)| *invoked < by) {
                open.push(Reverse((*returned, *invoked)));
            }
            match (open.pop(), not_until) {
                (None, _) => return Err(too_many(reader, by, step - 1)),
                (Some(Reverse((returned, add))), Some(reader)) if returned < reader => {
                    return Err(missed(add, returned, reader));
                }
                _ => {}
            }
        }
        let Some(reader) = self.not_until.last().copied().flatten() else { return Ok(()) };
        let left = open.into_iter().map(|Reverse((returned, invoked))| (invoked, returned));
        let earliest = left.chain(later.copied()).min_by_key(|(_, returned)| *returned);
        match earliest.filter(|(_, returned)| *returned < reader) {
            Some((add, returned)) => Err(missed(add, returned, reader)),
            None => Ok(()),
        }
    }
}

fn backwards(more: u32, returned: u32, fewer: u32) -> Flaw {
    Flaw::new("stale read")
        .op(more)
        .say(" had returned by ")
        .at(returned)
        .say(". After that ")
        .op(fewer)
        .say(" was invoked, and saw less, though the counter never goes back.")
}

fn too_many(reader: u32, returned: u32, possible: usize) -> Flaw {
    Flaw::new("impossible count").op(reader).say(" had returned by ").at(returned).say(format!(
        ". Only {possible} increments can have taken effect by then, given that each does so once, and what others \
         saw."
    ))
}

fn missed(add: u32, returned: u32, reader: u32) -> Flaw {
    Flaw::new("missed increment")
        .op(add)
        .say(" had returned by ")
        .at(returned)
        .say(". After that ")
        .op(reader)
        .say(
            " was invoked, and what it saw leaves no place for all the increments that certainly had been made by \
             then.",
        )
}

/// Whether every read is between what certainly had been added and what may have been. Necessary, whatever was
/// added.
pub(crate) fn within_bounds(initial: i64, items: &[Item<Action>]) -> Result<(), Flaw> {
    let changes: Vec<(i64, u32, u32)> = (items.iter())
        .filter_map(|item| match item.action {
            Action::Add(by) | Action::Made { by, .. } => Some((by, item.invoked, item.returned)),
            Action::Read(_) => None,
        })
        .collect();
    // What may have been added by some event, and what must have been; the least and the most are sums of these.
    let sums = |mut changes: Vec<(u32, i128)>| {
        changes.sort_unstable();
        let mut sum = 0;
        changes.iter_mut().for_each(|(_, by)| {
            sum += *by;
            *by = sum;
        });
        changes
    };
    let of = |positive: bool| changes.iter().filter(move |(by, ..)| (*by > 0) == positive);
    let begun = |positive| sums(of(positive).map(|(by, at, _)| (*at, i128::from(*by))).collect());
    let ended = |positive| {
        let ended = of(positive).filter(|(.., at)| *at != NEVER);
        sums(ended.map(|(by, _, at)| (*at, i128::from(*by))).collect())
    };
    let (up, down, surely_up, surely_down) = (begun(true), begun(false), ended(true), ended(false));
    let until = |sums: &[(u32, i128)], event: u32| match sums.partition_point(|(at, _)| *at < event) {
        0 => 0,
        place => sums[place - 1].1,
    };
    for item in items {
        let Action::Read(seen) = item.action else { continue };
        let least = i128::from(initial) + until(&surely_up, item.invoked) + until(&down, item.returned);
        let most = i128::from(initial) + until(&up, item.returned) + until(&surely_down, item.invoked);
        if i128::from(seen) < least || i128::from(seen) > most {
            return Err(Flaw::new("impossible count").op(item.invoked).say(format!(
                " saw {seen}. Whatever the order, the counter stood between {least} and {most} all that time."
            )));
        }
    }
    Ok(())
}
