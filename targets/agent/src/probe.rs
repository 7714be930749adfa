//! What can be broken on this machine.

use crate::words::Ability;
use crate::{paths, pressure};
use history::FaultKind;

/// Whether each kind of fault can be made here, over SSH, found out by trying.
pub fn abilities() -> Vec<Ability> {
    FaultKind::ALL.into_iter().map(|fault| Ability { fault, able: able(fault) }).collect()
}

fn able(fault: FaultKind) -> Result<(), String> {
    match fault {
        FaultKind::Partition => paths::can_cut(),
        FaultKind::Packets => paths::can_impair(),
        // That there are hosts that stand by to join, the controller knows.
        FaultKind::Kill | FaultKind::Pause | FaultKind::Damage | FaultKind::Members => Ok(()),
        FaultKind::Clock => linux::clock::can(),
        FaultKind::Crash | FaultKind::Disk => linux::disk::can(),
        FaultKind::Pressure => pressure::can(),
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
