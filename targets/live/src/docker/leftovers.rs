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

/// Removes everything that belongs to such runs; its names.
///
/// # Errors
/// If the engine refuses, or something is left.
pub fn remove(engine: &Engine, of: impl Fn(Run) -> bool) -> Result<Vec<String>, String> {
    let (label, mut removed, mut left) = (format!("label={LABEL}"), Vec::new(), Vec::new());
    for Kind { list, remove } in KINDS {
        let found = || -> Result<Vec<String>, String> {
            let names = engine.ask(&[list, &["--filter", &label]].concat())?;
            let ours = |name: &&str| Run::of(name).is_some_and(&of);
            Ok(names.lines().map(str::trim).filter(ours).map(str::to_owned).collect())
        };
        let names = found()?;
        if names.is_empty() {
            continue;
        }
        let args: Vec<&str> = remove.iter().copied().chain(names.iter().map(String::as_str)).collect();
        // Some may be going by themselves just now, which some engines take for a failure. What is left counts.
        let complaint = engine.ask(&args).err();
        let rest = found()?;
        if let Some(complaint) = complaint.filter(|_| !rest.is_empty()) {
            left.push(format!("{}: {complaint}", rest.join(", ")));
        }
        removed.extend(names);
    }
    if left.is_empty() { Ok(removed) } else { Err(left.join("; ")) }
}
