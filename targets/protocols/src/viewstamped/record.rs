//! The one thing that a replica writes down.

use serde::{Deserialize, Serialize};

/// One line of a replica's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// It has begun so many lives.
    Lived {
        /// How many.
        lives: u64,
    },
}
