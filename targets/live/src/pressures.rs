//! The nodes that have too little of something, and how they are kept so.

use crate::docker::Run;
use crate::levers::Levers;
use history::{NodeId, Pressure};
use linux::cgroup::{self, CgroupError, Limit, Reading};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The nodes that have too little of something. Everything here may block for a moment.
pub struct Pressures {
    /// Who gives them so little.
    levers: Arc<dyn Levers>,
    held: Mutex<BTreeMap<NodeId, Pressure>>,
}

impl Pressures {
    /// None yet.
    pub fn new(levers: Arc<dyn Levers>) -> Pressures {
        Pressures { levers, held: Mutex::default() }
    }

    /// Gives a node, whose first process this is, too little of something, and no longer of something else; what the
    /// kernel said of its group then.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn press(&self, node: NodeId, pid: Pid, pressure: Pressure) -> Result<Reading, String> {
        let mut held = self.lock();
        held.remove(&node);
        let reading = self.levers.press(node, pid, limit(pressure))?;
        held.insert(node, pressure);
        Ok(reading)
    }

    /// What a node that was started again has too little of, if anything.
    pub fn of(&self, node: NodeId) -> Option<Pressure> {
        self.lock().get(&node).copied()
    }

    /// What the kernel says of a node's group now.
    ///
    /// # Errors
    /// If the group is gone.
    pub fn reading(&self, node: NodeId) -> Option<Result<Reading, String>> {
        self.of(node).map(|_| self.levers.pressure(node))
    }

    /// Whether a node is frozen. It does not obey signals then.
    pub fn is_frozen(&self, node: NodeId) -> bool {
        self.of(node) == Some(Pressure::Freeze)
    }

    /// Thaws a node if it is frozen, because it is to be killed.
    pub fn thaw(&self, node: NodeId) {
        let mut held = self.lock();
        if held.get(&node) == Some(&Pressure::Freeze) {
            held.remove(&node);
            if let Err(why) = self.levers.relieve(node) {
                tracing::error!("{node} stays frozen: {why}");
            }
        }
    }

    /// Gives every node all it wants; which had too little of what, and how that ended.
    pub fn relieve(&self) -> Vec<(NodeId, Pressure, Result<(), String>)> {
        let held = std::mem::take(&mut *self.lock());
        let relieved = held.into_iter().map(|(node, pressure)| (node, pressure, self.levers.relieve(node)));
        relieved.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Pressure>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nodes can be given too little here.
///
/// # Errors
/// If not: why, and what to do about it.
pub fn can() -> Result<(), String> {
    let probe = name("probe").map_err(|why| why.to_string())?;
    [Pressure::Cpu { permille: 1 }, Pressure::Memory { spare_kib: 1 << 20 }, Pressure::Freeze]
        .into_iter()
        .try_for_each(|pressure| cgroup::can(&probe, limit(pressure)))
}

/// Dissolves every control group whose controller is gone; where they were.
///
/// # Errors
/// If one cannot be dissolved.
pub fn clean() -> Vec<Result<PathBuf, CgroupError>> {
    remove(Run::is_over)
}

/// Dissolves the control groups of such runs; where they were.
///
/// # Errors
/// If one cannot be dissolved.
pub fn remove(of: impl Fn(Run) -> bool) -> Vec<Result<PathBuf, CgroupError>> {
    let dead = |group: &PathBuf| {
        let name = group.file_name().and_then(|name| name.to_str());
        name.and_then(Run::of).is_some_and(&of)
    };
    let groups = cgroup::find(crate::docker::LABEL).into_iter().filter(dead);
    groups.map(|group| cgroup::dissolve(&group).map(|()| group)).collect()
}

/// The name of a group of ours: it tells whose it is, and no two are equal.
///
/// # Errors
/// If there is no `/proc`.
pub fn name(of: impl Display) -> Result<String, CgroupError> {
    let run = Run::begin();
    let run =
        run.map_err(|source| CgroupError { doing: "find a name for a control group".to_owned(), source })?;
    Ok(run.part(of))
}

fn limit(pressure: Pressure) -> Limit {
    match pressure {
        Pressure::Cpu { permille } => Limit::Cpu { permille },
        Pressure::Memory { spare_kib } => Limit::Memory { spare: u64::from(spare_kib) << 10 },
        Pressure::Freeze => Limit::Freeze,
    }
}
