//! Whose data is damaged.

use crate::levers::Levers;
use history::{Chance, Damage, NodeId};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The nodes whose data is damaged and who have not served since: their data can be put back. Everything here may block.
pub struct Damages {
    /// Who does it.
    levers: Arc<dyn Levers>,
    state: Mutex<State>,
}

struct State {
    chance: Chance,
    damaged: BTreeSet<NodeId>,
}

impl Damages {
    /// None yet.
    pub fn new(levers: Arc<dyn Levers>, chance: Chance) -> Damages {
        Damages { levers, state: Mutex::new(State { chance, damaged: BTreeSet::new() }) }
    }

    /// Copies a node's data, for a rollback later.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn copy(&self, node: NodeId, data: &Path) -> Result<(), String> {
        self.levers.copy(node, data)
    }

    /// Damages the data of a node that is down; what was done, exactly. A rollback gives it what was copied last.
    ///
    /// # Errors
    /// If there is nothing to damage, or the disk refuses.
    pub fn damage(&self, node: NodeId, data: &Path, damage: &Damage) -> Result<String, String> {
        let seed = self.lock().chance.bits();
        let done = self.levers.damage(node, data, damage, seed)?;
        // What has rotted nobody puts back.
        if !matches!(damage, Damage::Rot { .. }) {
            self.lock().damaged.insert(node);
        }
        Ok(done)
    }

    /// A node serves: whatever was done to its data, it lives with it.
    pub fn accepted(&self, node: NodeId) {
        self.lock().damaged.remove(&node);
    }

    /// Puts back the data of a node that is down and has not served since it was damaged; whether there was any.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn put_back(&self, node: NodeId, data: &Path) -> Result<bool, String> {
        let damaged = self.lock().damaged.remove(&node);
        if damaged { self.levers.put_back(node, data).map(|()| true) } else { Ok(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
