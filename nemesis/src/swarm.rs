//! Each run another mix of faults.
//!
//! A run that is given everything at once seldom shows what needs the absence of something: partitions never heal long
//! enough, or some fault hides another. Runs that each leave something out find more, and more different, bugs
//! (Groce, Zhang, Eide, Chen, Regehr: *Swarm Testing*, ISSTA 2012, section 2).

use crate::{How, Wish, Wishes};
use history::Chance;
use std::time::Duration;

/// How many nodes, if nobody said: mostly odd, as clusters mostly are.
const SIZES: [u16; 8] = [3, 3, 3, 5, 5, 4, 6, 7];

/// How large the cluster of this run is.
pub fn swarm_size(chance: &Chance) -> u16 {
    let mut chance = chance.split("swarm size");
    chance.pick(&SIZES).copied().unwrap_or(3)
}

/// The faults of this run: about half of those that are wished for, at least one, half of them in one way only.
pub fn swarm(wishes: Wishes, chance: &Chance) -> Wishes {
    let mut chance = chance.split("swarm faults");
    let mut order = wishes.list;
    chance.shuffle(&mut order);
    let drawn: Vec<(Wish, bool)> = order.into_iter().map(|wish| (wish, chance.coin(0.5))).collect();
    let none = drawn.iter().all(|(_, kept)| !kept);
    let kept = drawn.into_iter().enumerate().filter(|(at, (_, kept))| *kept || none && *at == 0);
    let mut list: Vec<Wish> = kept.map(|(_, (wish, _))| wish).collect();
    list.sort_by_key(|wish| wish.kind);
    for wish in &mut list {
        let ways: Vec<How> = How::of(wish.kind)
            .map(|(how, _, _)| how)
            .filter(|how| how.is_sure() && (wish.of.is_none() || how.has_victims()))
            .collect();
        // What numbers are given for is what was meant.
        if wish.how.is_none() && wish.numbers == crate::Numbers::default() && chance.coin(0.5) {
            wish.how = chance.pick(&ways).copied();
        }
    }
    Wishes { list, ..wishes }
}

/// About how long faults last in this run: from an eighth of the usual to twice of it, each power of two as likely.
pub fn swarm_interval(usual: Duration, chance: &Chance) -> Duration {
    usual * 2 / (1 << chance.split("swarm interval").below(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::FaultKind;
    use std::collections::BTreeSet;

    fn all() -> Wishes {
        Wishes::new(FaultKind::survivable().map(Wish::from).collect(), Duration::from_secs(5))
    }

    #[test]
    fn equal_seeds_draw_equal_swarms() {
        for seed in 0..50 {
            let draw = || swarm(all(), &Chance::new(seed));
            assert_eq!(draw(), draw());
        }
    }

    #[test]
    fn about_half_of_everything_is_left_out_and_never_all() {
        let count = FaultKind::survivable().count();
        let (mut sizes, mut mixes) = (0, BTreeSet::new());
        for seed in 0..400 {
            let kinds = swarm(all(), &Chance::new(seed)).kinds();
            assert!(!kinds.is_empty());
            sizes += kinds.len();
            mixes.insert(kinds);
        }
        let mean = sizes as f64 / 400.0;
        assert!((mean - count as f64 / 2.0).abs() < 0.3, "{mean}");
        assert!(mixes.len() > 60, "{}", mixes.len());
    }

    #[test]
    fn every_sure_way_is_drawn_by_some_seed_and_what_was_said_is_kept() {
        let mut drawn = BTreeSet::new();
        for seed in 0..400 {
            drawn.extend(swarm(all(), &Chance::new(seed)).list.into_iter().filter_map(|wish| wish.how));
            let said = Wish { how: Some(How::Ring), ..Wish::from(FaultKind::Partition) };
            let kept = swarm(Wishes::new(vec![said.clone()], Duration::ZERO), &Chance::new(seed));
            assert_eq!(kept.list, [said]);
        }
        for kind in FaultKind::survivable() {
            let mut sure = How::of(kind).filter(|(how, _, _)| how.is_sure());
            assert!(sure.all(|(how, _, _)| drawn.contains(&how)), "{kind}");
        }
        assert!(!drawn.contains(&How::Grudge) && !drawn.contains(&How::ReadErrors));
    }

    #[test]
    fn sizes_and_intervals_differ() {
        let seeds = || (0..100).map(Chance::new);
        let sizes: BTreeSet<u16> = seeds().map(|chance| swarm_size(&chance)).collect();
        assert_eq!(sizes, BTreeSet::from([3, 4, 5, 6, 7]));
        let usual = Duration::from_secs(8);
        let intervals: BTreeSet<u64> =
            seeds().map(|chance| swarm_interval(usual, &chance).as_secs()).collect();
        assert_eq!(intervals, BTreeSet::from([1, 2, 4, 8, 16]));
    }
}
