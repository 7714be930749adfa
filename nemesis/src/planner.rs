//! Drawing a plan from wishes.

use crate::draw::{draw, provoke};
use crate::family::Family;
use crate::{Intent, Plan, Span, Step, Wish, Wishes};
use history::{Chance, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// Draws a plan with what is wished for, for a main phase of length `time_limit`.
///
/// The first fault comes after about half an interval, further ones about an interval apart; each lasts about
/// an interval, so that faults of different kinds often overlap and there are quiet times too. A third of them
/// comes in quick succession instead, for bugs that need several leaders in a short time. Two faults of one kind, or two
/// that both stop processes, never overlap. Every wish comes once before any comes again, then as often as its weight
/// says, and if the main phase is too short for all of them the interval is shortened until they fit. No fault begins
/// in the last half interval, and a repair that would come after the end is left to the final healing.
///
/// Where a wish waits for a moment, its step stands before one that is likely to bring that moment about.
pub fn plan(wishes: &Wishes, time_limit: Duration, chance: Chance) -> Plan {
    let stop = wishes.stop.unwrap_or(time_limit).min(time_limit);
    // From one fault to the next there is at most one interval and a half, whether we wait for the next or for
    // the end of the last; and less than one before the first and after the last.
    let window = stop.saturating_sub(wishes.start);
    let fitting = window.div_f64(1.5 * wishes.list.len() as f64 + 1.0);
    let interval = wishes.interval.clamp(SHORTEST_INTERVAL, fitting.max(SHORTEST_INTERVAL));
    let quiet_end = if wishes.stop.is_some() { Duration::ZERO } else { interval / 2 };
    let last_start = Time::ZERO + stop.saturating_sub(quiet_end);

    let mut planner =
        Planner { wishes, interval, chance, bag: Vec::new(), rounds: 0, until: BTreeMap::new() };
    let mut steps = Vec::new();
    let mut now = Time::ZERO + wishes.start + planner.before_the_first();
    while let Some((start, wish)) = planner.next(now)
        && start < last_start
    {
        now = start + planner.add(wish, start, &mut steps);
    }
    steps.retain(|step| step.at < Time::ZERO + time_limit);
    steps.sort_by_key(|step| step.at);
    Plan(steps)
}

/// Faults in quicker succession would be over before they took hold.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

struct Planner<'w> {
    wishes: &'w Wishes,
    interval: Duration,
    chance: Chance,
    /// The wishes still to come before any comes again, in random order.
    bag: Vec<&'w Wish>,
    /// How often the bag was filled.
    rounds: u32,
    /// When the last fault of each family is repaired.
    until: BTreeMap<Family, Time>,
}

impl<'w> Planner<'w> {
    fn before_the_first(&mut self) -> Duration {
        let span = match self.wishes.between {
            Some(between) => Span { low: between.low / 2, high: between.high / 2 },
            None => Span { low: self.interval / 4, high: self.interval * 3 / 4 },
        };
        span.draw(&mut self.chance)
    }

    /// The next wish and when it can begin: `now`, or as soon as a family of what is left in the bag is free.
    fn next(&mut self, now: Time) -> Option<(Time, &'w Wish)> {
        if self.bag.is_empty() {
            let copies = |wish: &Wish| if self.rounds == 0 { 1 } else { wish.weight as usize };
            let list = self.wishes.list.iter();
            self.bag = list.flat_map(|wish| std::iter::repeat_n(wish, copies(wish))).collect();
            self.chance.shuffle(&mut self.bag);
            self.rounds += 1;
        }
        let free_at = |wish: &Wish| {
            // Not at the very instant of the repair: the order of two intents at one instant would mean nothing.
            self.until.get(&Family::of(wish.kind)).map_or(now, |until| now.max(Time(until.0 + 1)))
        };
        let index = (0..self.bag.len()).min_by_key(|index| free_at(self.bag[*index]))?;
        let start = free_at(self.bag[index]);
        Some((start, self.bag.remove(index)))
    }

    /// Adds a fault as wished and its repair; how long to wait until the next fault.
    fn add(&mut self, wish: &Wish, start: Time, steps: &mut Vec<Step>) -> Duration {
        let first = self.rounds == 1;
        // The first of a wish has time to be seen to take hold, and so has what takes or awaits its time.
        let slow = first || wish.when.is_some() || wish.how.is_some_and(|how| how.is_series());
        let quick = !slow && self.chance.below(3) == 0;
        let lasting = self.a_while(quick, wish.lasting.or(self.wishes.lasting));
        let intent = draw(wish, first, lasting, &mut self.chance);
        let lasting = lasting.max(intent.span());
        let end = start + lasting;
        self.until.insert(Family::of(wish.kind), end);
        steps.push(Step { at: start, when: wish.when, intent });
        steps.extend(provoke(wish).map(|intent| Step::at(start, intent)));
        steps.push(Step::at(end, Intent::Repair(wish.kind)));
        self.a_while(quick, self.wishes.between)
    }

