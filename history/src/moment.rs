//! Moments in the life of a cluster that a fault can wait for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A moment in the life of a cluster that a fault can wait for. Every moment is about one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A node leads that did not lead a moment before.
    NewLeader,
    /// A node serves that did not serve a moment before: it was started.
    Started,
}

impl Moment {
    /// Every moment, in the order in which people list them.
    pub const ALL: [Moment; 2] = [Moment::NewLeader, Moment::Started];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Moment::NewLeader => "new-leader",
            Moment::Started => "started",
        }
    }

    /// One line for people.
    pub fn about(self) -> &'static str {
        match self {
            Moment::NewLeader => "a node leads that did not lead a moment before",
            Moment::Started => "a node serves that did not serve a moment before",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
