//! The checkers of transactions against oracles that share nothing with them, and against tables of named histories.

mod exhaustive;
mod laws;
mod lists;
mod notation;
mod online;
mod oracle;
mod proofs;
mod random;
mod registers;
mod stamps;
mod stories;
mod table;

use crate::cases::cases;
use history::Chance;
use notation::Txn;
use rayon::prelude::*;

/// Tries so many cases, each with chances of its own, and adds up what they count.
fn tally<const N: usize>(
    cases: u64,
    seed: u64,
    one: impl Fn(u64, &mut Chance) -> [u64; N] + Sync,
) -> [u64; N] {
    let chance = Chance::new(seed);
    let case = |case: u64| one(case, &mut chance.split(&case.to_string()));
    let sum = |one: [u64; N], other: [u64; N]| std::array::from_fn(|at| one[at] + other[at]);
    (0..cases).into_par_iter().map(case).reduce(|| [0; N], sum)
}
