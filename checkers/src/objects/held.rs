//! A lock: who certainly held it when.
//!
//! A process that got the lock holds it at least from the return of that call to the invocation of the one by which
//! it lets go, and it may be for no longer. So some order explains everything exactly if these times do not overlap.

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
            Action::Acquire { by, token } => {
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

/// Judges a lock that may be lost: each fencing token must be larger than all before it.
pub(crate) fn tokens(items: &[Item<Action>]) -> Result<(), Flaw> {
    let mut given: FxHashMap<u64, u32> = FxHashMap::default();
    let mut stages = Vec::new();
    for item in items {
        let Action::Acquire { token: Some(token), .. } = item.action else { continue };
        if let Some(other) = given.insert(token, item.invoked) {
            return Err(Flaw::new("token given twice").ops(&[other, item.invoked]).say(format!(
                " both got the fencing token {token}: who is fenced off by it cannot be told."
            )));
        }
        stages.push(Staged { invoked: item.invoked, returned: item.returned, stage: token });
    }
    scan(&stages).map_err(|late| falling(late.later, late.earlier))
}

fn falling(one: u32, other: u32) -> Flaw {
    Flaw::new("falling token")
        .op(one)
        .say(" got the lock first, and ")
        .op(other)
        .say(" after it, but with a fencing token that is not larger: the first is not fenced off.")
}
