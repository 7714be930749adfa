//! The keys in use.
//!
//! A key is in use for a while and then never again. The cost of judging a key grows with its operations, and often
//! steeply with those whose outcome is unknown, since each of them may take effect at any later time; fresh keys keep
//! both small, however long the run.

use history::{Chance, Key};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// How keys are chosen among those in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyDistribution {
    /// Each as often as any other.
    #[default]
    Uniform,
    /// The second half as often as the first, the third a third as often (Zipf with exponent 1).
    Zipf,
    /// Each half as often as the one before it.
    Exponential,
}

impl KeyDistribution {
    /// All of them.
    pub const ALL: [KeyDistribution; 3] =
        [KeyDistribution::Uniform, KeyDistribution::Zipf, KeyDistribution::Exponential];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            KeyDistribution::Uniform => "uniform",
            KeyDistribution::Zipf => "zipf",
            KeyDistribution::Exponential => "exponential",
        }
    }

    /// A rank in `0..count`.
    fn draw(self, count: usize, chance: &mut Chance) -> usize {
        if self == KeyDistribution::Uniform {
            return chance.below(count as u64) as usize;
        }
        let weight = |rank: usize| match self {
            KeyDistribution::Exponential => 0.5f64.powi(rank.min(1000) as i32),
            _ => 1.0 / (rank as f64 + 1.0),
        };
        let mut left = chance.fraction() * (0..count).map(weight).sum::<f64>();
        let hit = (0..count).find(|rank| {
            left -= weight(*rank);
            left < 0.0
        });
        hit.unwrap_or(count - 1)
    }
}

impl fmt::Display for KeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyDistribution {
    type Err = String;
    fn from_str(text: &str) -> Result<KeyDistribution, String> {
        KeyDistribution::ALL.into_iter().find(|distribution| distribution.name() == text).ok_or_else(|| {
            let names = KeyDistribution::ALL.map(KeyDistribution::name).join(", ");
            format!("{text:?} is no distribution of keys; there is: {names}")
        })
    }
}

/// How many keys are in use at a time, which of them how often, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// So many at a time; if not said, one for every three workers.
    pub count: Option<u32>,
    /// Which of them how often.
    pub distribution: KeyDistribution,
    /// After so many calls a key is used no more.
    pub calls: u32,
    /// After so many unknown outcomes a key is used no more.
    pub unknowns: u32,
}

/// How many workers share a key, if nobody says how many keys there are: more contention, fewer keys.
const WORKERS_PER_KEY: u32 = 3;

impl KeyUse {
    /// What suits most objects.
    pub const USUAL: KeyUse =
        KeyUse { count: None, distribution: KeyDistribution::Uniform, calls: 128, unknowns: 15 };
}

/// The keys in use, the most popular first.
#[derive(Debug)]
pub(crate) struct Keys {
    plan: KeyUse,
    active: Vec<Active>,
    next: u64,
}

#[derive(Debug)]
struct Active {
    key: Key,
    calls: u32,
    unknowns: u32,
}

impl Keys {
    pub(crate) fn new(plan: KeyUse) -> Keys {
        Keys { plan, active: Vec::new(), next: 0 }
    }

    fn fresh(&mut self) -> Active {
        let key = Key(self.next);
        self.next += 1;
        Active { key, calls: 0, unknowns: 0 }
    }

    /// A key for one more call, replaced first if it is worn out.
    pub(crate) fn draw(&mut self, workers: u32, chance: &mut Chance) -> Key {
        let rank = self.rank(workers, chance);
        self.take(rank)
    }

    /// A key that is none of these, if one is found soon.
    pub(crate) fn draw_but(
        &mut self,
        busy: &BTreeSet<Key>,
        workers: u32,
        chance: &mut Chance,
    ) -> Option<Key> {
        let mut ranks = (0..16).map(|_| self.rank(workers, chance)).collect::<Vec<_>>().into_iter();
        let rank = ranks.find(|rank| !busy.contains(&self.active[*rank].key))?;
        Some(self.take(rank))
    }

    fn rank(&mut self, workers: u32, chance: &mut Chance) -> usize {
        let wanted = self.plan.count.unwrap_or(workers.div_ceil(WORKERS_PER_KEY)).max(1) as usize;
        while self.active.len() < wanted {
            let fresh = self.fresh();
            self.active.push(fresh);
        }
        self.plan.distribution.draw(self.active.len(), chance)
    }

    fn take(&mut self, rank: usize) -> Key {
        let chosen = &self.active[rank];
        if chosen.calls >= self.plan.calls.max(1) || chosen.unknowns >= self.plan.unknowns.max(1) {
            self.active[rank] = self.fresh();
        }
        self.active[rank].calls += 1;
        self.active[rank].key
    }

    /// Nobody knows whether this key was changed.
    pub(crate) fn doubt(&mut self, key: Key) {
        if let Some(active) = self.active.iter_mut().find(|active| active.key == key) {
            active.unknowns += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn keys_are_as_popular_as_they_are_said_to_be() {
        for (distribution, shares) in [
            (KeyDistribution::Uniform, [250, 250, 250, 250]),
            (KeyDistribution::Zipf, [480, 240, 160, 120]),
            (KeyDistribution::Exponential, [533, 267, 133, 67]),
        ] {
            let mut keys =
                Keys::new(KeyUse { count: Some(4), distribution, calls: u32::MAX, ..KeyUse::USUAL });
            let (mut chance, mut counts) = (Chance::new(1), BTreeMap::new());
            (0..10_000).for_each(|_| *counts.entry(keys.draw(1, &mut chance)).or_insert(0) += 1);
            for (key, share) in (0..).map(Key).zip(shares) {
                let seen = counts[&key] / 10;
                assert!((share - 25..share + 25).contains(&seen), "{distribution}: {key} has {seen} ‰");
            }
            assert_eq!(distribution.name().parse(), Ok(distribution));
        }
        assert!("even".parse::<KeyDistribution>().unwrap_err().contains("zipf"));
    }

    #[test]
    fn worn_keys_are_replaced_and_never_come_back() {
        let mut keys = Keys::new(KeyUse { count: Some(1), calls: 3, unknowns: 1, ..KeyUse::USUAL });
        let mut chance = Chance::new(1);
        let mut draw = |doubt: bool| {
            let key = keys.draw(9, &mut chance);
            if doubt {
                keys.doubt(key);
            }
            key.0
        };
        let drawn = [draw(false), draw(false), draw(false), draw(true), draw(false), draw(false), draw(true)];
        assert_eq!(drawn, [0, 0, 0, 1, 2, 2, 2]);
    }
}
