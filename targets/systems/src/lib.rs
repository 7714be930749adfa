//! # How to start each system, and how to speak to it
//!
//! One file per system. A system knows its own command line, its ready file and its clients' protocol; where it
//! runs and what is broken around it is not its business.

mod frames;
mod reference;

pub use reference::Reference;

use cluster::{HarnessError, System};
use std::path::Path;
use std::sync::Arc;

/// A system that can be named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
}

const ALL: &[Entry] =
    &[Entry { name: "raft", about: "the reference node running Raft: a replicated map of registers" }];

/// Every system there is, in the order in which people list them.
pub fn all() -> &'static [Entry] {
    ALL
}

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|entry| entry.name)
}

/// The system with this name. `program` is the executable whose `node` command is the reference node, `flaw` a
/// bug to give it.
///
/// # Errors
/// If there is no such system.
pub fn lookup(name: &str, program: &Path, flaw: Option<&str>) -> Result<Arc<dyn System>, HarnessError> {
    let entry = ALL.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names = names().collect::<Vec<_>>().join(", ");
        HarnessError::new(format!("test {name:?}"), "there is no such system")
            .advise(format!("there is: {names}"))
    })?;
    Ok(Arc::new(Reference::new(program.to_owned(), entry.name.to_owned(), flaw.map(str::to_owned))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for name in names() {
            assert_eq!(lookup(name, Path::new("tribunal"), None).unwrap().name(), name);
        }
        let error = lookup("rafd", Path::new("tribunal"), None).err().unwrap().to_string();
        assert!(error.contains("\"rafd\"") && error.contains("there is: raft"), "{error}");
    }
}
