//! The exact algorithm for a register that is given every value at most once.
//!
//! Gibbons and Korach, *Testing Shared Memories*, SIAM J. Comput. 26(4), 1997, show that reads and writes
//! of unique values can be judged by *zones* in O(n log n), whatever the concurrency. Here it is extended to
//! chains of compare-and-set; that is no theorem of theirs, so the tests hold it against brute force.
//!
//! A value read has one writer, so it is known who saw what. A write, the reads of its value, the
//! compare-and-set that replaced it, the reads of *its* value, and so on, form a **block**: nothing else fits
//! in between. Of a block, let `first` be its earliest return and `last` its latest invocation. If `first` is
//! before `last`, the block certainly holds the register from `first` to `last`: a **forward zone**. Otherwise
//! all its operations were open together from `last` to `first`, and any instant between will do: a **backward
//! zone**. The history is linearizable exactly if blocks keep their inner order, forward zones do not overlap,
//! and no backward zone lies within a forward one.

use super::by_value::ByValue;
use crate::models::register::Action;
use crate::{Item, NEVER};
use history::Value;

/// A block's extent, by event indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// The earliest return; 0 for the block of the initial value, which was there before everything.
    pub first: u32,
    /// The latest invocation; 0 if there is none.
    pub last: u32,
    /// The invocation of the write that began the block; nothing for the initial value.
    pub root: Option<u32>,
}

/// Why a register's history is not linearizable; operations are named by the index of an event of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Someone saw what nobody wrote.
    Unwritten {
        /// Who saw it.
        seen_by: u32,
    },
    /// Two compare-and-sets replaced the same writing of the same value.
    ReplacedTwice {
        /// One.
        one: u32,
        /// The other.
        other: u32,
    },
    /// A compare-and-set is, over others, its own cause.
    Circular {
        /// One of those in the circle.
        at: u32,
    },
    /// Within a block, something had returned before what must precede it was invoked.
    Disordered {
        /// The return of what must come later.
        later: u32,
        /// The invocation of what must come earlier.
        earlier: u32,
    },
    /// Two blocks must hold the register at once.
    Overlap {
        /// The block that begins first.
        one: Zone,
        /// The block that begins while the first must still hold.
        other: Zone,
    },
    /// A block must happen while another must hold the register.
    Within {
        /// The block that has no place.
        inner: Zone,
        /// The block that leaves it none.
        outer: Zone,
    },
}

/// Judges, if every value is unique: written once at most, and not the initial one.
pub(crate) fn judge(initial: Option<Value>, items: &[Item<Action>]) -> Option<Result<(), Violation>> {
    let mut writers = Writers::of(initial, items)?;
    Some(Blocks::of(&mut writers, items).and_then(|blocks| in_place(blocks.zones(items)?)))
}

/// The place of the initial value's writer; that of `items[i]` is `i + 1`.
const BEGINNING: u32 = 0;
const NOBODY: u32 = u32::MAX;

/// Who wrote a value.
struct Writers {
    initial: Option<Value>,
    by_value: ByValue<u32>,
}

impl Writers {
    /// Nothing if some value is not unique.
    fn of(initial: Option<Value>, items: &[Item<Action>]) -> Option<Writers> {
        let left = || items.iter().filter_map(|item| item.action.left());
        // Where values repeat, they usually do so soon.
        if left().take(8).enumerate().any(|(at, value)| left().take(at).any(|before| before == value)) {
            return None;
        }
        let mut by_value = ByValue::new(left(), items.len(), NOBODY);
        for (place, item) in (1..).zip(items) {
            let Some(value) = item.action.left() else { continue };
            let earlier = std::mem::replace(by_value.known(value), place);
            if earlier != NOBODY || Some(value) == initial {
                return None;
            }
        }
        Some(Writers { initial, by_value })
    }

    fn find(&mut self, seen: Option<Value>) -> Option<u32> {
        if seen == self.initial {
            return Some(BEGINNING);
        }
        self.by_value.find(seen?).copied().filter(|place| *place != NOBODY)
    }
}

/// What is known of one writer's value. Writers whose effect nobody can have seen are not `real`.
#[derive(Clone, Copy)]
struct Written {
    real: bool,
    /// The place of the compare-and-set that replaced it, or [`NOBODY`].
    replaced_by: u32,
    /// The earliest return of a read of it.
    first: u32,
    /// The latest invocation of a read of it.
    last: u32,
}

struct Blocks {
    /// By place.
    written: Vec<Written>,
    /// How many compare-and-sets certainly happened.
    replacing: usize,
}

