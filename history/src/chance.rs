//! The only randomness there is.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A stream of choices. Two streams of one seed make the same choices, on every machine and in every version
/// of the standard library; nothing else in the project is random.
#[derive(Debug, Clone)]
pub struct Chance {
    seed: u64,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Seeded(Box<ChaCha8Rng>),
    Bytes { bytes: Vec<u8>, next: usize },
}

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Chance {
        Chance { seed, source: Source::Seeded(Box::new(ChaCha8Rng::seed_from_u64(seed))) }
    }

    /// A stream that reads its choices from `bytes`, then chooses zero for ever. Shrinking the bytes shrinks
    /// whatever was generated from them.
    pub fn from_bytes(bytes: Vec<u8>) -> Chance {
        Chance { seed: xxh3_64_with_seed(&bytes, 0), source: Source::Bytes { bytes, next: 0 } }
    }

    /// An independent stream for one purpose. It depends on the seed and the purpose alone, not on what was
    /// drawn before, so that a new draw in one place changes nothing in another.
    pub fn split(&self, purpose: &str) -> Chance {
        Chance::new(xxh3_64_with_seed(purpose.as_bytes(), self.seed))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        match &mut self.source {
            Source::Seeded(rng) => rng.next_u64(),
            Source::Bytes { bytes, next } => {
                let rest = bytes.get(*next..).unwrap_or(&[]);
                let mut word = [0; 8];
                let taken = rest.len().min(8);
                word[..taken].copy_from_slice(&rest[..taken]);
                *next += taken;
                u64::from_le_bytes(word)
            }
        }
    }

    /// A number in `0..limit`.
    ///
    /// # Panics
    /// If `limit` is zero: there is nothing to choose.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "a choice among nothing");
        // A widening multiplication; its bias is below limit/2^64, which no test of ours could see.
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `permille` of a thousand.
    pub fn permille(&mut self, permille: u16) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// True with probability `p`.
    pub fn coin(&mut self, p: f64) -> bool {
        self.fraction() < p
    }

    /// A number in `[0, 1)`.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An exponentially distributed span with the given mean, cut at ten means.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64((-(1.0 - self.fraction()).ln()).min(10.0))
    }

    /// A span in `low..=high`.
    pub fn span(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(low.as_nanos() as u64, high.as_nanos() as u64))
    }

    /// One of `items`, or nothing if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len() as u64) as usize) }
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_promise() {
        // These numbers may never change: stored seeds must keep reproducing stored runs.
        let mut chance = Chance::new(7);
        assert_eq!([chance.below(1000), chance.below(1000), chance.below(1000)], PINNED);
        const PINNED: [u64; 3] = [157, 167, 704];
    }

    #[test]
    fn splitting_ignores_what_was_drawn() {
        let fresh = Chance::new(1);
        let mut used = Chance::new(1);
        used.bits();
        assert_eq!(fresh.split("x").bits(), used.split("x").bits());
        assert_ne!(fresh.split("x").bits(), fresh.split("y").bits());
    }

    #[test]
    fn bytes_run_out_into_zeros() {
        let mut chance = Chance::from_bytes(vec![0xff; 8]);
        assert_eq!(chance.below(10), 9);
        assert_eq!(chance.below(10), 0);
    }
}
