//! Written pieces of a file, kept in memory.

use std::collections::BTreeMap;

/// Pieces of a file that were written and are nowhere else. They never overlap and never touch: what was written in
/// one go, or went on where the last write ended, is one piece.
#[derive(Debug, Default, Clone)]
pub struct Extents {
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl Extents {
    /// Writes `data` at `offset`, over whatever is there.
    pub fn put(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        if data.is_empty() {
            return;
        }
        if let Some((start, piece)) = self.pieces.range_mut(..=offset).next_back() {
            let (start, at) = (*start, (offset - start) as usize);
            // The two common cases, without copying the piece: going on where it ends, and rewriting its inside.
            if at == piece.len() {
                self.clear(offset, end);
                let joined = self.take_from(end);
                let piece = self.pieces.get_mut(&start).expect("it was just found");
                piece.extend_from_slice(data);
                piece.extend(joined);
                return;
            }
            if let Some(inside) = piece.get_mut(at..at + data.len()) {
                inside.copy_from_slice(data);
                return;
            }
        }
        self.clear(offset, end);
        self.pieces.insert(offset, data.to_vec());
        self.join(end);
        self.join(offset);
    }

    /// Forgets everything from `size` on: the file was truncated.
    pub fn cut(&mut self, size: u64) {
        self.clear(size, u64::MAX);
    }

    /// Lays the pieces over what was read from elsewhere at `offset`.
    pub fn overlay(&self, offset: u64, buffer: &mut [u8]) {
        let end = offset + buffer.len() as u64;
        for (start, piece) in self.pieces.range(..end).rev() {
            let stop = start + piece.len() as u64;
            if stop <= offset {
                break;
            }
            let (from, to) = (offset.max(*start), end.min(stop));
            let source = &piece[(from - start) as usize..(to - start) as usize];
            buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
        }
    }

    /// The pieces and where they begin, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces.iter().map(|(start, piece)| (*start, piece.as_slice()))
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.pieces.values().map(|piece| piece.len() as u64).sum()
    }

    /// Removes what lies in `from..to`.
    fn clear(&mut self, from: u64, to: u64) {
        let touched: Vec<u64> = {
            let before = self.pieces.range(..from).next_back();
            let before = before.filter(|(start, piece)| *start + piece.len() as u64 > from);
            before.into_iter().chain(self.pieces.range(from..to)).map(|(start, _)| *start).collect()
        };
        for start in touched {
            let mut piece = self.pieces.remove(&start).expect("it was just found");
            let end = start + piece.len() as u64;
            if end > to {
                self.pieces.insert(to, piece[(to - start) as usize..].to_vec());
            }
            if start < from {
                piece.truncate((from - start) as usize);
                self.pieces.insert(start, piece);
            }
        }
    }

    /// Takes out the piece that begins at `offset`, if one does.
    fn take_from(&mut self, offset: u64) -> Vec<u8> {
        self.pieces.remove(&offset).unwrap_or_default()
    }

    /// Joins the piece that begins at `offset` to one that ends there.
    fn join(&mut self, offset: u64) {
        let Some((start, piece)) = self.pieces.range(..offset).next_back() else { return };
        let start = *start;
        if start + piece.len() as u64 == offset {
            let rest = self.take_from(offset);
            self.pieces.get_mut(&start).expect("it was just found").extend(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::dice::Dice;

    #[test]
    fn pieces_are_what_a_plain_array_would_be() {
        for seed in 0..300 {
            let mut dice = Dice::new(seed);
            let (mut extents, mut plain) = (Extents::default(), vec![None; 64]);
            for _ in 0..40 {
                let offset = dice.below(56) as usize;
                if dice.below(8) == 0 {
                    extents.cut(offset as u64);
                    plain[offset..].fill(None);
                } else {
                    let data: Vec<u8> = (0..dice.below(8)).map(|_| dice.bits() as u8).collect();
                    extents.put(offset as u64, &data);
                    data.iter().enumerate().for_each(|(at, byte)| plain[offset + at] = Some(*byte));
                }
                let mut seen = vec![0; 64];
                extents.overlay(0, &mut seen);
                let expected: Vec<u8> = plain.iter().map(|byte| byte.unwrap_or(0)).collect();
                assert_eq!(seen, expected, "seed {seed}");
                assert_eq!(extents.bytes(), plain.iter().flatten().count() as u64, "seed {seed}");
                let ends: Vec<(u64, u64)> =
                    extents.iter().map(|(start, piece)| (start, start + piece.len() as u64)).collect();
                assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0), "seed {seed}: {ends:?}");
            }
        }
    }

    #[test]
    fn a_part_is_overlaid_where_it_belongs() {
        let mut extents = Extents::default();
        extents.put(10, b"hello");
        let mut seen = *b"........";
        extents.overlay(12, &mut seen);
        assert_eq!(&seen, b"llo.....");
    }
}
