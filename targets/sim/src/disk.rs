//! A node's disk: what is durable, and what is only on its way.

use history::Chance;

/// An append-only log of records as a checksummed write-ahead log keeps it: recovery reads up to the first
/// record that is missing or torn, and cuts there.
#[derive(Debug)]
pub struct Disk<R> {
    durable: Vec<R>,
    unsynced: Vec<R>,
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
        Disk { durable: Vec::new(), unsynced: Vec::new() }
    }

    /// Hands a record to the operating system. Not durable before [`Disk::sync`].
    pub fn write(&mut self, record: R) {
        self.unsynced.push(record);
    }

    /// Everything written so far is durable.
    pub fn sync(&mut self) {
        self.durable.append(&mut self.unsynced);
    }

    /// The process died while it may have been writing: a part of what it was writing stays.
    pub fn kill(&mut self, chance: &mut Chance) {
        let written = chance.between(0, self.unsynced.len() as u64) as usize;
        self.unsynced.truncate(written);
        self.sync();
    }

    /// The power went. Each unsynced record may be there, be torn or be lost, in any order.
    pub fn crash(&mut self, chance: &mut Chance) -> Damage {
        let mut damage = Damage::default();
        let mut whole = 0;
        for at in 0..self.unsynced.len() {
            match chance.below(4) {
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

    /// What a node finds when it boots.
    pub fn recover(&self) -> Vec<R> {
        self.durable.clone()
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
                    disk.crash(&mut chance);
                } else {
                    disk.kill(&mut chance);
                }
                let found = disk.recover();
                assert!(found.len() >= 5 && found.iter().copied().eq(0..found.len() as u32));
                seen.insert((power, found.len()));
            }
        }
        assert_eq!(seen.len(), 10, "every length from 5 to 9 happens, for a kill and for a crash");
    }

    #[test]
    fn a_crash_loses_tears_and_strands() {
        let mut all = Damage::default();
        for seed in 0..50 {
            let damage = written().crash(&mut Chance::new(seed));
            all.lost += damage.lost;
            all.torn += damage.torn;
            all.stranded += damage.stranded;
        }
        assert!(all.lost > 0 && all.torn > 0 && all.stranded > 0, "{all:?}");
    }
}
