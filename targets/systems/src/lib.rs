//! # How to start each system, and how to speak to it
//!
//! One file per system. A system knows its own command line, its ready file and its clients' protocol; where it
//! runs and what is broken around it is not its business.

mod frames;
mod reference;

pub use reference::Reference;

use cluster::{HarnessError, System};
use protocols::catalog::{self, PROTOCOLS};
use std::path::Path;
use std::sync::Arc;

/// Their names, in the order in which people list them.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|entry| entry.name)
}

/// The system with this name. `program` is the executable whose `node` command is the reference node, `flaw` a
/// bug to give it; `insist` says whether its clients send a call again if they heard nothing.
///
/// # Errors
/// If there is no such system.
pub fn lookup(
    name: &str,
    program: &Path,
    flaw: Option<&str>,
    insist: bool,
) -> Result<Arc<dyn System>, HarnessError> {
    let entry = catalog::lookup(name).ok_or_else(|| {
        let names = names().collect::<Vec<_>>().join(", ");
        HarnessError::new(format!("test {name:?}"), "there is no such system")
            .advise(format!("there is: {names}"))
    })?;
    let reference = Reference::new(program.to_owned(), entry.name.to_owned(), flaw.map(str::to_owned));
    Ok(Arc::new(reference.insisting(insist)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for name in names() {
            assert_eq!(lookup(name, Path::new("tribunal"), None, false).unwrap().name(), name);
        }
        let error = lookup("rafd", Path::new("tribunal"), None, false).err().unwrap().to_string();
        assert!(error.contains("\"rafd\"") && error.contains("there is: raft"), "{error}");
    }
}
