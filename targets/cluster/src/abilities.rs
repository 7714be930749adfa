//! What a cluster can be asked, and what can be broken in it.

use history::{CallKind, FaultKind};
use std::collections::BTreeMap;

/// What a cluster can be asked, and what can be broken in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// The calls that its system serves.
    pub calls: Vec<CallKind>,
    /// For each kind of fault: it can, or why it cannot and what to do instead.
    pub faults: BTreeMap<FaultKind, Result<(), String>>,
}
