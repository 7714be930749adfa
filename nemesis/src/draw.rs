//! What a fault looks like, drawn at random as far as its wish leaves it open.

use crate::{How, Intent, Numbers, Range, Selector, Shape, Turnover, Wish};
use history::{Chance, Damage, FaultKind, Illness, Moment, Pressure, Trouble, Unsynced};
use std::time::Duration;

/// An intent as wished. A `sure` one takes hold in any cluster of at least two nodes whatever else is broken, as far
/// as the wish leaves that open: it asks for no leader, who may be missing just then, and for no minority, which two
/// nodes do not have; it leaves enough nodes alone that links are still used, and concerns enough links that some
/// are. The first of each wish in a plan is sure, so that no run ends without having tried what was asked for.
pub(crate) fn draw(wish: &Wish, sure: bool, lasting: Duration, chance: &mut Chance) -> Intent {
    let chosen = wish.of.clone().or_else(|| wish.when.map(|_| Selector::Subject));
    // What strikes at a moment strikes once, unless more was asked for.
    let (open, once) = (chosen.is_none(), sure || wish.when.is_some());
    let whom = chosen.unwrap_or_else(|| if sure { Selector::One } else { draw_selector(chance) });
    match wish.kind {
        FaultKind::Partition => Intent::Partition(draw_shape(wish, whom, sure && open, open, chance)),
        FaultKind::Kill => draw_kill(wish, whom, once, lasting, chance),
        FaultKind::Crash => power_cut(wish.how, whom),
        FaultKind::Pause => Intent::Pause(whom),
        FaultKind::Packets => {
            let of = if sure && open { Selector::All } else { whom };
            let fixed = wish.numbers.trouble;
            Intent::Packets { of, trouble: fixed.unwrap_or_else(|| draw_trouble(wish.how, chance)) }
        }
        FaultKind::Clock => draw_clock(wish, whom, once, lasting, chance),
        FaultKind::Disk => Intent::Disk { of: whom, illness: draw_illness(wish, sure, chance) },
        FaultKind::Members => Intent::Members(draw_turnover(wish.how, sure, whom, chance)),
        FaultKind::Pressure => Intent::Pressure { of: whom, pressure: draw_pressure(wish.how, sure, chance) },
        FaultKind::Damage => {
            let of = if open { Selector::One } else { whom };
            Intent::Damage { of, damage: draw_damage(wish.how, chance) }
        }
    }
}

/// What makes sure that the moment comes for which a wish waits, as far as the same kind of fault can: there is no
/// new leader while nothing happens to the old one.
pub(crate) fn provoke(wish: &Wish) -> Option<Intent> {
    let leaders = Selector::Primaries;
    match (wish.when?, wish.kind) {
        (Moment::NewLeader, FaultKind::Partition) => Some(Intent::Partition(Shape::Isolate(leaders))),
        (Moment::NewLeader, FaultKind::Kill) if wish.how == Some(How::Terminate) => {
            Some(Intent::Terminate(leaders))
        }
        (Moment::NewLeader, FaultKind::Kill) => Some(Intent::Kill(leaders)),
        (Moment::NewLeader, FaultKind::Crash) => Some(power_cut(wish.how, leaders)),
        (Moment::NewLeader, FaultKind::Pause) => Some(Intent::Pause(leaders)),
        (Moment::Started, FaultKind::Kill) => {
            Some(Intent::Restart { of: Selector::One, times: 1, down_ms: 100, up_ms: 100 })
        }
        _ => None,
    }
}

impl Range {
    fn draw(self, chance: &mut Chance) -> i64 {
        let width = self.high.abs_diff(self.low).saturating_add(1);
        self.low.saturating_add_unsigned(chance.below(width.max(1)))
    }
}

/// A number that is fixed, or any of these.
fn number(fixed: Option<Range>, low: i64, high: i64, chance: &mut Chance) -> i64 {
    fixed.unwrap_or(Range { low, high }).draw(chance)
}

fn count(fixed: Option<Range>, low: i64, high: i64, chance: &mut Chance) -> u32 {
    u32::try_from(number(fixed, low, high, chance)).unwrap_or(u32::MAX)
}

/// A quarter of a span in milliseconds, so that two rounds of two such parts fit into it, within bounds.
fn quarter(span: Duration, low: i64, high: i64) -> i64 {
    i64::try_from(span.as_millis() / 4).unwrap_or(high).clamp(low, high)
}

