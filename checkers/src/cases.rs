//! How many random histories a test judges.
//!
//! `TRIBUNAL_CASES=1000000 cargo test --release -p tribunal-checkers --lib` asks every algorithm that often.

/// As many as the environment says, or else so `few`.
pub(crate) fn cases(few: u64) -> u64 {
    std::env::var("TRIBUNAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}
