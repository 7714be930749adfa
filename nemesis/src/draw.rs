//! What a fault of some kind looks like, drawn at random.

use crate::{Intent, Selector, Shape};
use history::{Chance, FaultKind, Trouble};

/// An intent of this kind. A `sure` one can be resolved in any cluster of at least two nodes at any time: it
/// asks for no leader, who may be missing just then, and for no minority, which two nodes do not have. The
/// first of each kind in a plan is sure, so that a run does not end without having tried what was asked for.
pub(crate) fn draw(kind: FaultKind, sure: bool, chance: &mut Chance) -> Intent {
    match kind {
        FaultKind::Partition => Intent::Partition(draw_shape(sure, chance)),
        FaultKind::Kill => Intent::Kill(draw_selector(sure, chance)),
        FaultKind::Crash => Intent::Crash(draw_selector(sure, chance)),
        FaultKind::Pause => Intent::Pause(draw_selector(sure, chance)),
        FaultKind::Packets => {
            Intent::Packets { of: draw_selector(sure, chance), trouble: draw_trouble(chance) }
        }
        FaultKind::Clock => draw_clock(draw_selector(sure, chance), chance),
    }
}

fn draw_selector(sure: bool, chance: &mut Chance) -> Selector {
    match (sure, chance.below(10)) {
        (true, 0..=5) => Selector::One,
        (true, 6..=7) => Selector::Majority,
        (true, _) => Selector::All,
        (false, 0..=1) => Selector::One,
        (false, 2..=5) => Selector::Primaries,
        (false, 6..=7) => Selector::Minority,
        (false, 8) => Selector::Majority,
        (false, _) => Selector::All,
    }
}

fn draw_shape(sure: bool, chance: &mut Chance) -> Shape {
    if sure {
        return if chance.coin(0.5) { Shape::Halves } else { Shape::Isolate(Selector::One) };
    }
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

/// A jump of four milliseconds to four minutes forward or back, as Jepsen's `bump`; a rate of 0.8 to 1.25; or both.
fn draw_clock(of: Selector, chance: &mut Chance) -> Intent {
    let magnitude = 1i64 << chance.between(2, 18);
    let jump = if chance.coin(0.5) { magnitude } else { -magnitude };
    let rate = chance.between(800_000, 1_250_000) as u32;
    let (jump_ms, rate_ppm) = match chance.below(3) {
        0 => (jump, 1_000_000),
        1 => (0, rate),
        _ => (jump, rate),
    };
    Intent::Clock { of, jump_ms, rate_ppm }
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
    fn clocks_stay_within_bounds_and_are_always_wrong() {
        let mut chance = Chance::new(5);
        for _ in 0..1000 {
            let Intent::Clock { jump_ms, rate_ppm, .. } = draw(FaultKind::Clock, false, &mut chance) else {
                panic!("a clock fault was asked for");
            };
            assert!(jump_ms.unsigned_abs() <= Time::from_secs(263).0 / 1_000_000);
            assert!((800_000..=1_250_000).contains(&rate_ppm));
            assert!(jump_ms != 0 || rate_ppm != 1_000_000, "nothing would be changed");
        }
    }
}