/// How many rounds of so many milliseconds fit into a span; at least two, since fewer would be no series.
fn rounds(span: Duration, round_ms: u32, most: i64) -> i64 {
    i64::try_from(span.as_millis() / u128::from(round_ms.max(1))).unwrap_or(most).clamp(2, most)
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

/// `open` is whether nobody said whom to choose.
fn draw_shape(wish: &Wish, whom: Selector, sure: bool, open: bool, chance: &mut Chance) -> Shape {
    // Everybody together apart from nobody, or all deaf, would be no partition: of most, a minority is meant.
    let some = match whom {
        Selector::All | Selector::Majority if open => Selector::MinorityThird,
        whom => whom,
    };
    match wish.how {
        Some(How::Halves) => Shape::Halves,
        Some(How::Bridge) => Shape::Bridge,
        Some(How::Ring) => Shape::MajoritiesRing,
        Some(How::Isolate) => Shape::Isolate(some),
        Some(How::Apart) => Shape::Apart(some),
        Some(How::OneWay) if chance.coin(0.5) => Shape::Mute(some),
        Some(How::OneWay | How::Deaf) => Shape::Deaf(some),
        Some(How::Mute) => Shape::Mute(some),
        Some(How::Grudge) => Shape::Grudge(wish.numbers.grudge.clone().unwrap_or_default()),
        _ if !open => Shape::Isolate(some),
        _ if sure => Shape::Halves,
        _ => match chance.below(12) {
            0..=1 => Shape::Halves,
            2 => Shape::Isolate(Selector::Minority),
            3..=4 => Shape::Isolate(Selector::Primaries),
            5 => Shape::Isolate(Selector::MinorityThird),
            6 => Shape::Apart(Selector::Minority),
            7 => Shape::Bridge,
            8..=9 => Shape::MajoritiesRing,
            10 => Shape::Mute(Selector::Primaries),
            _ => Shape::Deaf(Selector::Primaries),
        },
    }
}

/// A kill; sometimes, if nobody said how and there is time for it, a crash loop.
fn draw_kill(wish: &Wish, of: Selector, once: bool, lasting: Duration, chance: &mut Chance) -> Intent {
    let long = lasting >= Duration::from_secs(1);
    let how = match wish.how {
        None if !once && long && chance.below(5) == 0 => Some(How::Loop),
        how => how,
    };
    let Numbers { times, down_ms, up_ms, .. } = wish.numbers;
    match how {
        None => return Intent::Kill(of),
        Some(How::Terminate) => return Intent::Terminate(of),
        Some(_) => {}
    }
    let down_ms = count(down_ms, 20, quarter(lasting, 20, 200), chance);
    let up_ms = count(up_ms, 50, quarter(lasting, 50, 500), chance);
    let fitting = rounds(lasting, down_ms.saturating_add(up_ms), 10);
    let (low, high) = if how == Some(How::Restart) { (1, 1) } else { (2, fitting) };
    Intent::Restart { of, times: count(times, low, high, chance), down_ms, up_ms }
}

fn power_cut(how: Option<How>, of: Selector) -> Intent {
    match how {
        Some(How::Lost) => Intent::PowerCut { of, unsynced: Unsynced::Lost },
        Some(How::Torn) => Intent::PowerCut { of, unsynced: Unsynced::Torn },
        _ => Intent::Crash(of),
    }
}

/// One trouble, or several at once. A fifth of the messages is what Jepsen's packet nemesis takes by default.
fn draw_trouble(how: Option<How>, chance: &mut Chance) -> Trouble {
    let delay_ms = chance.between(10, 100) as u32;
    let slow = Trouble { delay_ms, jitter_ms: delay_ms, ..Trouble::default() };
    let which = match how {
        Some(How::Delay) => 0,
        Some(How::Loss) => 1,
        Some(How::Duplicate) => 2,
        Some(How::Reorder) => 3,
        Some(How::Hold) => 4,
        Some(How::Narrow) => 6,
        Some(How::Corrupt) => 7,
        _ => chance.below(6),
    };
    match which {
        0 => slow,
        1 => Trouble { loss: 200, ..Trouble::default() },
        2 => Trouble { duplicate: 200, ..Trouble::default() },
        3 => Trouble { reorder: 200, ..slow },
        4 => Trouble { hold: true, ..Trouble::default() },
        6 => Trouble { bytes_per_second: 1_000 << chance.below(5), ..Trouble::default() },
        7 => Trouble { corrupt: 200, ..Trouble::default() },
        _ => Trouble { loss: 100, duplicate: 100, reorder: 100, corrupt: 100, ..slow },
    }
}

/// A jump of four milliseconds to four minutes, as Jepsen's `bump`; or a rate of 0.8 to 1.25; or both; or, if there is
/// time for it, a strobe. A jump back never comes alone: a node that looks at its monotonic clock only would not
/// notice it.
fn draw_clock(wish: &Wish, of: Selector, once: bool, lasting: Duration, chance: &mut Chance) -> Intent {
    let numbers = &wish.numbers;
    let forward = match numbers.jump_ms {
        Some(range) => range.draw(chance),
        None => 1i64 << chance.between(2, 18),
    };
    let either = if numbers.jump_ms.is_some() || chance.coin(0.5) { forward } else { -forward };
    let drawn = if chance.coin(0.5) {
        chance.between(800_000, 950_000)
    } else {
        chance.between(1_050_000, 1_250_000)
    };
    let rate_ppm = numbers.rate_ppm.map_or(drawn as u32, |range| count(Some(range), 0, 0, chance));
    let long = lasting >= Duration::from_secs(1);
    match wish.how {
        Some(How::Jump) => Intent::Clock { of, jump_ms: forward, rate_ppm: 1_000_000 },
        Some(How::Drift) => Intent::Clock { of, jump_ms: 0, rate_ppm },
        Some(How::Strobe) => strobe(wish, of, forward, lasting, chance),
        _ => match chance.below(if long && !once { 4 } else { 3 }) {
            0 => Intent::Clock { of, jump_ms: forward, rate_ppm: 1_000_000 },
            1 => Intent::Clock { of, jump_ms: 0, rate_ppm },
            2 => Intent::Clock { of, jump_ms: either, rate_ppm },
            _ => strobe(wish, of, forward, lasting, chance),
        },
    }
}

fn strobe(wish: &Wish, of: Selector, jump_ms: i64, lasting: Duration, chance: &mut Chance) -> Intent {
    let every_ms = count(wish.numbers.every_ms, 50, quarter(lasting, 50, 500), chance);
    let times = count(wish.numbers.times, 2, rounds(lasting, every_ms.saturating_mul(2), 20), chance);
    Intent::Strobe { of, jump_ms, every_ms, times }
}

/// Half of them slow, which a node survives; the other half it may answer by stopping. A sure one is slow: a node that
/// has stopped could not be paused, and the first pause is to be sure too.
fn draw_illness(wish: &Wish, sure: bool, chance: &mut Chance) -> Illness {
    let place = if sure { 3 } else { chance.below(6) };
    let exponent = chance.between(4, 10);
    let fixed = wish.numbers.delay_ms.map(|range| count(Some(range), 0, 0, chance));
    let slow = Illness::SlowSyncs { delay_ms: fixed.unwrap_or(1 << exponent) };
    match wish.how {
        Some(How::ReadErrors) => Illness::ReadErrors,
        Some(How::WriteErrors) => Illness::WriteErrors,
        Some(How::SyncErrors) => Illness::SyncErrors,
        Some(How::Full) => Illness::Full,
        Some(How::Slow) => slow,
        _ => match place {
            0 => Illness::WriteErrors,
            1 => Illness::SyncErrors,
            2 => Illness::Full,
            _ => slow,
        },
    }
}

/// Little processor time, most often: it is what a crowded machine gives. A sure one is that,
/// and the least, which even a node with little to do feels; and not every target has memory to take away.
fn draw_pressure(how: Option<How>, sure: bool, chance: &mut Chance) -> Pressure {
    let place = match how {
        Some(How::Cpu) => 0,
        Some(How::Memory) => 4,
        Some(How::Freeze) => 5,
        _ if sure => 0,
        _ => chance.below(6),
    };
    match place {
        0..=3 => Pressure::Cpu { permille: if sure { 5 } else { 5 << chance.below(5) } },
        4 => Pressure::Memory { spare_kib: 128 << chance.below(4) },
        _ => Pressure::Freeze,
    }
}

fn draw_damage(how: Option<How>, chance: &mut Chance) -> Damage {
    let place = match how {
        // Only by its name: it is the one that can be survived.
        Some(How::Rot) => return Damage::Rot { file: None },
        Some(How::FlipBit) => 0,
        Some(How::Truncate) => 1,
        Some(How::Rollback) => 2,
        _ => chance.below(3),
    };
    match place {
        0 => Damage::FlipBit { file: None },
        1 => Damage::Truncate { file: None, permille: 10 << chance.below(6) },
        _ => Damage::Rollback { after_ms: 250 << chance.below(3) },
    }
}

/// A cluster grows, shrinks and is renewed, all alike.
fn draw_turnover(how: Option<How>, sure: bool, whom: Selector, chance: &mut Chance) -> Turnover {
    let place = match how {
        Some(How::Grow) => 0,
        Some(How::Shrink) => 1,
        Some(How::Replace) => 2,
        _ if sure => 0,
        _ => chance.below(3),
    };
    match place {
        0 => Turnover::Grow,
        1 => Turnover::Shrink(whom),
        _ => Turnover::Replace(whom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{View, resolve};
    use history::{NodeId, Time};
    use std::collections::BTreeSet;

    const LONG: Duration = Duration::from_secs(5);

    fn wish(kind: FaultKind, how: Option<How>) -> Wish {
        Wish { how, ..Wish::from(kind) }
    }

    #[test]
    fn a_sure_intent_is_always_resolved() {
        let mut chance = Chance::new(3);
        for size in 2..=7 {
            let view = View {
                spares: &[history::NodeId(9)],
                nodes: &NodeId::all(size),
                primaries: &[],
                subject: None,
            };
            for kind in FaultKind::ALL.into_iter().cycle().take(600) {
                let intent = draw(&Wish::from(kind), true, LONG, &mut chance);
                assert_eq!((intent.kind(), intent.span()), (kind, Duration::ZERO));
                resolve(&intent, &view, &mut chance).unwrap();
            }
        }
    }

    #[test]
    fn a_sure_intent_in_any_way_is_resolved_in_a_cluster_of_three() {
        let mut chance = Chance::new(3);
        let view =
            View { spares: &[history::NodeId(9)], nodes: &NodeId::all(3), primaries: &[], subject: None };
        for kind in FaultKind::ALL {
            for (how, name, _) in How::of(kind).filter(|(how, _, _)| how.is_sure()) {
                for _ in 0..50 {
                    let intent = draw(&wish(kind, Some(how)), true, LONG, &mut chance);
                    assert_eq!(intent.kind(), kind);
                    let resolved = resolve(&intent, &view, &mut chance);
                    assert!(resolved.is_ok(), "{kind}:{name}: {resolved:?}");
                }
            }
        }
    }

    #[test]
    fn every_way_is_drawn_when_it_is_asked_for() {
        let mut chance = Chance::new(8);
        let mut varieties = |kind, how| {
            let drawn =
                (0..300).map(|_| format!("{:?}", draw(&wish(kind, Some(how)), false, LONG, &mut chance)));
            drawn.collect::<BTreeSet<_>>()
        };
        for (kind, how, words) in [
            (FaultKind::Partition, How::OneWay, &["Mute", "Deaf"][..]),
            (FaultKind::Partition, How::Apart, &["Apart(Primaries)", "Apart(MinorityThird)"]),
            (FaultKind::Kill, How::Loop, &["times: 2,", "times: 9,"]),
            (FaultKind::Kill, How::Terminate, &["Terminate(Primaries)", "Terminate(All)"]),
            (FaultKind::Crash, How::Lost, &["PowerCut { of: Primaries, unsynced: Lost }"]),
            (FaultKind::Crash, How::Torn, &["PowerCut { of: One, unsynced: Torn }"]),
            (FaultKind::Clock, How::Strobe, &["Strobe { of: Primaries, jump_ms: 4096,"]),
            (FaultKind::Packets, How::Narrow, &["bytes_per_second: 16000"]),
            (FaultKind::Disk, How::ReadErrors, &["ReadErrors"]),
        ] {
            let drawn = varieties(kind, how);
            for word in words {
                assert!(drawn.iter().any(|intent| intent.contains(word)), "{how}: no {word} in {drawn:?}");
            }
        }
        let restarts = varieties(FaultKind::Kill, How::Restart);
        assert!(restarts.iter().all(|restart| restart.contains("times: 1,")), "{restarts:?}");
    }

    #[test]
    fn every_variety_is_drawn() {
        let mut chance = Chance::new(9);
        let mut varieties = |kind, lasting| {
            let mut drawn = || format!("{:?}", draw(&Wish::from(kind), false, lasting, &mut chance));
            (0..2000).map(|_| drawn()).collect::<BTreeSet<_>>()
        };
        assert_eq!(varieties(FaultKind::Kill, LONG / 10).len(), 5);
        assert!(varieties(FaultKind::Kill, LONG).len() > 100, "loops too");
        assert_eq!(varieties(FaultKind::Partition, LONG).len(), 9);
        let packets = varieties(FaultKind::Packets, LONG);
        let words =
            ["loss: 200", "duplicate: 200", "reorder: 200", "hold: true", "corrupt: 100", "Primaries"];
        for word in words {
            assert!(packets.iter().any(|packet| packet.contains(word)), "{word}");
        }
    }

    #[test]
    fn what_is_fixed_is_not_drawn() {
        let mut chance = Chance::new(2);
        let range = |low, high| Some(Range { low, high });
        let numbers = Numbers { jump_ms: range(-7, -5), rate_ppm: range(999, 999), ..Numbers::default() };
        let clock = Wish { numbers, ..wish(FaultKind::Clock, None) };
        let numbers =
            Numbers { times: range(3, 3), down_ms: range(1, 1), up_ms: range(2, 2), ..Numbers::default() };
        let kill = Wish { numbers, of: Some(Selector::All), ..wish(FaultKind::Kill, Some(How::Loop)) };
        for _ in 0..100 {
            match draw(&clock, true, LONG, &mut chance) {
                Intent::Clock { jump_ms, rate_ppm, .. } => {
                    assert!((-7..=-5).contains(&jump_ms) || jump_ms == 0, "{jump_ms}");
                    assert!(rate_ppm == 999 || rate_ppm == 1_000_000, "{rate_ppm}");
                }
                other => panic!("{other:?}"),
            }
            let looped = Intent::Restart { of: Selector::All, times: 3, down_ms: 1, up_ms: 2 };
            assert_eq!(draw(&kill, true, LONG, &mut chance), looped);
        }
    }

    #[test]
    fn disks_get_slow_as_often_as_they_fail() {
        let mut chance = Chance::new(5);
        let mut ill = || match draw(&Wish::from(FaultKind::Disk), false, LONG, &mut chance) {
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
    fn every_pressure_and_every_damage_is_drawn_and_damage_to_one_node_only() {
        let mut chance = Chance::new(6);
        let mut drawn =
            |kind| (0..500).map(|_| draw(&Wish::from(kind), false, LONG, &mut chance)).collect::<Vec<_>>();
        let said = format!("{:?}", drawn(FaultKind::Pressure));
        for word in ["Cpu { permille: 5 }", "Cpu { permille: 80 }", "Memory", "Freeze"] {
            assert!(said.contains(word), "{word}");
        }
        let damages = drawn(FaultKind::Damage);
        let one = |intent: &Intent| matches!(intent, Intent::Damage { of: Selector::One, .. });
        assert!(damages.iter().all(one));
        let said = format!("{damages:?}");
        for word in ["FlipBit", "Truncate { file: None, permille: 10 }", "Rollback { after_ms: 1000 }"] {
            assert!(said.contains(word), "{word}");
        }
    }

    #[test]
    fn clocks_stay_within_bounds_and_are_always_wrong() {
        let mut chance = Chance::new(5);
        let mut strobes = 0;
        for _ in 0..1000 {
            match draw(&Wish::from(FaultKind::Clock), false, LONG, &mut chance) {
                Intent::Clock { jump_ms, rate_ppm, .. } => {
                    assert!(jump_ms.unsigned_abs() <= Time::from_secs(263).0 / 1_000_000);
                    assert!((800_000..=1_250_000).contains(&rate_ppm));
                    assert!(jump_ms > 0 || rate_ppm != 1_000_000, "nothing would be changed");
                }
                intent @ Intent::Strobe { jump_ms, .. } => {
                    assert!((4..=262_144).contains(&jump_ms) && intent.span() <= LONG, "{intent:?}");
                    strobes += 1;
                }
                other => panic!("a clock fault was asked for, not {other:?}"),
            }
        }
        assert!((150..350).contains(&strobes), "{strobes}");
    }
}
