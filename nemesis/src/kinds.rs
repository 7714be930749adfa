//! Which kinds of fault are wanted, and which of them get in one another's way.

use cluster::Abilities;
use history::FaultKind;

/// The kinds that `--nemesis` asks for: a list of names separated by commas, or `none`, or `all`, which is all
/// that this cluster can. Each kind is there once. A kind that is named and that the cluster cannot make is
/// there too: whether to go on without it is the caller's question.
///
/// # Errors
/// If a name is unknown: the error says what exists.
pub fn kinds(list: &str, abilities: &Abilities) -> Result<Vec<FaultKind>, String> {
    let can = |kind: FaultKind| abilities.faults.get(&kind).is_some_and(Result::is_ok);
    let possible: Vec<FaultKind> = FaultKind::ALL.into_iter().filter(|kind| can(*kind)).collect();
    match list.trim() {
        "none" => return Ok(Vec::new()),
        "all" => return Ok(possible),
        _ => {}
    }
    let mut wanted = Vec::new();
    for name in list.split(',').map(str::trim) {
        let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
        wanted.push(kind.ok_or_else(|| unknown(name, &possible))?);
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

fn unknown(name: &str, possible: &[FaultKind]) -> String {
    match name {
        "all" | "none" => format!("{name:?} stands alone, not in a list"),
        _ => format!("{name:?} is not a kind of fault; {}", what_exists(possible)),
    }
}

fn what_exists(possible: &[FaultKind]) -> String {
    let names: Vec<_> = possible.iter().map(|kind| kind.name()).collect();
    format!("this cluster can be given: {}, all, none", names.join(", "))
}

/// Kinds of which one at a time is enough: a dead process cannot be paused, and starting the killed also
/// starts the crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Links,
    Processes,
    Packets,
    Clocks,
    Disks,
}

impl Family {
    pub(crate) fn of(kind: FaultKind) -> Family {
        match kind {
            FaultKind::Partition => Family::Links,
            FaultKind::Kill | FaultKind::Crash | FaultKind::Pause => Family::Processes,
            FaultKind::Packets => Family::Packets,
            FaultKind::Clock => Family::Clocks,
            FaultKind::Disk => Family::Disks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn local() -> Abilities {
        let mut faults: BTreeMap<_, _> = FaultKind::ALL.into_iter().map(|kind| (kind, Ok(()))).collect();
        faults.insert(FaultKind::Clock, Err("one machine has one clock; use --on sim".to_owned()));
        faults.remove(&FaultKind::Crash);
        faults.remove(&FaultKind::Disk);
        Abilities { calls: Vec::new(), faults }
    }

    #[test]
    fn lists_are_read() {
        use FaultKind::{Kill, Packets, Partition, Pause};
        assert_eq!(kinds("kill, partition,kill", &local()), Ok(vec![Partition, Kill]));
        assert_eq!(kinds("clock", &local()), Ok(vec![FaultKind::Clock]), "named, though it cannot be made");
        assert_eq!(kinds("none", &local()), Ok(vec![]));
        assert_eq!(kinds("all", &local()), Ok(vec![Partition, Kill, Pause, Packets]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (list, why) in [
            (
                "kil",
                "\"kil\" is not a kind of fault; this cluster can be given: partition, kill, pause, packets",
            ),
            ("", "\"\" is not a kind of fault"),
            ("kill,", "\"\" is not a kind of fault"),
            ("kill,all", "\"all\" stands alone"),
        ] {
            let error = kinds(list, &local()).unwrap_err();
            assert!(error.contains(why), "{list:?}: {error}");
        }
    }
}
