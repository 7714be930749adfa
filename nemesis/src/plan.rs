//! What is to be broken, and when.

use crate::Intent;
use history::Time;
use serde::{Deserialize, Serialize};

/// Intents with the time at which each is due, ascending. A plain value: printed, saved, replayed, shrunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(pub Vec<(Time, Intent)>);
