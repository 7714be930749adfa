//! Exact algorithms for special objects, none of which searches: all are O(n log n) in the number of operations,
//! whatever the concurrency. Each is held against brute force in `tests`.

pub(crate) mod appended;
pub(crate) mod counted;
pub(crate) mod drains;
pub(crate) mod element;
pub(crate) mod fifo;
pub(crate) mod grown;
pub(crate) mod held;
pub(crate) mod lives;
pub(crate) mod priority;
pub(crate) mod stack;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
pub(crate) mod written;
