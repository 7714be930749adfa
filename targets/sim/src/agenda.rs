//! What will happen, and when.

use history::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things that will happen, in the order of their times; those of one instant in the order in which they were
/// planned.
pub struct Agenda<T> {
    heap: BinaryHeap<Reverse<(Time, u64, u32)>>,
    // The things themselves lie beside the heap, so that sorting moves 24 bytes, whatever they are.
    slots: Vec<Option<T>>,
    vacant: Vec<u32>,
    planned: u64,
}

impl<T> Agenda<T> {
    /// Nothing will happen.
    pub fn new() -> Agenda<T> {
        Agenda { heap: BinaryHeap::new(), slots: Vec::new(), vacant: Vec::new(), planned: 0 }
    }

    /// `thing` will happen at `time`.
    pub fn plan(&mut self, time: Time, thing: T) {
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(thing);
                slot
            }
            None => {
                self.slots.push(Some(thing));
                (self.slots.len() - 1) as u32
            }
        };
        self.heap.push(Reverse((time, self.planned, slot)));
        self.planned += 1;
    }

    /// The next thing, if it happens no later than `until`.
    pub fn next(&mut self, until: Time) -> Option<(Time, T)> {
        let Reverse((time, _, slot)) = *self.heap.peek().filter(|Reverse((time, ..))| *time <= until)?;
        self.heap.pop();
        self.vacant.push(slot);
        self.slots[slot as usize].take().map(|thing| (time, thing))
    }

    /// How many things were ever planned: the work a run made.
    pub fn planned(&self) -> u64 {
        self.planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_in_the_order_planned() {
        let mut agenda = Agenda::new();
        for (time, thing) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b')] {
            agenda.plan(Time(time), thing);
        }
        assert_eq!(agenda.next(Time(0)), None);
        let order: String = std::iter::from_fn(|| agenda.next(Time(9))).map(|(_, thing)| thing).collect();
        assert_eq!(order, "abcd");
    }
}
