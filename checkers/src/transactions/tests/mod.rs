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
mod stories;
mod table;

use history::Chance;
use notation::Txn;
use rayon::prelude::*;

/// How many random histories each test judges: a few thousand, or as many as the environment says.
///
/// `TRIBUNAL_CASES=1000000 cargo test --release -p tribunal-checkers transactions` takes its time.
fn cases(few: u64) -> u64 {
    std::env::var("TRIBUNAL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

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
