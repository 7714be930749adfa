//! What runs leave behind whose controller was killed.

use super::engine::Engine;
use super::run::{LABEL, Run};
use cluster::HarnessError;

/// A kind of thing that an engine keeps.
struct Kind {
    /// How to list those of ours: one name a line.
    list: &'static [&'static str],
    /// How to remove some.
    remove: &'static [&'static str],
}

impl Kind {
    /// The names of those that belong to such runs.
    fn names(&self, engine: &Engine, of: &impl Fn(Run) -> bool) -> Result<Vec<String>, String> {
        let label = format!("label={LABEL}");
        let names = engine.ask(&[self.list, &["--filter", &label]].concat())?;
        let ours = |name: &&str| Run::of(name).is_some_and(of);
        Ok(names.lines().map(str::trim).filter(ours).map(str::to_owned).collect())
    }
}

/// In the order in which they can be removed.
const KINDS: [Kind; 3] = [
    Kind { list: &["ps", "--all", "--format", "{{.Names}}"], remove: &["rm", "--force", "--volumes"] },
    Kind { list: &["network", "ls", "--format", "{{.Name}}"], remove: &["network", "rm"] },
    Kind { list: &["images", "--format", "{{.Repository}}"], remove: &["rmi", "--force"] },
];

/// Removes every container, network and image of ours whose controller is gone; their names. Those of runs that go
/// on, and everybody else's, are left alone.
///
/// # Errors
/// If the engine refuses.
pub fn clean(command: &str) -> Result<Vec<String>, HarnessError> {
    let doing = "remove what dead runs left in the container engine";
    remove(&Engine::new(command), Run::is_over).map_err(|why| HarnessError::new(doing, why))
}

/// The names of everything of ours whose controller is gone.
///
/// # Errors
/// If the engine does not say.
pub fn found(engine: &Engine) -> Result<Vec<String>, String> {
    let found: Result<Vec<_>, String> = KINDS.iter().map(|kind| kind.names(engine, &Run::is_over)).collect();
    Ok(found?.concat())
}

/// Who was frozen behind the engine's back could not be removed. If it is not frozen, or gone, so much the better.
fn thaw(engine: &Engine, container: &str) {
    let pid = engine.ask(&["inspect", "--format", "{{.State.Pid}}", container]);
    if let Some(pid) = pid.ok().and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0) {
        let _gone = linux::cgroup::thaw(pid);
    }
}

/// Removes everything that belongs to such runs; its names.
///
/// # Errors
/// If the engine refuses, or something is left.
pub fn remove(engine: &Engine, of: impl Fn(Run) -> bool) -> Result<Vec<String>, String> {
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let names = kind.names(engine, &of)?;
        if names.is_empty() {
            continue;
        }
        let args: Vec<&str> = kind.remove.iter().copied().chain(names.iter().map(String::as_str)).collect();
        if kind.remove[0] == "rm" {
            names.iter().for_each(|name| thaw(engine, name));
        }
        // Some may be going by themselves just now, which some engines take for a failure. What is left counts.
        let complaint = engine.ask(&args).err();
        let rest = kind.names(engine, &of)?;
        if let Some(complaint) = complaint.filter(|_| !rest.is_empty()) {
            left.push(format!("{}: {complaint}", rest.join(", ")));
        }
        removed.extend(names);
    }
    if left.is_empty() { Ok(removed) } else { Err(left.join("; ")) }
}
