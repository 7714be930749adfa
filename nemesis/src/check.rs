//! What is wrong with a step that somebody wrote.

use crate::{Intent, Selector, Shape, Step};
use history::{NodeId, Trouble};

/// More would be no series but a way of life.
const MOST_TIMES: u32 = 10_000;

/// # Errors
/// With the reason why a step makes no sense in a cluster of so many nodes.
pub(crate) fn check(step: &Step, nodes: u16) -> Result<(), String> {
    let in_time = step.when.is_some();
    let whom = |of: &Selector| match of {
        Selector::Subject if !in_time => {
            Err("it is about the subject of a moment, and waits for no moment".to_owned())
        }
        Selector::These(these) if these.is_empty() => Err("it names no nodes".to_owned()),
        Selector::These(these) => these.iter().try_for_each(|node| known(*node, nodes)),
        _ => Ok(()),
    };
    match &step.intent {
        Intent::Partition(shape) => match shape {
            Shape::Isolate(of) | Shape::Apart(of) | Shape::Mute(of) | Shape::Deaf(of) => whom(of),
            Shape::Grudge(grudge) => {
                if grudge.values().all(Vec::is_empty) {
                    return Err("such a grudge cuts nothing".to_owned());
                }
                grudge.keys().chain(grudge.values().flatten()).try_for_each(|node| known(*node, nodes))
            }
            Shape::Halves | Shape::Bridge | Shape::MajoritiesRing => Ok(()),
        },
        Intent::Kill(of) | Intent::Terminate(of) | Intent::Crash(of) | Intent::Pause(of) => whom(of),
        Intent::PowerCut { of, .. } => whom(of),
        Intent::Disk { of, .. } | Intent::Pressure { of, .. } | Intent::Damage { of, .. } => whom(of),
        Intent::Restart { of, times, .. } => whom(of).and_then(|()| some("times", *times)),
        Intent::Packets { of, trouble } => whom(of).and_then(|()| troubles(trouble)),
        Intent::Clock { jump_ms: 0, rate_ppm: 1_000_000, .. } => Err("it changes nothing".to_owned()),
        Intent::Clock { of, rate_ppm, .. } => whom(of).and_then(|()| runs(*rate_ppm)),
        Intent::Strobe { jump_ms: 0, .. } => Err("its jump_ms is not 0".to_owned()),
        Intent::Strobe { of, every_ms, times, .. } => {
            whom(of).and_then(|()| some("times", *times)).and_then(|()| some("every_ms", *every_ms))
        }
        // Who has joined by then nobody knows yet.
        Intent::Members(_) => Ok(()),
        Intent::Repair(_) if in_time => Err("a repair waits for nothing".to_owned()),
        Intent::Repair(_) => Ok(()),
    }
}

/// # Errors
/// If there is no such node.
pub(crate) fn known(node: NodeId, nodes: u16) -> Result<(), String> {
    let known = (1..=nodes).contains(&node.0);
    if known { Ok(()) } else { Err(format!("{node} is not in a cluster of {nodes} nodes")) }
}

fn some(name: &str, number: u32) -> Result<(), String> {
    let some = (1..=MOST_TIMES).contains(&number);
    if some { Ok(()) } else { Err(format!("{name} is 1 to {MOST_TIMES}, not {number}")) }
}

fn runs(rate_ppm: u32) -> Result<(), String> {
    if rate_ppm > 0 {
        Ok(())
    } else {
        Err("a clock of rate 0 stands still, which no clock of ours can".to_owned())
    }
}

/// # Errors
/// If it is no trouble, or impossible.
pub(crate) fn troubles(trouble: &Trouble) -> Result<(), String> {
    if *trouble == (Trouble { only: trouble.only, ..Trouble::default() }) {
        return Err(
            "it troubles nothing: delay_ms, loss, duplicate, reorder, corrupt, bytes_per_second or hold"
                .to_owned(),
        );
    }
    let shares = [
        ("loss", trouble.loss),
        ("duplicate", trouble.duplicate),
        ("reorder", trouble.reorder),
        ("corrupt", trouble.corrupt),
    ];
    match shares.iter().find(|(_, share)| *share > 1000) {
        Some((name, share)) => Err(format!("{name} is out of a thousand, and {share} is more")),
        None => Ok(()),
    }
}
