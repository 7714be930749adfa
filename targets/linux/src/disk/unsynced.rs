//! What a power cut would take from one file.

use super::dice::Dice;
use super::extents::Extents;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

/// The smallest unit that a disk writes all or none of.
const SECTOR: u64 = 512;
/// The unit in which the kernel writes back.
const PAGE: u64 = 4096;

/// What was done to a file since it was last synced, over the file as it was then.
#[derive(Debug)]
pub struct Unsynced {
    /// How long the file seems.
    pub size: u64,
    /// When it was last changed.
    pub changed: SystemTime,
    /// Bytes of the synced file from here on are gone: it was shorter at least once since. If it grew again, there
    /// are zeros.
    shown: u64,
    written: Extents,
}

impl Unsynced {
    /// Nothing yet, over a synced file of this length.
    pub fn over(length: u64) -> Unsynced {
        Unsynced { size: length, changed: SystemTime::now(), shown: length, written: Extents::default() }
    }

    /// Writes.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.written.put(offset, data);
        self.size = self.size.max(offset + data.len() as u64);
        self.changed = SystemTime::now();
    }

    /// Truncates, or grows with zeros.
    pub fn resize(&mut self, size: u64) {
        self.written.cut(size);
        self.shown = self.shown.min(size);
        self.size = size;
        self.changed = SystemTime::now();
    }

    /// How many bytes were written and not synced.
    pub fn bytes(&self) -> u64 {
        self.written.bytes()
    }

    /// Reads at most `length` bytes of the file as it seems; fewer only at its end.
    ///
    /// # Errors
    /// If the synced file cannot be read.
    pub fn read(&self, synced: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; self.size.saturating_sub(offset).min(length as u64) as usize];
        let old = self.shown.saturating_sub(offset).min(buffer.len() as u64) as usize;
        read_at(synced, offset, &mut buffer[..old])?;
        self.written.overlay(offset, &mut buffer);
        Ok(buffer)
    }

    /// Makes the synced file what this one seems to be. If it fails half-way it can be tried again.
    ///
    /// # Errors
    /// If the synced file cannot be written.
    pub fn settle(&self, synced: &File) -> io::Result<()> {
        if synced.metadata()?.len() > self.shown {
            synced.set_len(self.shown)?;
        }
        self.written.iter().try_for_each(|(offset, piece)| synced.write_all_at(piece, offset))?;
        if synced.metadata()?.len() != self.size {
            synced.set_len(self.size)?;
        }
        Ok(())
    }

    /// What the disk may hold after the power went in the middle of writing back: any part of what was written, in
    /// sectors, in any order, with or without the truncation, with or without the new length. What was synced and not
    /// written since stays. Returns how many bytes of those written are on the disk.
    ///
    /// # Errors
    /// If the synced file cannot be written.
    pub fn tear(&self, synced: &File, dice: &mut Dice) -> io::Result<u64> {
        let shortened = synced.metadata()?.len() > self.shown;
        // The journal of a file system keeps its order: without the truncation there is no later length either, and
        // nothing can be where the truncated part still is.
        let reached = !shortened || dice.coin();
        if shortened && reached {
            synced.set_len(self.shown)?;
        }
        let limit = if reached { u64::MAX } else { self.shown };
        let fate = Fate::draw(self.size, dice);
        let mut kept = 0;
        for (offset, piece) in self.written.iter() {
            for (at, sector) in sectors(offset, piece) {
                if at + sector.len() as u64 <= limit && fate.keeps(at) {
                    synced.write_all_at(sector, at)?;
                    kept += sector.len() as u64;
                }
            }
        }
        if reached && synced.metadata()?.len() < self.size && dice.coin() {
            synced.set_len(self.size)?;
        }
        Ok(kept)
    }
}

/// Which sectors of a file reach the disk.
enum Fate {
    /// None.
    Lost,
    /// All.
    Kept,
    /// Those below this one.
    Prefix(u64),
    /// Some pages, and parts of some; the number decides for each.
    Torn(u64),
}

impl Fate {
    fn draw(size: u64, dice: &mut Dice) -> Fate {
        match dice.below(4) {
            0 => Fate::Lost,
            1 => Fate::Kept,
            2 => Fate::Prefix(dice.below(size.div_ceil(SECTOR) + 1) * SECTOR),
            _ => Fate::Torn(dice.bits()),
        }
    }

    fn keeps(&self, offset: u64) -> bool {
        let coin = |seed: u64, place: u64| Dice::new(seed ^ place).coin();
        match self {
            Fate::Lost => false,
            Fate::Kept => true,
            Fate::Prefix(end) => offset < *end,
            Fate::Torn(seed) => match Dice::new(seed ^ (offset / PAGE)).below(3) {
                0 => false,
                1 => true,
                _ => coin(!seed, offset / SECTOR),
            },
        }
    }
}