    /// As given; else from half an interval to one and a half, or, if it is to be quick, from a twentieth to a quarter.
    fn a_while(&mut self, quick: bool, given: Option<Span>) -> Duration {
        let span = match (given, quick) {
            (Some(span), _) => span,
            (None, false) => Span { low: self.interval / 2, high: self.interval * 3 / 2 },
            (None, true) => Span { low: self.interval / 20, high: self.interval / 4 },
        };
        // Never quite nothing, or a plan would have no end.
        span.draw(&mut self.chance).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{How, Selector};
    use history::{FaultKind, Moment};
    use std::collections::BTreeSet;

    const SECOND: Duration = Duration::from_secs(1);

    fn wishes(kinds: &[FaultKind], interval: Duration) -> Wishes {
        Wishes::new(kinds.iter().copied().map(Wish::from).collect(), interval)
    }

    fn drawn(kinds: &[FaultKind], interval: u32, limit: u32, seed: u64) -> Plan {
        plan(&wishes(kinds, SECOND * interval), SECOND * limit, Chance::new(seed))
    }

    fn faults(plan: &Plan) -> Vec<FaultKind> {
        plan.0.iter().map(|step| &step.intent).filter(|i| !i.is_repair()).map(Intent::kind).collect()
    }

    #[test]
    fn equal_seeds_draw_equal_plans() {
        assert_eq!(drawn(&FaultKind::ALL, 5, 60, 1), drawn(&FaultKind::ALL, 5, 60, 1));
        assert_ne!(drawn(&FaultKind::ALL, 5, 60, 1), drawn(&FaultKind::ALL, 5, 60, 2));
    }

    #[test]
    fn every_kind_comes_however_short_the_time_is() {
        for (seed, limit) in (0..200).flat_map(|seed| [1, 7, 30, 60].map(|limit| (seed, limit))) {
            let faults = faults(&drawn(&FaultKind::ALL, 5, limit, seed));
            let kinds: BTreeSet<_> = faults.into_iter().collect();
            assert_eq!(kinds.len(), FaultKind::ALL.len(), "seed {seed}, {limit} s: {kinds:?}");
        }
    }

    #[test]
    fn a_fault_is_repaired_before_the_next_of_its_family() {
        for seed in 0..200 {
            let mut broken = BTreeMap::new();
            for Step { at, intent, .. } in drawn(&FaultKind::ALL, 5, 120, seed).0 {
                let family = Family::of(intent.kind());
                if intent.is_repair() {
                    assert_eq!(broken.remove(&family), Some(intent.kind()), "seed {seed}, {at}");
                } else {
                    assert_eq!(broken.insert(family, intent.kind()), None, "seed {seed}, {at}");
                }
            }
        }
    }

    #[test]
    fn different_kinds_overlap_sometimes_and_all_is_quiet_sometimes() {
        let (mut overlaps, mut quiets) = (0, 0);
        for seed in 0..50 {
            let mut broken: i32 = 0;
            for Step { intent, .. } in drawn(&FaultKind::ALL, 5, 60, seed).0 {
                broken += if intent.is_repair() { -1 } else { 1 };
                overlaps += i32::from(broken > 1);
                quiets += i32::from(broken == 0);
            }
        }
        assert!(overlaps > 50, "{overlaps}");
        assert!(quiets > 50, "{quiets}");
    }

    #[test]
    fn faults_are_about_an_interval_apart_and_within_the_time() {
        for seed in 0..100 {
            let plan = drawn(&[FaultKind::Partition, FaultKind::Packets], 5, 300, seed);
            assert!(plan.0.is_sorted_by_key(|step| step.at));
            assert!(plan.0.iter().all(|step| step.at < Time::from_secs(300)));
            let first = plan.0[0].at;
            assert!(first >= Time::from_millis(1250) && first <= Time::from_millis(3750), "{first}");
            let count = faults(&plan).len();
            assert!((45..=110).contains(&count), "seed {seed}: {count} faults");
        }
    }

    #[test]
    fn nothing_wanted_or_no_time_is_an_empty_plan() {
        assert_eq!(drawn(&[], 5, 60, 1), Plan::default());
        assert_eq!(plan(&wishes(&FaultKind::ALL, SECOND), Duration::ZERO, Chance::new(1)), Plan::default());
        let hasty = plan(&wishes(&[FaultKind::Kill], Duration::ZERO), SECOND, Chance::new(1));
        assert!(hasty.0.len() < 300, "an interval of nothing is not endless work");
    }

    #[test]
    fn a_plan_survives_being_saved() {
        for seed in 0..20 {
            let plan = drawn(&FaultKind::ALL, 5, 120, seed);
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
        }
    }

    fn span(low: u64, high: u64) -> Option<Span> {
        Some(Span { low: Duration::from_millis(low), high: Duration::from_millis(high) })
    }

    #[test]
    fn a_rhythm_that_is_given_is_kept() {
        let kinds = [FaultKind::Partition, FaultKind::Packets, FaultKind::Clock];
        let (start, stop) = (SECOND * 10, Some(SECOND * 40));
        let given = Wishes {
            between: span(2_000, 4_000),
            lasting: span(500, 1_500),
            start,
            stop,
            ..wishes(&kinds, SECOND)
        };
        for seed in 0..100 {
            let plan = plan(&given, SECOND * 60, Chance::new(seed));
            let mut begun = BTreeMap::new();
            let mut last = None;
            for Step { at, intent, .. } in &plan.0 {
                if intent.is_repair() {
                    let lasted = at.since(begun[&intent.kind()]);
                    assert!(lasted >= SECOND / 2 && lasted <= SECOND * 3 / 2 + intent.span(), "{lasted:?}");
                    continue;
                }
                assert!(*at >= Time::from_secs(10) && *at < Time::from_secs(40), "{at}");
                let gap = last.replace(*at).map_or(SECOND * 2, |last| at.since(last));
                assert!(gap >= SECOND * 2 && gap <= SECOND * 4, "seed {seed}: {gap:?}");
                begun.insert(intent.kind(), *at);
            }
        }
    }

    #[test]
    fn weights_say_how_often() {
        let wish = |kind, weight| Wish { weight, ..Wish::from(kind) };
        let list = vec![wish(FaultKind::Kill, 9), wish(FaultKind::Partition, 1)];
        let (mut kills, mut partitions) = (0, 0);
        for seed in 0..20 {
            let plan = plan(&Wishes::new(list.clone(), SECOND), SECOND * 120, Chance::new(seed));
            let faults = faults(&plan);
            assert_eq!(faults[..2].iter().collect::<BTreeSet<_>>().len(), 2, "each comes once at first");
            kills += faults.iter().filter(|kind| **kind == FaultKind::Kill).count();
            partitions += faults.iter().filter(|kind| **kind == FaultKind::Partition).count();
        }
        assert!((6..=9).contains(&(kills / partitions)), "{kills} kills, {partitions} partitions");
    }

    #[test]
    fn a_series_is_over_before_its_repair() {
        let list = [(FaultKind::Kill, How::Loop), (FaultKind::Clock, How::Strobe)];
        let list = list.map(|(kind, how)| Wish { how: Some(how), ..Wish::from(kind) }).to_vec();
        for seed in 0..100 {
            let mut until = BTreeMap::new();
            for Step { at, intent, .. } in
                plan(&Wishes::new(list.clone(), SECOND * 3), SECOND * 60, Chance::new(seed)).0
            {
                if intent.is_repair() {
                    assert!(until.remove(&intent.kind()).is_some_and(|over| over <= at), "seed {seed}, {at}");
                } else {
                    assert!(intent.span() > Duration::ZERO);
                    until.insert(intent.kind(), at + intent.span());
                }
            }
        }
    }

    #[test]
    fn a_moment_is_awaited_and_then_provoked() {
        let wish = Wish { when: Some(Moment::NewLeader), ..Wish::from(FaultKind::Kill) };
        let plan = plan(&Wishes::new(vec![wish], SECOND * 2), SECOND * 20, Chance::new(1));
        assert!(plan.0.len() > 9, "{plan:?}");
        for steps in plan.0.chunks_exact(3) {
            assert_eq!(steps[0].when, Some(Moment::NewLeader));
            assert_eq!(steps[0].intent, Intent::Kill(Selector::Subject));
            assert_eq!(steps[1], Step::at(steps[0].at, Intent::Kill(Selector::Primaries)));
            assert_eq!(steps[2].intent, Intent::Repair(FaultKind::Kill));
        }
    }
}
