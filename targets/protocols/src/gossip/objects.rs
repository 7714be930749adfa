//! All objects that a node knows, and in which order they changed.

use super::counter::Counter;
use super::message::{Name, Record, State};
use super::set::Set;
use history::{Key, NodeId};
use std::collections::BTreeMap;

/// By name. One that nobody has changed is empty.
#[derive(Debug, Default)]
pub struct Objects {
    pub(super) counters: BTreeMap<Key, Counter>,
    pub(super) sets: BTreeMap<Key, Set>,
    /// How often anything has changed, in this life.
    pub(super) changes: u64,
    /// What changed when, each object only the last time.
    order: BTreeMap<u64, Name>,
    times: BTreeMap<Name, u64>,
}

impl Objects {
    /// Does what a record of `me` says.
    pub(super) fn take(&mut self, me: NodeId, record: Record) {
        let name = match record {
            Record::Boot { .. } => return,
            Record::Counted { key, slot } => {
                self.counters.entry(key).or_default().slots.insert(me, slot);
                Name::Counter(key)
            }
            Record::Added { key, value, dot } => {
                self.sets.entry(key).or_default().add(value, dot);
                Name::Set(key)
            }
            Record::Removed { key, value } => {
                self.sets.entry(key).or_default().remove(value);
                Name::Set(key)
            }
            Record::Joined { name, state } => {
                self.join(name, &state);
                name
            }
        };
        self.changed(name);
    }

    /// Joins what another knows with what is known here.
    fn join(&mut self, name: Name, state: &State) {
        match (name, state) {
            (Name::Counter(key), State::Counter(counter)) => {
                self.counters.entry(key).or_default().join(counter)
            }
            (Name::Set(key), State::Set(set)) => self.sets.entry(key).or_default().join(set),
            _ => {}
        }
    }

    fn changed(&mut self, name: Name) {
        self.changes += 1;
        if let Some(before) = self.times.insert(name, self.changes) {
            self.order.remove(&before);
        }
        self.order.insert(self.changes, name);
    }

    /// What is known of an object.
    pub(super) fn state(&self, name: Name) -> Option<State> {
        match name {
            Name::Counter(key) => self.counters.get(&key).cloned().map(State::Counter),
            Name::Set(key) => self.sets.get(&key).cloned().map(State::Set),
        }
    }

    /// Whether this is what is known of an object.
    pub(super) fn is(&self, name: Name, state: &State) -> bool {
        match (name, state) {
            (Name::Counter(key), State::Counter(counter)) => self.counters.get(&key) == Some(counter),
            (Name::Set(key), State::Set(set)) => self.sets.get(&key) == Some(set),
            _ => false,
        }
    }

    /// Puts this in its place, whatever was known.
    pub(super) fn put(&mut self, name: Name, state: State) {
        match (name, state) {
            (Name::Counter(key), State::Counter(counter)) => drop(self.counters.insert(key, counter)),
            (Name::Set(key), State::Set(set)) => drop(self.sets.insert(key, set)),
            _ => return,
        }
        self.changed(name);
    }

    /// At most so many objects that have changed after this change, and the change up to which that is all.
    pub(super) fn after(&self, change: u64, most: usize) -> (Vec<(Name, State)>, u64) {
        let mut changed = self.order.range(change + 1..);
        let state = |name: &Name| self.state(*name).map(|state| (*name, state));
        let mut last = change;
        let taken = changed.by_ref().take(most).inspect(|(at, _)| last = **at);
        let states: Vec<_> = taken.filter_map(|(_, name)| state(name)).collect();
        let all = if changed.next().is_some() { last } else { self.changes };
        (states, all)
    }

    /// Every object, for a disk that is to be tidied.
    pub(super) fn all(&self) -> impl Iterator<Item = (Name, State)> + '_ {
        let counters = self.counters.iter();
        let sets = self.sets.iter();
        let counters = counters.map(|(key, counter)| (Name::Counter(*key), State::Counter(counter.clone())));
        counters.chain(sets.map(|(key, set)| (Name::Set(*key), State::Set(set.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::counter::Slot;
    use super::*;
    use history::{Chance, Value};

    /// Three nodes that count, add, remove and hear of one another, each what and when it likes.
    fn nodes(chance: &mut Chance) -> Vec<(Counter, Set)> {
        let mut nodes = vec![(Counter::default(), Set::default()); 3];
        for _ in 0..chance.below(40) {
            let at = chance.below(3) as usize;
            let me = NodeId(at as u16 + 1);
            let heard = nodes[chance.below(3) as usize].clone();
            let (counter, set) = &mut nodes[at];
            let value = Value(chance.below(3) as i64);
            match chance.below(4) {
                0 => {
                    let slot = counter.slots.entry(me).or_default();
                    *slot = slot.count(chance.between(0, 6) as i64 - 3).unwrap_or(*slot);
                }
                1 => set.add(value, set.next(me)),
                2 => set.remove(value),
                _ => {
                    counter.join(&heard.0);
                    set.join(&heard.1);
                }
            }
        }
        nodes
    }

    fn joined(all: &[&(Counter, Set)]) -> (Counter, Set) {
        let mut sum = (Counter::default(), Set::default());
        for (counter, set) in all {
            sum.0.join(counter);
            sum.1.join(set);
        }
        sum
    }

    #[test]
    fn states_are_a_semilattice() {
        let mut chance = Chance::new(1);
        for round in 0..2000 {
            let all = nodes(&mut chance);
            let [a, b, c] = all.as_slice() else { panic!("there are three") };
            let sum = joined(&[a, b, c]);
            for other in [[c, b, a], [b, c, a], [c, a, b]] {
                assert_eq!(joined(&other), sum, "round {round}: the order does not matter");
            }
            let two = joined(&[b, c]);
            assert_eq!(joined(&[a, &two]), sum, "round {round}: nor who has heard of whom");
            assert_eq!(joined(&[a, b, c, b, a, &sum]), sum, "round {round}: nor how often");
        }
    }

    #[test]
    fn a_counter_counts_both_ways_and_does_not_wrap() {
        let most = Slot { up: u64::MAX, down: 0 };
        assert_eq!(most.count(1), None);
        assert_eq!(most.count(i64::MIN), Some(Slot { up: u64::MAX, down: 1 << 63 }));
        let counter = Counter { slots: [(NodeId(1), most)].into() };
        assert_eq!(counter.value(), i64::MAX);
    }
}