/// A piece in units that do not cross a sector's border.
fn sectors(offset: u64, piece: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let first = (SECTOR - offset % SECTOR).min(piece.len() as u64) as usize;
    let (head, tail) = piece.split_at(first);
    let rest = tail.chunks(SECTOR as usize);
    std::iter::once(head).chain(rest).scan(offset, |at, sector| {
        let here = *at;
        *at += sector.len() as u64;
        Some((here, sector))
    })
}

/// Reads at most `length` bytes of a file that has nothing unsynced; fewer only at its end.
///
/// # Errors
/// If it cannot be read.
pub fn read_plain(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut buffer = vec![0; size.saturating_sub(offset).min(length as u64) as usize];
    read_at(file, offset, &mut buffer)?;
    Ok(buffer)
}

/// Fills `buffer`; zeros where the file has ended.
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does something random to a file, both to the real thing and to the plain bytes it should be.
    fn disturb(unsynced: &mut Unsynced, plain: &mut Vec<u8>, dice: &mut Dice) {
        if dice.below(4) == 0 {
            let size = dice.below(6000) as usize;
            unsynced.resize(size as u64);
            plain.resize(size, 0);
        } else {
            let offset = dice.below(5000) as usize;
            let data: Vec<u8> = (0..dice.below(1500)).map(|_| 128 | dice.bits() as u8).collect();
            unsynced.write(offset as u64, &data);
            if !data.is_empty() {
                plain.resize(plain.len().max(offset + data.len()), 0);
                plain[offset..offset + data.len()].copy_from_slice(&data);
            }
        }
    }

    fn synced_file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        read_at(file, 0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_file_seems_and_settles_as_a_plain_one_would() {
        for seed in 0..300 {
            let mut dice = Dice::new(seed);
            let mut plain: Vec<u8> = (0..dice.below(5000)).map(|_| dice.bits() as u8 & 127).collect();
            let file = synced_file(&plain);
            let mut unsynced = Unsynced::over(plain.len() as u64);
            for _ in 0..8 {
                disturb(&mut unsynced, &mut plain, &mut dice);
                assert!(unsynced.read(&file, 0, 9000).unwrap() == plain, "seed {seed}");
                let (offset, length) = (dice.below(6000), dice.below(700) as usize);
                let from = plain.len().min(offset as usize);
                let part = &plain[from..plain.len().min(from + length)];
                assert!(unsynced.read(&file, offset, length).unwrap() == part, "seed {seed}");
            }
            unsynced.settle(&file).unwrap();
            assert!(content(&file) == plain, "seed {seed}");
        }
    }

    #[test]
    fn a_tear_leaves_every_byte_as_it_was_or_as_it_should_be() {
        let (mut nothing, mut all, mut some) = (0, 0, 0);
        for seed in 0..400 {
            let mut dice = Dice::new(seed);
            let old: Vec<u8> = (0..dice.below(5000)).map(|_| dice.bits() as u8 & 127).collect();
            let (file, mut new) = (synced_file(&old), old.clone());
            let mut unsynced = Unsynced::over(old.len() as u64);
            for _ in 0..dice.below(4) + 1 {
                disturb(&mut unsynced, &mut new, &mut dice);
            }
            let kept = unsynced.tear(&file, &mut dice).unwrap();
            let found = content(&file);
            for (at, byte) in found.iter().enumerate() {
                let (was, is) = (old.get(at), new.get(at));
                let hole = *byte == 0 && at as u64 >= unsynced.shown;
                assert!(was == Some(byte) || is == Some(byte) || hole, "seed {seed}, byte {at}");
            }
            // Whoever never shortened the file finds all of it.
            assert!(found.len() as u64 >= unsynced.shown.min(old.len() as u64), "seed {seed}");
            for at in (0..unsynced.shown as usize).filter(|at| old[*at] == new[*at]) {
                assert_eq!(found[at], old[at], "seed {seed}: synced byte {at} was damaged");
            }
            match kept {
                0 => nothing += 1,
                kept if kept == unsynced.bytes() => all += 1,
                _ => some += 1,
            }
        }
        assert!(nothing > 50 && all > 50 && some > 50, "{nothing} lost all, {all} none, {some} some");
    }

    #[test]
    fn sectors_do_not_cross_borders() {
        let piece = vec![7; 1200];
        let cut: Vec<(u64, usize)> = sectors(500, &piece).map(|(at, sector)| (at, sector.len())).collect();
        assert_eq!(cut, [(500, 12), (512, 512), (1024, 512), (1536, 164)]);
    }
}
