//! A lock: who certainly held it when.
//!
//! A process that got the lock holds it at least from the return of that call to the invocation of the one by which
//! it lets go, and it may be for no longer. So some order explains everything exactly if these times do not overlap.
//!
//! If it may be lost, because it was given for a time, its fencing tokens say in which order it was given.

use crate::models::lock::Action;
use crate::stages::{Staged, scan};
use crate::{Flaw, Item, NEVER};
use history::ProcessId;
use rustc_hash::FxHashMap;

/// A time in which somebody certainly held the lock.
#[derive(Debug, Clone, Copy)]
struct Hold {
    /// The invocation of the call that got it.
    acquire: u32,
    /// The return of that call.
    from: u32,
    /// The invocation of the call that let go, or [`NEVER`].
    to: u32,
    token: Option<u64>,
}

/// Judges a lock that only its holder can let go.
pub(crate) fn judge(items: &[Item<Action>]) -> Result<(), Flaw> {
    let mut holding: FxHashMap<ProcessId, Hold> = FxHashMap::default();
    let mut holds = Vec::new();
    for item in items {
        match item.action {
            Action::Acquire { by, token, .. } => {
                let hold = Hold { acquire: item.invoked, from: item.returned, to: NEVER, token };
                if let Some(held) = holding.insert(by, hold) {
                    return Err(Flaw::new("acquired twice")
                        .op(held.acquire)
                        .say(" got the lock, and ")
                        .op(item.invoked)
                        .say(" got it again, though the same process had not let go of it."));
                }
            }
            Action::Release { by } => match holding.remove(&by) {
                Some(hold) => holds.push(Hold { to: item.invoked, ..hold }),
                // Nobody can let go of what he does not hold; if the outcome is unknown, he need not have.
                None if item.returned == NEVER => {}
                None => {
                    return Err(Flaw::new("released by another")
                        .op(item.invoked)
                        .say(" let go of the lock, but its process did not hold it."));
                }
            },
        }
    }
    holds.extend(holding.into_values());
    holds.sort_unstable_by_key(|hold| hold.from);
    for pair in holds.windows(2) {
        disjoint(&pair[0], &pair[1])?;
    }
    let mut last: Option<&Hold> = None;
    for hold in holds.iter().filter(|hold| hold.token.is_some()) {
        if let Some(last) = last.filter(|last| last.token >= hold.token) {
            return Err(falling(last.acquire, hold.acquire));
        }
        last = Some(hold);
    }
    Ok(())
}

fn disjoint(one: &Hold, other: &Hold) -> Result<(), Flaw> {
    if one.to < other.from {
        return Ok(());
    }
    let flaw = Flaw::new("two holders")
        .op(one.acquire)
        .say(" got the lock, which was held since ")
        .at(one.from)
        .say(" at the latest, and ");
    let flaw = match one.to {
        NEVER => flaw.say("never let go"),
        to => flaw.say("until ").at(to).say(" at least, when ").brief(to).say(" was invoked"),
    };
    Err(flaw
        .say(". Yet ")
        .op(other.acquire)
        .say(" got it as well, and returned at ")
        .at(other.from)
        .say(": then two held it."))
}

/// One time that somebody got a lock, and how he let go of it, if he did.
#[derive(Debug, Clone, Copy)]
struct Given {
    acquire: Item<Action>,
    by: ProcessId,
    token: u64,
    leased: bool,
    release: Option<Item<Action>>,
}

/// Judges a lock that may be lost, all of whose holders got tokens. They say in which order it was given, and who lets go
/// of it does so before it is given to the next one. So the place of every operation is known.
pub(crate) fn by_tokens(items: &[Item<Action>]) -> Result<(), Flaw> {
    let given = in_order(items)?;
    let mut stages = Vec::with_capacity(items.len());
    for (place, one) in (0..).zip(&given) {
        let staged =
            |item: Item<Action>, stage| Staged { invoked: item.invoked, returned: item.returned, stage };
        stages.push(staged(one.acquire, 2 * place));
        let next = given.get(place as usize + 1);
        match (one.release, next) {
            (Some(release), _) if release.returned != NEVER => stages.push(staged(release, 2 * place + 1)),
            // Who has no lease must have let go before the next one could get it.
            (Some(release), Some(_)) if !one.leased => stages.push(staged(release, 2 * place + 1)),
            (None, Some(next)) if !one.leased => return Err(never_let_go(one, next)),
            _ => {}
        }
    }
    scan(&stages).map_err(|late| {
        let of = |event: u32| {
            let is = |item: &Item<Action>| item.invoked == event;
            given.iter().find(|one| is(&one.acquire) || one.release.as_ref().is_some_and(is))
        };
        let later = of(late.later).map_or(late.later, |one| one.acquire.invoked);
        match of(late.earlier) {
            Some(one) if one.acquire.invoked != late.earlier => too_late(one, late.earlier, later),
            _ => falling(later, late.earlier),
        }
    })
}

/// Who got it, by their tokens.
fn in_order(items: &[Item<Action>]) -> Result<Vec<Given>, Flaw> {
    let (mut given, mut last): (Vec<Given>, FxHashMap<ProcessId, usize>) = Default::default();
    for item in items {
        match item.action {
            Action::Acquire { by, token, leased } => {
                last.insert(by, given.len());
                let token = token.unwrap_or(0);
                given.push(Given { acquire: *item, by, token, leased, release: None });
            }
            Action::Release { by } => {
                let own = last.get(&by).map(|at| &mut given[*at]).filter(|own| own.release.is_none());
                match own {
                    Some(own) => own.release = Some(*item),
                    None if item.returned == NEVER => {}
                    None => {
                        return Err(Flaw::new("released by another")
                            .op(item.invoked)
                            .say(" let go of the lock, but its process did not hold it."));
                    }
                }
            }
        }
    }
    given.sort_by_key(|one| one.token);
    match given.windows(2).find(|pair| pair[0].token == pair[1].token) {
        Some(pair) => Err(Flaw::new("token given twice")
            .ops(&[pair[0].acquire.invoked, pair[1].acquire.invoked])
            .say(format!(
                " both got the fencing token {}: who is fenced off by it cannot be told.",
                pair[0].token
            ))),
        None => Ok(given),
    }
}

fn never_let_go(one: &Given, next: &Given) -> Flaw {
    let name = if one.by == next.by { "acquired twice" } else { "two holders" };
    Flaw::new(name)
        .op(one.acquire.invoked)
        .say(" got the lock for good, and never let go. Yet ")
        .op(next.acquire.invoked)
        .say(" got it as well, with a larger fencing token.")
}

/// Somebody let go of a lock that was somebody else's by then.
fn too_late(one: &Given, release: u32, next: u32) -> Flaw {
    let name = if one.leased { "released by another" } else { "two holders" };
    Flaw::new(name)
        .op(one.acquire.invoked)
        .say(" got the lock, and ")
        .op(next)
        .say(" got it with a larger fencing token, before ")
        .op(release)
        .say(" let go of it.")
}

fn falling(one: u32, other: u32) -> Flaw {
    Flaw::new("falling token")
        .op(one)
        .say(" got the lock first, and ")
        .op(other)
        .say(" after it, but with a fencing token that is not larger: the first is not fenced off.")
}
