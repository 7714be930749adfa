//! What is to be broken, and when.

use crate::draw::draw;
use crate::{Intent, kinds::Family};
use history::{Chance, FaultKind, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Intents with the time at which each is due, ascending, counted from the beginning of the main phase. A
/// plain value: printed, saved, replayed, shrunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(pub Vec<(Time, Intent)>);

/// Draws a plan with faults of these kinds for a main phase of length `time_limit`.
///
/// The first fault comes after about half an interval, further ones about an interval apart; each lasts about
/// an interval, so that faults of different kinds often overlap and there are quiet times too. A third of them
/// comes in quick succession instead, for bugs that need several leaders in a short time. Two faults of one kind, or two that both stop processes, never overlap. Every kind comes once before any comes again, and
/// if the main phase is too short for all of them the interval is shortened until they fit. No fault begins in
/// the last half interval, and a repair that would come after the end is left to the final healing.
pub fn plan(kinds: &[FaultKind], interval: Duration, time_limit: Duration, chance: Chance) -> Plan {
    let kinds: BTreeSet<FaultKind> = kinds.iter().copied().collect();
    // From one fault to the next there is at most one interval and a half, whether we wait for the next or for
    // the end of the last; and less than one before the first and after the last.
    let fitting = time_limit.div_f64(1.5 * kinds.len() as f64 + 1.0);
    let interval = interval.clamp(SHORTEST_INTERVAL, fitting.max(SHORTEST_INTERVAL));
    let last_start = Time::ZERO + time_limit.saturating_sub(interval / 2);

    let mut planner =
        Planner { interval, chance, bag: Vec::new(), seen: BTreeSet::new(), until: BTreeMap::new() };
    let mut steps = Vec::new();
    let mut now = Time::ZERO + planner.chance.span(interval / 4, interval * 3 / 4);
    while let Some((start, kind)) = planner.next_fault(&kinds, now)
        && start < last_start
    {
        let first = planner.seen.insert(kind);
        let intent = draw(kind, first, &mut planner.chance);
        // The first of a kind has time to be seen to take hold.
        let quick = !first && planner.chance.below(3) == 0;
        let end = start + planner.a_while(quick);
        planner.until.insert(Family::of(kind), end);
        steps.push((start, intent));
        steps.push((end, Intent::Repair(kind)));
        now = start + planner.a_while(quick);
    }
    steps.retain(|(at, _)| *at < Time::ZERO + time_limit);
    steps.sort_by_key(|(at, _)| *at);
    Plan(steps)
}

/// Faults in quicker succession would be over before they took hold.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

struct Planner {
    interval: Duration,
    chance: Chance,
    /// The kinds still to come before any comes again, in random order.
    bag: Vec<FaultKind>,
    /// The kinds that have come.
    seen: BTreeSet<FaultKind>,
    /// When the last fault of each family is repaired.
    until: BTreeMap<Family, Time>,
}

impl Planner {
    /// The next kind and when it can begin: `now`, or as soon as a family of what is left in the bag is free.
    fn next_fault(&mut self, kinds: &BTreeSet<FaultKind>, now: Time) -> Option<(Time, FaultKind)> {
        if self.bag.is_empty() {
            self.bag = kinds.iter().copied().collect();
            self.chance.shuffle(&mut self.bag);
        }
        let free_at = |kind: &FaultKind| {
            // Not at the very instant of the repair: the order of two intents at one instant would mean nothing.
            self.until.get(&Family::of(*kind)).map_or(now, |until| now.max(Time(until.0 + 1)))
        };
        let index = (0..self.bag.len()).min_by_key(|index| free_at(&self.bag[*index]))?;
        let start = free_at(&self.bag[index]);
        Some((start, self.bag.remove(index)))
    }

    /// From half an interval to one and a half, or, if it is to be quick, from a twentieth to a quarter.
    fn a_while(&mut self, quick: bool) -> Duration {
        let (low, high) = match quick {
            false => (self.interval / 2, self.interval * 3 / 2),
            true => (self.interval / 20, self.interval / 4),
        };
        self.chance.span(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drawn(kinds: &[FaultKind], interval: u32, limit: u32, seed: u64) -> Plan {
        plan(kinds, SECOND * interval, SECOND * limit, Chance::new(seed))
    }

    fn faults(plan: &Plan) -> Vec<FaultKind> {
        plan.0.iter().map(|(_, intent)| intent).filter(|i| !i.is_repair()).map(Intent::kind).collect()
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
            for (at, intent) in drawn(&FaultKind::ALL, 5, 120, seed).0 {
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
            for (_, intent) in drawn(&FaultKind::ALL, 5, 60, seed).0 {
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
            assert!(plan.0.is_sorted_by_key(|(at, _)| *at));
            assert!(plan.0.iter().all(|(at, _)| *at < Time::from_secs(300)));
            let first = plan.0[0].0;
            assert!(first >= Time::from_millis(1250) && first <= Time::from_millis(3750), "{first}");
            let count = faults(&plan).len();
            assert!((45..=110).contains(&count), "seed {seed}: {count} faults");
        }
    }

    #[test]
    fn nothing_wanted_or_no_time_is_an_empty_plan() {
        assert_eq!(drawn(&[], 5, 60, 1), Plan::default());
        assert_eq!(plan(&FaultKind::ALL, SECOND, Duration::ZERO, Chance::new(1)), Plan::default());
        let hasty = plan(&[FaultKind::Kill], Duration::ZERO, SECOND, Chance::new(1));
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
}
