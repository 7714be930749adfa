//! What was read of each list, each read as a length.

use history::Value;

/// Set in the argument of a read that does not fit the longest list known.
const ODD: u32 = 1 << 31;

/// A read that does not fit and was too large to keep.
const LOST: u32 = u32::MAX - 1;

/// How many bytes of reads that do not fit are kept.
const KEPT: usize = 64 << 20;

/// The longest list known of each key. Lists only ever grow, so that every read should be a beginning of it, and its
/// length says it all. What does not fit is evidence, and kept as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    longest: Vec<Vec<Value>>,
    odd: Vec<Odd>,
    bytes: usize,
}

/// A read that is not of one history with the longest list.
#[derive(Debug, Clone)]
pub(crate) struct Odd {
    pub key: u32,
    pub txn: u32,
    pub list: Vec<Value>,
}

/// What a read got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// So many elements of the longest list.
    Length(u32),
    /// Something else: see [`Lists::odd`].
    Odd(u32),
    /// Something else that was not kept.
    Lost,
    /// Nobody knows.
    Unknown,
}

impl Seen {
    /// What the argument of a read means.
    pub fn of(arg: u32) -> Seen {
        match arg {
            super::super::store::UNREAD => Seen::Unknown,
            LOST => Seen::Lost,
            odd if odd & ODD != 0 => Seen::Odd(odd & !ODD),
            length => Seen::Length(length),
        }
    }
}

impl Lists {
    /// Notes a read and returns its argument.
    pub fn note(&mut self, key: u32, txn: u32, list: &[Value]) -> u32 {
        if self.longest.len() <= key as usize {
            self.longest.resize_with(key as usize + 1, Vec::new);
        }
        let longest = &mut self.longest[key as usize];
        let known = longest.len().min(list.len());
        if list.len() < ODD as usize && longest[..known] == list[..known] {
            longest.extend_from_slice(&list[known..]);
            return list.len() as u32;
        }
        self.bytes += size_of::<Odd>() + size_of_val(list);
        if self.bytes > KEPT {
            return LOST;
        }
        self.odd.push(Odd { key, txn, list: list.to_vec() });
        ODD | (self.odd.len() as u32 - 1)
    }

    /// The longest list of a key.
    pub fn longest(&self, key: u32) -> &[Value] {
        self.longest.get(key as usize).map_or(&[], Vec::as_slice)
    }

    /// Every read that does not fit, in the order of their completions.
    pub fn odd(&self) -> &[Odd] {
        &self.odd
    }
}
