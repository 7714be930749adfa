//! A priority queue of unique values: the largest comes out first.
//!
//! In descending order, each value that was taken out needs an instant at which that was possible: no larger one
//! was certainly inside then. Whatever instant is chosen takes nothing away from the smaller ones, because only
//! the time in which a value *certainly* is inside bars them. Compare Lee and Mathur, *Efficient Linearizability
//! Monitoring* (OOPSLA 2025).

use super::drains::{Deeds, Instant};
use super::lives::{Life, Lives, empties};
use crate::Flaw;

/// Judges; nothing if values repeat, or if it cannot be sure.
pub(crate) fn judge(deeds: &Deeds) -> Option<Result<(), Flaw>> {
    let lives = match Lives::of(deeds)? {
        Ok(lives) => lives,
        Err(flaw) => return Some(Err(flaw)),
    };
    if !lives.crashed.is_empty() {
        return None;
    }
    let result = in_order(&lives).and_then(|()| empties(&lives));
    match result {
        Ok(()) => deeds.exact.then_some(Ok(())),
        Err(flaw) => Some(Err(flaw)),
    }
}

/// The gaps between instants; those that are taken are skipped by following links.
struct Gaps {
    instants: Vec<Instant>,
    /// The next gap that is free, as far as is known; its own number if it is.
    next: Vec<u32>,
}

impl Gaps {
    fn of(lives: &[Life]) -> Gaps {
        let mut instants: Vec<Instant> =
            (lives.iter()).flat_map(|life| [life.put.from, life.put.to, life.stays(), life.gone()]).collect();
        instants.sort_unstable();
        instants.dedup();
        let next = (0..=instants.len() as u32).collect();
        Gaps { instants, next }
    }

    /// The number of the gap that begins at an instant.
    fn number(&self, instant: Instant) -> u32 {
        self.instants.partition_point(|other| *other < instant) as u32
    }

    /// The first free gap from `gap` on.
    fn free(&mut self, gap: u32) -> u32 {
        let mut found = gap;
        while self.next[found as usize] != found {
            found = self.next[found as usize];
        }
        let mut at = gap;
        while at != found {
            at = std::mem::replace(&mut self.next[at as usize], found);
        }
        found
    }

    fn take(&mut self, from: u32, to: u32) {
        let mut gap = self.free(from);
        while gap < to {
            self.next[gap as usize] = gap + 1;
            gap = self.free(gap);
        }
    }
}

fn in_order(lives: &Lives) -> Result<(), Flaw> {
    let mut gaps = Gaps::of(&lives.all);
    let mut descending: Vec<&Life> = lives.all.iter().collect();
    descending.sort_unstable_by_key(|life| std::cmp::Reverse(life.value));
    for (place, life) in descending.iter().enumerate() {
        if let Some(taken) = &life.taken {
            let from = gaps.number(life.put.from.max(taken.from));
            if gaps.free(from) >= gaps.number(taken.to) {
                return Err(overtook(life, &descending[..place]));
            }
        }
        if let Some((from, to)) = life.certain() {
            let (from, to) = (gaps.number(from), gaps.number(to));
            gaps.take(from, to);
        }
    }
    Ok(())
}

fn overtook(life: &Life, larger: &[&Life]) -> Flaw {
    let Some(taken) = &life.taken else { return Flaw::new("overtaken") };
    let (from, to) = (life.put.from.max(taken.from), taken.to);
    let mut beside: Vec<&&Life> =
        (larger.iter()).filter(|other| other.certain().is_some_and(|(b, c)| b < to && from < c)).collect();
    beside.sort_unstable_by_key(|other| other.put.to);
    // Of those, each the one that reaches farthest.
    let (mut reached, mut needed): (Instant, Vec<u32>) = (from, Vec::new());
    while reached < to {
        let next = beside.iter().filter(|other| other.put.to <= reached).max_by_key(|other| other.stays());
        let Some(next) = next.filter(|next| next.stays() > reached) else { break };
        reached = next.stays();
        needed.extend([Some(next.put.invoked), next.taken.map(|taken| taken.invoked)].into_iter().flatten());
    }
    Flaw::new("overtaken")
        .op(taken.invoked)
        .say(format!(
            " took out {}. But whenever that may have been, something larger was certainly inside: ",
            life.value
        ))
        .ops(&needed)
        .say(".")
}
