//! From when to when something was in a queue, whatever the queue's order.

use super::drains::{Deed, Deeds, Instant, NOT_YET, Span};
use crate::Flaw;
use history::Value;
use rustc_hash::FxHashMap;

/// The life of one value in a queue: put in within one span, taken out within another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// What it is about.
    pub value: Value,
    /// When it was put in.
    pub put: Span,
    /// When it was taken out, if it was.
    pub taken: Option<Span>,
    /// If nobody knows who took it out: the how manieth of those it is, by the return of who put it in.
    pub missing: Option<usize>,
}

impl Life {
    /// Until when it may not have been taken out: the invocation of whoever took it.
    pub fn stays(&self) -> Instant {
        self.taken.map_or(NOT_YET, |taken| taken.from)
    }

    /// From when it certainly was taken out.
    pub fn gone(&self) -> Instant {
        self.taken.map_or(NOT_YET, |taken| taken.to)
    }

    /// When it certainly was inside, if there is such a time.
    pub fn certain(&self) -> Option<(Instant, Instant)> {
        (self.put.to < self.stays()).then(|| (self.put.to, self.stays()))
    }
}

/// Everything that was in a queue.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    /// Each value, if it certainly was put in.
    pub all: Vec<Life>,
    /// When a queue was found empty.
    pub empties: Vec<Span>,
    /// When something may have been taken out, nobody knows what.
    pub crashed: Vec<Span>,
}

impl Lives {
    /// Finds who took out what; nothing if some value was put in twice.
    pub fn of(deeds: &Deeds) -> Option<Result<Lives, Flaw>> {
        let mut lives = Lives::default();
        let mut places = FxHashMap::default();
        for (deed, span) in &deeds.all {
            if let Deed::Put(value) = deed {
                if places.insert(*value, lives.all.len()).is_some() {
                    return None;
                }
                lives.all.push(Life { value: *value, put: *span, taken: None, missing: None });
            }
        }
        Some(lives.take(deeds, &places))
    }

    fn take(mut self, deeds: &Deeds, places: &FxHashMap<Value, usize>) -> Result<Lives, Flaw> {
        for (deed, span) in &deeds.all {
            match deed {
                Deed::Put(_) => {}
                Deed::Take(None) => self.empties.push(*span),
                Deed::TakeAny => self.crashed.push(*span),
                Deed::Take(Some(value)) => {
                    let Some(place) = places.get(value) else {
                        return Err(Flaw::phantom(span.invoked, *value));
                    };
                    let life = &mut self.all[*place];
                    if let Some(taken) = life.taken {
                        return Err(twice(life, &taken, span));
                    }
                    if span.to < life.put.from {
                        return Err(future(life, span));
                    }
                    life.taken = Some(*span);
                }
            }
        }
        // What may never have been put in, and was not taken out, might as well not have been.
        self.all.retain(|life| life.put.to != NOT_YET || life.taken.is_some());
        Ok(self)
    }
}

impl Lives {
    /// Says that of the values that are missing, which nobody is known to have taken out, the first was taken by the first of
    /// those who took nobody knows what, the second by the second, and so on. An instant at which one of them is then still
    /// inside is one by which more of them had been put in than there were takers: so whoever took what, one was inside.
    pub fn match_missing(mut self) -> Lives {
        let mut missing: Vec<&mut Life> = self.all.iter_mut().filter(|life| life.taken.is_none()).collect();
        missing.sort_unstable_by_key(|life| life.put.to);
        self.crashed.sort_unstable_by_key(|taker| taker.from);
        let takers = self.crashed.iter().map(|taker| Some(*taker)).chain(std::iter::repeat(None));
        for ((number, life), taker) in (1..).zip(missing).zip(takers) {
            (life.taken, life.missing) = (taker, Some(number));
        }
        self
    }
}

fn twice(life: &Life, one: &Span, other: &Span) -> Flaw {
    Flaw::new("dequeued twice")
        .say(format!("{} was put in once, by ", life.value))
        .brief(life.put.invoked)
        .say(", but taken out twice: ")
        .ops(&[one.invoked, other.invoked])
        .say(".")
}

fn future(life: &Life, taken: &Span) -> Flaw {
    Flaw::new("future read")
        .brief(taken.invoked)
        .say(" had returned by ")
        .at(taken.returned)
        .say(format!(" with {}, before ", life.value))
        .brief(life.put.invoked)
        .say(" was invoked at ")
        .at(life.put.invoked)
        .say(": nobody had begun to put that in.")
}

/// The times in which certainly something was inside, joined, ascending; each with its lives.
pub(crate) fn covered(lives: &[Life]) -> Vec<(Instant, Instant, Vec<usize>)> {
    let mut certain: Vec<(Instant, Instant, usize)> =
        (lives.iter().enumerate()).filter_map(|(at, l)| l.certain().map(|(b, c)| (b, c, at))).collect();
    certain.sort_unstable();
    let mut joined: Vec<(Instant, Instant, Vec<usize>)> = Vec::new();
    for (from, to, at) in certain {
        match joined.last_mut() {
            Some((_, end, who)) if from < *end => {
                // Only those who make it longer are needed.
                if to > *end {
                    *end = to;
                    who.push(at);
                }
            }
            _ => joined.push((from, to, vec![at])),
        }
    }
    joined
}

/// Whether there was an instant for each of those who found nothing.
pub(crate) fn empties(lives: &Lives) -> Result<(), Flaw> {
    if lives.empties.is_empty() {
        return Ok(());
    }
    let joined = covered(&lives.all);
    for empty in &lives.empties {
        let after = joined.partition_point(|(from, ..)| *from < empty.from);
        if after == 0 || joined[after - 1].1 < empty.to {
            continue;
        }
        let who = &joined[after - 1].2;
        let beside = who.iter().map(|at| &lives.all[*at]);
        let beside = beside.filter(|life| life.stays() > empty.from && life.put.to < empty.to);
        return Err(not_empty(empty, &beside.collect::<Vec<_>>()));
    }
    Ok(())
}

fn not_empty(empty: &Span, inside: &[&Life]) -> Flaw {
    let mut flaw = Flaw::new("not empty").op(empty.invoked).say(" found nothing. But all the time ");
    for (place, life) in inside.iter().take(8).enumerate() {
        let link = if place == 0 { "" } else { ", and then " };
        flaw = match life.missing {
            Some(number) if number > 1 => flaw
                .say(format!("{link}at least one of {number} values that nobody is known to have taken out")),
            _ => flaw.say(format!("{link}{}", life.value)),
        };
        flaw = flaw
            .say(" was certainly inside from ")
            .at(life.put.returned)
            .say(", when ")
            .brief(life.put.invoked)
            .say(" had returned");
        flaw = match (&life.taken, life.missing) {
            (Some(taken), _) => {
                flaw.say(", until ").at(taken.invoked).say(", when ").brief(taken.invoked).say(" was invoked")
            }
            (None, Some(number)) if number > 1 => {
                flaw.say(format!(", and only {} may have been taken out", number - 1))
            }
            (None, _) => flaw.say(", and never taken out"),
        };
    }
    flaw.say(".")
}
