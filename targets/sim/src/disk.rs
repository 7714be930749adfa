//! A node's disk: what is durable, and what is only on its way.

use history::{Chance, Unsynced};

/// An append-only log of records as a checksummed write-ahead log keeps it: recovery reads up to the first
/// record that is missing or torn, and cuts there.
#[derive(Debug)]
pub struct Disk<R> {
    durable: Vec<R>,
    unsynced: Vec<R>,
    /// Whether what is not synced takes the place of what is.
    anew: bool,
    /// The record of which a bit is flipped.
    flipped: Option<usize>,
    /// The record that has rotted: its bits nobody flips back.
    rotten: Option<usize>,
}

/// What became of unsynced records when the power went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Records that were never written.
    pub lost: usize,
    /// Records of which a part was written.
    pub torn: usize,
    /// Records that were written, but after a gap, where recovery cannot reach them.
    pub stranded: usize,
}

impl<R: Clone> Disk<R> {
    /// An empty disk.
    pub fn new() -> Disk<R> {
        Disk { durable: Vec::new(), unsynced: Vec::new(), anew: false, flipped: None, rotten: None }
    }

    /// Hands a record to the operating system. Not durable before [`Disk::sync`].
    pub fn write(&mut self, record: R) {
        self.unsynced.push(record);
    }

    /// Hands records to the operating system that take the place of everything written before: as a new file, which is
    /// given the name of the old one. Not durable before [`Disk::sync`].
    pub fn rewrite(&mut self, records: Vec<R>) {
        (self.unsynced, self.anew) = (records, true);
    }

    /// Everything written so far is durable.
    pub fn sync(&mut self) {
        if std::mem::take(&mut self.anew) {
            self.durable.clear();
            (self.flipped, self.rotten) = (None, None);
        }
        self.durable.append(&mut self.unsynced);
    }

    /// The process died while it may have been writing: a part of what it was writing stays.
    pub fn kill(&mut self, chance: &mut Chance) {
        if self.anew {
            self.settle(None, chance);
            return;
        }
        let written = chance.between(0, self.unsynced.len() as u64) as usize;
        self.unsynced.truncate(written);
        self.sync();
    }

    /// The power went. Each unsynced record may be there, be torn or be lost, in any order; unless it is said that all
    /// are lost, or that one of them at least is torn.
    pub fn crash(&mut self, unsynced: Option<Unsynced>, chance: &mut Chance) -> Damage {
        let mut damage = Damage::default();
        if self.anew {
            damage.lost = self.settle(unsynced, chance);
            return damage;
        }
        let mut whole = 0;
        let tears = unsynced == Some(Unsynced::Torn) && !self.unsynced.is_empty();
        let torn = tears.then(|| chance.below(self.unsynced.len() as u64) as usize);
        for at in 0..self.unsynced.len() {
            let fate = match unsynced {
                Some(Unsynced::Lost) => 0,
                _ if torn == Some(at) => 1,
                _ => chance.below(4),
            };
            match fate {
                0 => damage.lost += 1,
                1 => damage.torn += 1,
                _ if whole == at => whole += 1,
                _ => damage.stranded += 1,
            }
        }
        self.unsynced.truncate(whole);
        self.sync();
        damage
    }

    /// A new file has its name, or not; how many records are lost then.
    fn settle(&mut self, unsynced: Option<Unsynced>, chance: &mut Chance) -> usize {
        if unsynced != Some(Unsynced::Lost) && chance.below(2) == 0 {
            self.sync();
            return 0;
        }
        self.anew = false;
        std::mem::take(&mut self.unsynced).len()
    }

    /// What a node finds when it boots. The last record may be bad because it was torn; it was promised to nobody then,
    /// and is cut. A bad one before good ones cannot come from that.
    ///
    /// # Errors
    /// With the number of a record that is damaged.
    pub fn recover(&mut self) -> Result<Vec<R>, usize> {
        match self.flipped.into_iter().chain(self.rotten).min() {
            Some(at) if at + 1 < self.durable.len() => Err(at),
            Some(at) => Ok(self.rollback(at)),
            None => Ok(self.copy()),
        }
    }

    /// Flips a bit of one record; which. None if there is no record.
    pub fn flip(&mut self, chance: &mut Chance) -> Option<usize> {
        self.flipped = (!self.durable.is_empty()).then(|| chance.below(self.durable.len() as u64) as usize);
        self.flipped
    }

    /// Spoils one record, and not the last: that it is bad cannot come from a write that was torn. Which; none if there is no
    /// such record, if one is spoilt already, or if a new file is about to take the place of all of them.
    pub fn rot(&mut self, chance: &mut Chance) -> Option<usize> {
        let others = self.durable.len().saturating_sub(1) as u64;
        if others == 0 || self.rotten.is_some() || self.anew {
            return None;
        }
        self.rotten = Some(chance.below(others) as usize);
        self.rotten
    }

    /// Flips that bit back; whether there was one.
    pub fn flip_back(&mut self) -> bool {
        self.flipped.take().is_some()
    }

    /// A copy of what is durable.
    pub fn copy(&self) -> Vec<R> {
        self.durable.clone()
    }

