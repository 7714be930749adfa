//! A queue of unique values: whoever went in first comes out first.
//!
//! Henzinger, Sezgin and Vafeiadis, *Aspect-Oriented Linearizability Proofs* (CONCUR 2013), give the conditions:
//! nothing comes out that did not go in, or twice; nothing overtakes what certainly went in before it; and a queue
//! is found empty only when nothing certainly is inside. A crashed taker, who took nobody knows what, may explain
//! why something was overtaken, or was not there when the queue was found empty; those two rules are ours. They do not
//! get into each other's way: whatever overtakes a value overtakes all that had certainly been put in before that one, so
//! that whoever is missing at an overtaking later than an instant of emptiness makes all missing there that were missing here.

use super::drains::{Deeds, Instant, NOT_YET, Span};
use super::lives::{Life, Lives, empties};
use crate::Flaw;

/// Judges; nothing if values repeat, or if it cannot be sure.
pub(crate) fn judge(deeds: &Deeds) -> Option<Result<(), Flaw>> {
    let lives = match Lives::of(deeds)? {
        Ok(lives) => lives,
        Err(flaw) => return Some(Err(flaw)),
    };
    if let Err(flaw) = in_order(&lives) {
        return Some(Err(flaw));
    }
    match empties(&lives.match_missing()) {
        Ok(()) => deeds.exact.then_some(Ok(())),
        Err(flaw) => Some(Err(flaw)),
    }
}

/// Whether nobody overtakes anybody.
fn in_order(lives: &Lives) -> Result<(), Flaw> {
    let mut by_call: Vec<&Life> = lives.all.iter().collect();
    by_call.sort_unstable_by_key(|life| life.put.from);
    let mut by_return: Vec<&Life> = by_call.clone();
    by_return.sort_unstable_by_key(|life| life.put.to);
    let stays = |life: &Life| if lives.crashed.is_empty() { life.stays() } else { certainly(life) };
    let mut returned = by_return.iter().peekable();
    let mut longest: Option<&Life> = None;
    for life in &by_call {
        while let Some(before) = returned.next_if(|before| before.put.to < life.put.from) {
            if longest.is_none_or(|longest| stays(longest) < stays(before)) {
                longest = Some(before);
            }
        }
        if let Some(longest) = longest.filter(|longest| life.gone() < stays(longest)) {
            return Err(overtaken(longest, life));
        }
    }
    match lives.crashed.is_empty() {
        true => Ok(()),
        false => crashed(lives, &by_call),
    }
}

/// When it was taken out by somebody known; at once, if by nobody.
fn certainly(life: &Life) -> Instant {
    life.taken.map_or(0, |taken| taken.from)
}

/// Gives each crashed taker, the earliest first, what was overtaken the earliest and is still missing.
fn crashed(lives: &Lives, by_call: &[&Life]) -> Result<(), Flaw> {
    // By place in `by_call`: the earliest that one of those from there on was gone, and whose.
    let mut gone: Vec<(Instant, usize)> = vec![(NOT_YET, usize::MAX); by_call.len() + 1];
    for at in (0..by_call.len()).rev() {
        gone[at] = gone[at + 1].min((by_call[at].gone(), at));
    }
    let deadline = |life: &&Life| gone[by_call.partition_point(|other| other.put.from < life.put.to)];
    let mut missing: Vec<((Instant, usize), &Life)> = (lives.all.iter())
        .filter(|life| life.taken.is_none())
        .map(|life| (deadline(&life), life))
        .filter(|((by, _), _)| *by != NOT_YET)
        .collect();
    missing.sort_unstable_by_key(|(deadline, _)| *deadline);
    let mut takers: Vec<&Span> = lives.crashed.iter().collect();
    takers.sort_unstable_by_key(|taker| taker.from);
    for (place, ((by, overtaker), life)) in missing.iter().enumerate() {
        if takers.get(place).is_none_or(|taker| taker.from > *by) {
            let flaw = overtaken(life, by_call[*overtaker]);
            let before = takers.iter().filter(|taker| taker.from < *by).count();
            return Err(flaw.say(format!(
                " Those who may have taken it, since nobody knows what they took, are {before} by then, but {} \
                 values are missing.",
                place + 1
            )));
        }
    }
    Ok(())
}

fn overtaken(first: &Life, second: &Life) -> Flaw {
    let flaw = Flaw::new("overtaken")
        .brief(first.put.invoked)
        .say(" had returned by ")
        .at(first.put.returned)
        .say(", before ")
        .brief(second.put.invoked)
        .say(" was invoked at ")
        .at(second.put.invoked)
        .say(format!(": {} was in front of {}. Yet ", first.value, second.value));
    let flaw = match &second.taken {
        Some(taken) => flaw.brief(taken.invoked).say(" had returned by ").at(taken.returned),
        None => flaw,
    };
    match &first.taken {
        Some(taken) => flaw.say(", before ").brief(taken.invoked).say(" was invoked at ").at(taken.invoked),
        None => flaw.say(format!(", and {} was never taken out", first.value)),
    }
    .say(".")
}
