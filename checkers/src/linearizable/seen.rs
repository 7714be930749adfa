//! Which configurations a search has been in: exact keys, never only their hashes, because a collision could
//! accuse an innocent system.

use super::meter::{Meter, Stop};
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// A set of keys of `stride` words each.
pub(crate) struct Seen<'m> {
    stride: usize,
    /// The keys, one after the other.
    words: Vec<u64>,
    /// Open addressing; the number of a key plus one, or zero. Its length is a power of two.
    table: Vec<u32>,
    meter: &'m Meter,
    bytes: usize,
}

impl<'m> Seen<'m> {
    /// An empty set of keys of `stride` words, paid for from `meter`.
    pub fn new(stride: usize, meter: &'m Meter) -> Seen<'m> {
        Seen { stride, words: Vec::new(), table: vec![0; 64], meter, bytes: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.len() / self.stride
    }

    /// Adds a key; whether it is new.
    pub fn insert(&mut self, key: &[u64]) -> Result<bool, Stop> {
        if self.len() * 2 >= self.table.len() {
            self.grow()?;
        }
        let mut at = self.start(key);
        while self.table[at] != 0 {
            if self.key(self.table[at]) == key {
                return Ok(false);
            }
            at = (at + 1) % self.table.len();
        }
        self.words.extend_from_slice(key);
        self.table[at] = self.len() as u32;
        Ok(true)
    }

    /// Whether a key is there.
    pub fn contains(&self, key: &[u64]) -> bool {
        let mut at = self.start(key);
        while self.table[at] != 0 {
            if self.key(self.table[at]) == key {
                return true;
            }
            at = (at + 1) % self.table.len();
        }
        false
    }

    fn key(&self, number: u32) -> &[u64] {
        &self.words[(number as usize - 1) * self.stride..][..self.stride]
    }

    fn start(&self, key: &[u64]) -> usize {
        let mut hasher = FxHasher::default();
        for word in key {
            hasher.write_u64(*word);
        }
        hasher.finish() as usize & (self.table.len() - 1)
    }

    /// Doubles the table, and makes room for the keys that fit in it.
    fn grow(&mut self) -> Result<(), Stop> {
        let places = self.table.len() * 2;
        let bytes = places * size_of::<u32>() + places / 2 * self.stride * size_of::<u64>();
        if u32::try_from(places).is_err() {
            return Err(Stop::Memory);
        }
        self.meter.take(bytes - self.bytes)?;
        self.bytes = bytes;
        self.words.reserve_exact(places / 2 * self.stride - self.words.len());
        self.table = vec![0; places];
        for number in 1..=self.len() as u32 {
            let mut at = self.start(self.key(number));
            while self.table[at] != 0 {
                at = (at + 1) % places;
            }
            self.table[at] = number;
        }
        Ok(())
    }
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        self.meter.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;
    use std::time::Duration;

    #[test]
    fn a_key_is_new_once() {
        let meter = Meter::new(&Budget::default());
        let mut seen = Seen::new(2, &meter);
        for round in [true, false] {
            for i in 0..10_000 {
                assert_eq!(seen.contains(&[i % 100, i / 100]), !round);
                assert_eq!(seen.insert(&[i % 100, i / 100]), Ok(round));
            }
        }
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn memory_is_taken_within_the_budget_and_given_back() {
        let meter = Meter::new(&Budget::new(Duration::from_secs(60), 1 << 20));
        for _ in 0..3 {
            let mut seen = Seen::new(4, &meter);
            let filled = (0..).take_while(|i| seen.insert(&[*i; 4]) == Ok(true)).count();
            assert!((8_000..=32_768).contains(&filled), "{filled}");
        }
    }
}