    /// A copy that was made takes the place of what is there; how many records fewer it has.
    pub fn put_back(&mut self, copy: Vec<R>) -> usize {
        let before = self.durable.len();
        (self.durable, self.flipped, self.rotten) = (copy, None, None);
        before.saturating_sub(self.durable.len())
    }

    /// Only the first so many records are there, which these are.
    pub fn rollback(&mut self, records: usize) -> Vec<R> {
        self.durable.truncate(records);
        self.flipped = self.flipped.filter(|at| *at < records);
        self.rotten = self.rotten.filter(|at| *at < records);
        self.copy()
    }

    /// How many records are durable.
    pub fn len(&self) -> usize {
        self.durable.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Disk<u32> {
        let mut disk = Disk::new();
        (0..5).for_each(|record| disk.write(record));
        disk.sync();
        (5..9).for_each(|record| disk.write(record));
        disk
    }

    #[test]
    fn what_was_synced_survives_everything_and_a_prefix_of_the_rest() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut chance = Chance::new(seed);
            for power in [false, true] {
                let mut disk = written();
                if power {
                    disk.crash(None, &mut chance);
                } else {
                    disk.kill(&mut chance);
                }
                let found = disk.recover().unwrap();
                assert!(found.len() >= 5 && found.iter().copied().eq(0..found.len() as u32));
                seen.insert((power, found.len()));
            }
        }
        assert_eq!(seen.len(), 10, "every length from 5 to 9 happens, for a kill and for a crash");
    }

    #[test]
    fn what_is_written_anew_is_there_as_a_whole_or_not_at_all() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut chance = Chance::new(seed);
            for power in [false, true] {
                let mut disk = written();
                disk.rewrite(vec![20, 21]);
                disk.write(22);
                let lost = if power { disk.crash(None, &mut chance).lost } else { 0 };
                if !power {
                    disk.kill(&mut chance);
                }
                let found = disk.recover().unwrap();
                assert!(found == [20, 21, 22] && lost == 0 || found == [0, 1, 2, 3, 4], "{found:?}");
                seen.insert((power, found.len()));
            }
        }
        assert_eq!(seen.len(), 4, "each happens, for a kill and for a crash");
    }

    #[test]
    fn a_flipped_bit_is_found_unless_it_looks_like_a_torn_end() {
        let (mut refused, mut cut) = (0, 0);
        for seed in 0..50 {
            let mut disk = written();
            let at = disk.flip(&mut Chance::new(seed)).unwrap();
            match disk.recover() {
                Err(found) => {
                    assert_eq!(found, at);
                    assert!(disk.flip_back());
                    assert_eq!(disk.recover(), Ok((0..5).collect()));
                    refused += 1;
                }
                Ok(found) => {
                    assert_eq!((at, found), (4, (0..4).collect()));
                    cut += 1;
                }
            }
        }
        assert!(refused > cut && cut > 0);
        assert_eq!(Disk::<u32>::new().flip(&mut Chance::new(1)), None);
    }

    #[test]
    fn what_has_rotted_never_looks_like_a_torn_end_and_nobody_flips_it_back() {
        let mut places = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let (mut disk, mut chance) = (written(), Chance::new(seed));
            let at = disk.rot(&mut chance).unwrap();
            disk.kill(&mut chance);
            assert_eq!(disk.recover(), Err(at));
            assert!(!disk.flip_back() && disk.rot(&mut chance).is_none());
            assert_eq!(disk.recover(), Err(at), "it is as it was");
            let cut = disk.rollback(at);
            assert_eq!((disk.recover(), cut), (Ok((0..at as u32).collect()), (0..at as u32).collect()));
            places.insert(at);
        }
        assert_eq!(places, (0..4).collect(), "the last of what was durable is spared");
        let mut single = Disk::new();
        assert_eq!(single.rot(&mut Chance::new(1)), None);
        single.write(1);
        single.sync();
        assert_eq!(single.rot(&mut Chance::new(1)), None, "the only record is the last");
    }

    #[test]
    fn a_crash_may_lose_all_or_tear_for_sure() {
        for seed in 0..50 {
            let mut disk = written();
            let lost = disk.crash(Some(Unsynced::Lost), &mut Chance::new(seed));
            assert_eq!((lost.lost, lost.torn, disk.len()), (4, 0, 5));
            let mut disk = written();
            let torn = disk.crash(Some(Unsynced::Torn), &mut Chance::new(seed));
            assert!(torn.torn > 0 && (5..9).contains(&disk.len()), "{torn:?}");
        }
        let nothing = Disk::<u32>::new().crash(Some(Unsynced::Torn), &mut Chance::new(1));
        assert_eq!(nothing, Damage::default());
    }

    #[test]
    fn a_crash_loses_tears_and_strands() {
        let mut all = Damage::default();
        for seed in 0..50 {
            let damage = written().crash(None, &mut Chance::new(seed));
            all.lost += damage.lost;
            all.torn += damage.torn;
            all.stranded += damage.stranded;
        }
        assert!(all.lost > 0 && all.torn > 0 && all.stranded > 0, "{all:?}");
    }
}
