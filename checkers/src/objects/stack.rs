//! A stack of unique values: whoever went in last comes out first.
//!
//! What may have been put in and taken out in one go concerns nobody. Of the others, if there is an instant at
//! which nothing is certainly inside, those before it and those after it are judged apart. Otherwise something was
//! at the bottom all the time: put in before any of the others certainly was, and taken out after. Without such a
//! bottom there is no order; with one, the rest is judged as if it were not there. Compare Abdulla and others,
//! *Efficient Linearizability Monitoring for Concurrent Data Structures* (PLDI 2025), and Lee and Mathur (OOPSLA 2025).
//! With trees of minima this takes O(n log n).

use super::drains::{Deeds, Instant, NOT_YET};
use super::lives::{Life, Lives, empties};
use super::tree::{HUGE, Tree};
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
    let certain: Vec<&Life> = lives.all.iter().filter(|life| life.certain().is_some()).collect();
    let result = Pile::of(&certain).judge(&certain).and_then(|()| empties(&lives));
    match result {
        Ok(()) => deeds.exact.then_some(Ok(())),
        Err(flaw) => Some(Err(flaw)),
    }
}

/// The four ends of a life, as places in the row of all ends.
#[derive(Debug, Clone, Copy)]
struct Ends {
    put_from: usize,
    put_to: usize,
    taken_from: usize,
    taken_to: usize,
    /// Which life.
    life: usize,
}

/// What is still to be judged: those who are certainly inside first, and last, between two empty instants.
#[derive(Debug, Clone, Copy)]
struct Part {
    first: usize,
    last: usize,
    /// The same lives, in the order in which they end.
    from: usize,
    to: usize,
}

struct Pile {
    /// In the order in which they certainly are inside.
    ends: Vec<Ends>,
    /// In the order in which they are not certainly inside any more; places in `ends`.
    by_end: Vec<usize>,
    dead: Vec<bool>,
    /// How many lives cover each gap.
    cover: Tree,
    /// When each begins at the earliest, unless it is known to be early enough for the bottom of its part.
    begins: Tree,
    /// Of those that are early enough, how late they end at the latest; negative, so that the latest is the least.
    lasts: Tree,
}

impl Pile {
    fn of(lives: &[&Life]) -> Pile {
        let mut instants: Vec<Instant> = (lives.iter())
            .flat_map(|life| [life.put.from, life.put.to, life.stays(), life.gone()])
            .filter(|instant| *instant != NOT_YET)
            .collect();
        instants.sort_unstable();
        let place = |instant: Instant| instants.partition_point(|other| *other < instant);
        let ends = |(life, l): (usize, &&Life)| Ends {
            put_from: place(l.put.from),
            put_to: place(l.put.to),
            taken_from: place(l.stays()),
            taken_to: place(l.gone()),
            life,
        };
        let mut ends: Vec<Ends> = lives.iter().enumerate().map(ends).collect();
        ends.sort_unstable_by_key(|ends| ends.put_to);
        let mut by_end: Vec<usize> = (0..ends.len()).collect();
        by_end.sort_by_key(|at| ends[*at].taken_from);
        let mut cover = Tree::of(&vec![0; instants.len() + 1]);
        ends.iter().for_each(|ends| cover.add(ends.put_to, ends.taken_from, 1));
        let begins: Vec<i64> = ends.iter().map(|ends| ends.put_from as i64).collect();
        let (dead, lasts) = (vec![false; ends.len()], Tree::of(&vec![HUGE; ends.len()]));
        Pile { by_end, dead, cover, begins: Tree::of(&begins), lasts, ends }
    }

    fn judge(mut self, lives: &[&Life]) -> Result<(), Flaw> {
        let all = self.ends.len();
        let mut parts = vec![Part { first: 0, last: all, from: 0, to: all }];
        while let Some(part) = parts.pop() {
            let Some((part, begin, end)) = self.without_dead(part) else { continue };
            if let Some(gap) = self.cover.first(begin, end, 0) {
                let middle = self.ends.partition_point(|ends| ends.put_to <= gap);
                let ended = self.by_end.partition_point(|at| self.ends[*at].taken_from <= gap);
                parts.push(Part { last: middle, to: ended, ..part });
                parts.push(Part { first: middle, from: ended, ..part });
                continue;
            }
            while let Some(early) = self.begins.first(part.first, part.last, begin as i64) {
                self.begins.set(early, HUGE);
                self.lasts.set(early, -(self.ends[early].taken_to as i64));
            }
            let Some(bottom) = self.lasts.first(part.first, part.last, -(end as i64)) else {
                return Err(self.no_bottom(part, lives));
            };
            let Ends { put_to, taken_from, .. } = self.ends[bottom];
            self.lasts.set(bottom, HUGE);
            self.dead[bottom] = true;
            self.cover.add(put_to, taken_from, -1);
            parts.push(part);
        }
        Ok(())
    }

    /// The part without those at its ends that are judged already, and where it begins and ends; nothing if
    /// nothing is left.
    fn without_dead(&self, mut part: Part) -> Option<(Part, usize, usize)> {
        while part.first < part.last && self.dead[part.first] {
            part.first += 1;
        }
        while part.from < part.to && self.dead[self.by_end[part.to - 1]] {
            part.to -= 1;
        }
        let begin = self.ends[..part.last].get(part.first)?.put_to;
        Some((part, begin, self.ends[self.by_end[part.to - 1]].taken_from))
    }

    fn no_bottom(&self, part: Part, lives: &[&Life]) -> Flaw {
        let all: Vec<&Life> = (part.first..part.last)
            .filter(|at| !self.dead[*at])
            .map(|at| lives[self.ends[at].life])
            .collect();
        let events = |life: &Life| [Some(life.put.invoked), life.taken.map(|taken| taken.invoked)];
        let named: Vec<u32> = all.iter().take(8).flat_map(|life| events(life)).flatten().collect();
        let more = match all.len() {
            0..=8 => String::new(),
            more => format!("; and {} more values", more - 8),
        };
        Flaw::new("not last in, first out")
            .say(
                "Of these values at least one is certainly inside at any time, so that one of them must have been \
                 at the bottom: put in before all others, taken out after them. None can have been: ",
            )
            .ops(&named)
            .say(format!("{more}."))
    }
}
