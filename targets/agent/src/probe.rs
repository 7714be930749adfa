//! What can be broken on this machine.

use crate::gate;
use crate::words::Ability;
use history::FaultKind;

/// Whether each kind of fault can be made here, over SSH, found out by trying.
pub fn abilities() -> Vec<Ability> {
    FaultKind::ALL.into_iter().map(|fault| Ability { fault, able: able(fault) }).collect()
}

fn able(fault: FaultKind) -> Result<(), String> {
    match fault {
        FaultKind::Partition => gate::can(),
        FaultKind::Kill | FaultKind::Pause => Ok(()),
        FaultKind::Crash => {
            Err("the power of somebody's machine is not ours to cut; use kill, or --on sim".to_owned())
        }
        other => Err(format!("{other} faults are not made over ssh yet; use --on netns or --on sim")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row_and_every_no_its_reason() {
        let rows = abilities();
        assert_eq!(rows.len(), FaultKind::ALL.len());
        assert!(rows.iter().any(|row| row.able.is_ok()));
        assert!(rows.iter().filter_map(|row| row.able.as_ref().err()).all(|why| why.len() > 20), "{rows:?}");
    }
}
