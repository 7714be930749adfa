//! What a fault of some kind looks like, drawn at random.

use crate::{Intent, Selector, Shape};
use history::{Chance, FaultKind, Illness, Trouble};

/// An intent of this kind. A `sure` one takes hold in any cluster of at least two nodes whatever else is broken:
/// it asks for no leader, who may be missing just then, and for no minority, which two nodes do not have; it
/// leaves enough nodes alone that links are still used, and concerns enough links that some are. The first of
/// each kind in a plan is sure, so that no run ends without having tried what was asked for.
pub(crate) fn draw(kind: FaultKind, sure: bool, chance: &mut Chance) -> Intent {
    let whom = if sure { Selector::One } else { draw_selector(chance) };
    match kind {
        FaultKind::Partition => Intent::Partition(if sure { Shape::Halves } else { draw_shape(chance) }),
        FaultKind::Kill => Intent::Kill(whom),
        FaultKind::Crash => Intent::Crash(whom),
        FaultKind::Pause => Intent::Pause(whom),
        FaultKind::Packets => {
            let of = if sure { Selector::All } else { whom };
            Intent::Packets { of, trouble: draw_trouble(chance) }
        }
        FaultKind::Clock => draw_clock(whom, chance),
        FaultKind::Disk => Intent::Disk { of: whom, illness: draw_illness(sure, chance) },
    }
}

fn draw_selector(chance: &mut Chance) -> Selector {
    match chance.below(10) {
        0..=1 => Selector::One,
        2..=5 => Selector::Primaries,
        6..=7 => Selector::Minority,
        8 => Selector::Majority,
        _ => Selector::All,
    }
}

fn draw_shape(chance: &mut Chance) -> Shape {
    match chance.below(10) {
        0..=1 => Shape::Halves,
        2 => Shape::Isolate(Selector::Minority),
        3..=4 => Shape::Isolate(Selector::Primaries),
        5 => Shape::Bridge,
        6..=7 => Shape::MajoritiesRing,
        8 => Shape::Mute(Selector::Primaries),
        _ => Shape::Deaf(Selector::Primaries),
    }
}

/// One trouble, or several at once. A fifth of the messages is what Jepsen's packet nemesis takes by default.
fn draw_trouble(chance: &mut Chance) -> Trouble {
    let delay_ms = chance.between(10, 100) as u32;
    let slow = Trouble { delay_ms, jitter_ms: delay_ms, ..Trouble::default() };
    match chance.below(6) {
        0 => slow,
        1 => Trouble { loss: 200, ..Trouble::default() },
        2 => Trouble { duplicate: 200, ..Trouble::default() },
        3 => Trouble { reorder: 200, ..slow },
        4 => Trouble { hold: true, ..Trouble::default() },
        _ => Trouble { loss: 100, duplicate: 100, reorder: 100, ..slow },
    }
}

/// A jump of four milliseconds to four minutes, as Jepsen's `bump`; or a rate of 0.8 to 1.25; or both. A jump back
/// never comes alone: a node that looks at its monotonic clock only would not notice it.
fn draw_clock(of: Selector, chance: &mut Chance) -> Intent {
    let forward = 1i64 << chance.between(2, 18);
    let either = if chance.coin(0.5) { forward } else { -forward };
    let rate = if chance.coin(0.5) {
        chance.between(800_000, 950_000)
    } else {
        chance.between(1_050_000, 1_250_000)
    };
    let (jump_ms, rate_ppm) = match chance.below(3) {
        0 => (forward, 1_000_000),
        1 => (0, rate as u32),
        _ => (either, rate as u32),
    };
    Intent::Clock { of, jump_ms, rate_ppm }
}

/// Half of them slow, which a node survives; the other half it may answer by stopping. A sure one is slow: a node that
/// has stopped could not be paused, and the first pause is to be sure too.
fn draw_illness(sure: bool, chance: &mut Chance) -> Illness {
    let place = if sure { 3 } else { chance.below(6) };
    match place {
        0 => Illness::WriteErrors,
        1 => Illness::SyncErrors,
        2 => Illness::Full,
        _ => Illness::SlowSyncs { delay_ms: 1 << chance.between(4, 10) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve;
    use history::{NodeId, Time};
    use std::collections::BTreeSet;

    #[test]
    fn a_sure_intent_is_always_resolved() {
        let mut chance = Chance::new(3);
        for size in 2..=7 {
            for kind in FaultKind::ALL.into_iter().cycle().take(600) {
                let intent = draw(kind, true, &mut chance);
                assert_eq!(intent.kind(), kind);
                resolve(&intent, &NodeId::all(size), &[], &mut chance).unwrap();
            }
        }
    }

    #[test]
    fn every_variety_is_drawn() {
        let mut chance = Chance::new(9);
        let mut varieties = |kind| {
            let drawn = (0..2000).map(|_| format!("{:?}", draw(kind, false, &mut chance)));
            drawn.collect::<BTreeSet<_>>()
        };
        assert_eq!(varieties(FaultKind::Kill).len(), 5);
        assert_eq!(varieties(FaultKind::Partition).len(), 7);
        let packets = varieties(FaultKind::Packets);
        for word in ["loss: 200", "duplicate: 200", "reorder: 200", "hold: true", "loss: 100", "Primaries"] {
            assert!(packets.iter().any(|packet| packet.contains(word)), "{word}");
        }
    }

    #[test]
    fn disks_get_slow_as_often_as_they_fail() {
        let mut chance = Chance::new(5);
        let mut ill = || match draw(FaultKind::Disk, false, &mut chance) {
            Intent::Disk { illness, .. } => illness,
            other => panic!("a disk fault was asked for, not {other:?}"),
        };
        let all: Vec<Illness> = (0..1000).map(|_| ill()).collect();
        let failing = all.iter().filter(|illness| illness.is_failure()).count();
        assert!((400..600).contains(&failing), "{failing}");
        for illness in [Illness::WriteErrors, Illness::SyncErrors, Illness::Full] {
            assert!(all.contains(&illness), "{illness}");
        }
    }

    #[test]
    fn clocks_stay_within_bounds_and_are_always_wrong() {
        let mut chance = Chance::new(5);
        for _ in 0..1000 {
            let Intent::Clock { jump_ms, rate_ppm, .. } = draw(FaultKind::Clock, false, &mut chance) else {
                panic!("a clock fault was asked for");
            };
            assert!(jump_ms.unsigned_abs() <= Time::from_secs(263).0 / 1_000_000);
            assert!((800_000..=1_250_000).contains(&rate_ppm));
            assert!(jump_ms > 0 || rate_ppm != 1_000_000, "nothing would be changed");
        }
    }
}