impl Blocks {
    /// Finds out who saw whose value.
    fn of(writers: &mut Writers, items: &[Item<Action>]) -> Result<Blocks, Violation> {
        let blank = Written { real: false, replaced_by: NOBODY, first: NEVER, last: 0 };
        let mut blocks = Blocks { written: vec![blank; items.len() + 1], replacing: 0 };
        blocks.written[BEGINNING as usize].real = true;
        // Unknown compare-and-sets that were seen, and so happened, and so saw something themselves.
        let mut proven = Vec::new();
        for (place, item) in (1..).zip(items).filter(|(_, item)| item.returned != NEVER) {
            blocks.written[place as usize].real = true;
            let Some(saw) = item.action.saw() else { continue };
            let seen_by = item.invoked;
            let source = writers.find(saw).ok_or(Violation::Unwritten { seen_by })?;
            blocks.prove(source, items, &mut proven);
            match item.action {
                Action::Cas { .. } => blocks.replace(source, place, items)?,
                _ => {
                    let written = &mut blocks.written[source as usize];
                    written.first = written.first.min(item.returned);
                    written.last = written.last.max(item.invoked);
                }
            }
        }
        while let Some(place) = proven.pop() {
            let item = &items[place as usize - 1];
            let Some(saw) = item.action.saw() else { continue };
            let source = writers.find(saw).ok_or(Violation::Unwritten { seen_by: item.invoked })?;
            blocks.prove(source, items, &mut proven);
            blocks.replace(source, place, items)?;
        }
        Ok(blocks)
    }

    fn prove(&mut self, source: u32, items: &[Item<Action>], proven: &mut Vec<u32>) {
        if source != BEGINNING && items[source as usize - 1].returned == NEVER {
            let real = &mut self.written[source as usize].real;
            proven.extend((!*real).then_some(source));
            *real = true;
        }
    }

    fn replace(&mut self, source: u32, by: u32, items: &[Item<Action>]) -> Result<(), Violation> {
        self.replacing += 1;
        let replaced_by = &mut self.written[source as usize].replaced_by;
        if *replaced_by != NOBODY {
            let [one, other] = [*replaced_by, by].map(|place| items[place as usize - 1].invoked);
            return Err(Violation::ReplacedTwice { one: one.min(other), other: one.max(other) });
        }
        *replaced_by = by;
        Ok(())
    }

    /// The zones of all blocks, if none is disordered.
    fn zones(&self, items: &[Item<Action>]) -> Result<Zones, Violation> {
        let mut zones = Zones::default();
        let mut met = 0;
        zones.add(self.walk(Zone { first: 0, last: 0, root: None }, BEGINNING, items, &mut met)?);
        for (place, item) in (1..).zip(items) {
            if self.written[place as usize].real && matches!(item.action, Action::Write(_)) {
                let zone = Zone { first: item.returned, last: item.invoked, root: Some(item.invoked) };
                zones.add(self.walk(zone, place, items, &mut met)?);
            }
        }
        if met < self.replacing { Err(self.circle(items)) } else { Ok(zones) }
    }

    /// Follows a block from its root, stage by stage: reads of a value, then what replaced it.
    fn walk(
        &self,
        mut zone: Zone,
        root: u32,
        items: &[Item<Action>],
        met: &mut usize,
    ) -> Result<Zone, Violation> {
        let mut place = root;
        loop {
            let written = &self.written[place as usize];
            zone.admit(written.first, written.last)?;
            if written.replaced_by == NOBODY {
                return Ok(zone);
            }
            *met += 1;
            place = written.replaced_by;
            let item = &items[place as usize - 1];
            zone.admit(item.returned, item.invoked)?;
        }
    }

    /// A compare-and-set that no root leads to.
    fn circle(&self, items: &[Item<Action>]) -> Violation {
        let mut rooted = vec![false; self.written.len()];
        let roots = (1..).zip(items).filter(|(_, item)| matches!(item.action, Action::Write(_)));
        for mut place in std::iter::once(BEGINNING).chain(roots.map(|(place, _)| place)) {
            while place != NOBODY {
                rooted[place as usize] = true;
                place = self.written[place as usize].replaced_by;
            }
        }
        let real = |place: usize| self.written[place].real && items[place - 1].action.left().is_some();
        let at = (1..rooted.len()).find(|place| !rooted[*place] && real(*place));
        Violation::Circular { at: items[at.expect("more replacing than met") - 1].invoked }
    }
}

impl Zone {
    /// Takes in the next stage of the block: nothing of it may have returned before an earlier stage began.
    fn admit(&mut self, first: u32, last: u32) -> Result<(), Violation> {
        if first < self.last {
            return Err(Violation::Disordered { later: first, earlier: self.last });
        }
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        Ok(())
    }
}

#[derive(Default)]
struct Zones {
    forward: Vec<Zone>,
    backward: Vec<Zone>,
}

impl Zones {
    fn add(&mut self, zone: Zone) {
        if zone.first < zone.last { self.forward.push(zone) } else { self.backward.push(zone) }
    }
}

/// Whether every block finds its place.
fn in_place(mut zones: Zones) -> Result<(), Violation> {
    zones.forward.sort_unstable_by_key(|zone| zone.first);
    for pair in zones.forward.windows(2) {
        let [one, other] = [pair[0], pair[1]];
        if other.first < one.last {
            return Err(Violation::Overlap { one, other });
        }
    }
    for inner in zones.backward {
        // A return is never at the index of an invocation, but the initial value was there before event 0.
        let before = zones.forward.partition_point(|outer| outer.first <= inner.last);
        if before > 0 && inner.first < zones.forward[before - 1].last {
            return Err(Violation::Within { inner, outer: zones.forward[before - 1] });
        }
    }
    Ok(())
}
