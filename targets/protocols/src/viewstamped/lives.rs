//! How often each replica has lived: a crash vector (Michael, Ports, Sharma and Szekeres, *Recovering Shared Objects
//! Without Stable Storage*, DISC 2017).
//!
//! A replica that crashed has forgotten what it promised, and its promises may still be under way. If they are counted
//! together with what it says in its next life, a quorum may form of which nobody remembers enough. So everybody says of
//! everybody how often it has lived, remembers the highest number it has heard, and lets nothing count that was said in
//! an earlier life.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How often each replica has lived, by its place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lives(Vec<u64>);

impl Lives {
    /// Nobody of so many has lived, for all that is known.
    pub(super) fn none(replicas: usize) -> Lives {
        Lives(vec![0; replicas])
    }

    /// In which life the replica in this place is.
    pub(super) fn of(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }

    /// The replica in this place is in that life, at least.
    pub(super) fn hear(&mut self, place: usize, life: u64) {
        if let Some(known) = self.0.get_mut(place) {
            *known = life.max(*known);
        }
    }

    /// Takes over what is newer; whether anything was.
    pub(super) fn merge(&mut self, others: &Lives) -> bool {
        let mut news = false;
        for (known, heard) in self.0.iter_mut().zip(&others.0) {
            news |= heard > known;
            *known = (*known).max(*heard);
        }
        news
    }
}

impl fmt::Display for Lives {
    /// Nothing, as long as nobody has died.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(|life| *life <= 1) {
            return Ok(());
        }
        let lives: Vec<String> = self.0.iter().map(u64::to_string).collect();
        write!(f, " (lives {})", lives.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_that_was_heard_stays() {
        let mut lives = Lives::none(3);
        lives.hear(0, 2);
        lives.hear(0, 1);
        let mut other = Lives::none(3);
        other.hear(1, 1);
        assert!(lives.merge(&other) && !lives.merge(&other));
        assert_eq!([lives.of(0), lives.of(1), lives.of(2), lives.of(9)], [2, 1, 0, 0]);
        assert_eq!(lives.to_string(), " (lives 2 1 0)");
    }
}
