//! The versions of each list: who wrote which, who is known to have committed, and what cannot be.

use super::heard::Heard;
use crate::transactions::notes::{NONE, Note, Notes};
use crate::transactions::phenomenon::Phenomenon;
use crate::transactions::store::Fate;
use history::Value;
use rustc_hash::FxHashMap;

/// The order of the elements of every list, as the longest read tells it.
#[derive(Debug)]
pub(crate) struct Versions {
    /// Where the elements of each key begin in `writer`, and one more.
    base: Vec<u32>,
    /// The append that made each element; [`NONE`] if there is none, or it was there before.
    writer: Vec<u32>,
    /// The place of each append in its list; [`NONE`] if nobody saw it.
    pub position: Vec<u32>,
    /// Whether each append is the last of its transaction to its list.
    pub is_final: Vec<bool>,
    /// The last append of each read that does not fit.
    pub odd_last: Vec<u32>,
    /// Whether each transaction certainly took effect: it is ok, or something of it was seen.
    pub committed: Vec<bool>,
    /// Keys to which one value was appended twice, with the two appends. They are left out of everything.
    pub ambiguous: Vec<(u32, u32, u32)>,
    is_ambiguous: Vec<bool>,
    /// By key, the transactions of appends that nobody saw, each once, ascending.
    unseen_base: Vec<u32>,
    unseen: Vec<u32>,
}

impl Versions {
    /// Works them out, noting what cannot be.
    pub fn of(heard: &Heard, notes: &mut Notes) -> Versions {
        let (store, keys) = (&heard.store, heard.store.keys());
        let (starts, by_key) = grouped(heard);
        let mut base = Vec::with_capacity(keys + 1);
        base.push(0);
        for key in 0..keys as u32 {
            base.push(base[key as usize] + heard.lists.longest(key).len() as u32);
        }
        let mut versions = Versions {
            writer: vec![NONE; base[keys] as usize],
            base,
            position: vec![NONE; heard.values.len()],
            is_final: vec![true; heard.values.len()],
            odd_last: vec![NONE; heard.lists.odd().len()],
            committed: (0..store.len() as u32).map(|txn| store.fate(txn) == Fate::Ok).collect(),
            ambiguous: Vec::new(),
            is_ambiguous: vec![false; keys],
            unseen_base: Vec::new(),
            unseen: Vec::new(),
        };
        let mut odd: Vec<u32> = (0..heard.lists.odd().len() as u32).collect();
        odd.sort_by_key(|odd| heard.lists.odd()[*odd as usize].key);
        let (mut lookup, mut odd) = (Lookup::default(), odd.as_slice());
        for key in 0..keys as u32 {
            let appends = &by_key[starts[key as usize] as usize..starts[key as usize + 1] as usize];
            let here = odd.iter().take_while(|odd| heard.lists.odd()[**odd as usize].key == key).count();
            let (own, rest) = odd.split_at(here);
            odd = rest;
            for pair in appends.windows(2) {
                let same = heard.by[pair[0] as usize] == heard.by[pair[1] as usize];
                versions.is_final[pair[0] as usize] = !same;
            }
            match lookup.fill(heard, appends) {
                Ok(()) => {
                    versions.key(heard, key, &lookup, notes);
                    own.iter().for_each(|odd| versions.odd(heard, *odd, &lookup, notes));
                }
                Err((one, other)) => {
                    versions.is_ambiguous[key as usize] = true;
                    versions.ambiguous.push((key, one, other));
                }
            }
        }
        versions.find_unseen(heard, &starts, &by_key);
        versions
    }

    /// The elements of the longest list of one key.
    fn key(&mut self, heard: &Heard, key: u32, lookup: &Lookup, notes: &mut Notes) {
        let base = self.base[key as usize];
        let mut note = |what, txns, at| notes.add(Note { what, key, txns, at });
        let (mut dirty, mut before) = (None, NONE);
        for (at, value) in heard.lists.longest(key).iter().enumerate() {
            let at = at as u32;
            let Some(append) = lookup.get(*value) else {
                note(Phenomenon::GarbageRead, [NONE, NONE], at);
                continue;
            };
            let (position, txn) = (&mut self.position[append as usize], heard.by[append as usize]);
            if *position != NONE {
                note(Phenomenon::DuplicateElements, [NONE, txn], at);
                continue;
            }
            *position = at;
            self.writer[(base + at) as usize] = append;
            if heard.store.fate(txn) != Fate::Fail {
                // Appends are numbered in the order of their calls.
                if before != NONE && before > append && heard.by[before as usize] == txn {
                    note(Phenomenon::CyclicVersions, [NONE, txn], at);
                }
                before = append;
            }
            match heard.store.fate(txn) {
                Fate::Fail => {
                    note(Phenomenon::AbortedRead, [NONE, txn], at);
                    dirty = Some(txn);
                }
                Fate::Unknown => self.committed[txn as usize] = true,
                Fate::Ok => {
                    if let Some(failed) = dirty.take() {
                        note(Phenomenon::DirtyUpdate, [txn, failed], at);
                    }
                }
            }
        }
    }

    /// The elements of a read that does not fit the longest list.
    fn odd(&mut self, heard: &Heard, number: u32, lookup: &Lookup, notes: &mut Notes) {
        let odd = &heard.lists.odd()[number as usize];
        let mut note = |what, other, at: usize| {
            notes.add(Note { what, key: odd.key, txns: [odd.txn, other], at: at as u32 });
        };
        note(Phenomenon::IncompatibleOrder, NONE, number as usize);
        let mut seen = Vec::with_capacity(odd.list.len());
        for (at, value) in odd.list.iter().enumerate() {
            let Some(append) = lookup.get(*value) else {
                note(Phenomenon::GarbageRead, NONE, at);
                continue;
            };
            let txn = heard.by[append as usize];
            match heard.store.fate(txn) {
                Fate::Fail => note(Phenomenon::AbortedRead, txn, at),
                Fate::Unknown => self.committed[txn as usize] = true,
                Fate::Ok => {}
            }
            seen.push((append, at));
            if heard.store.fate(txn) != Fate::Fail {
                self.odd_last[number as usize] = append;
            }
        }
        seen.sort_unstable();
        for pair in seen.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            note(Phenomenon::DuplicateElements, heard.by[pair[1].0 as usize], pair[1].1);
        }
    }

    /// Which committed transactions appended what nobody saw. They come after all that was seen.
    fn find_unseen(&mut self, heard: &Heard, starts: &[u32], by_key: &[u32]) {
        self.unseen_base.push(0);
        let torn: Vec<u32> = heard.lists.odd().iter().map(|odd| odd.key).collect();
        let torn: rustc_hash::FxHashSet<u32> = torn.into_iter().collect();
        for key in 0..heard.store.keys() {
            // Of a list that was seen in two orders nobody can say what was never seen.
            if !self.is_ambiguous[key] && !torn.contains(&(key as u32)) {
                for append in &by_key[starts[key] as usize..starts[key + 1] as usize] {
                    let txn = heard.by[*append as usize];
                    let begin = self.unseen_base[key] as usize;
                    if self.position[*append as usize] == NONE
                        && self.committed[txn as usize]
                        && (self.unseen.len() == begin || self.unseen.last() != Some(&txn))
                    {
                        self.unseen.push(txn);
                    }
                }
            }
            self.unseen_base.push(self.unseen.len() as u32);
        }
    }

    /// Whether nothing can be said about a key.
    pub fn is_ambiguous(&self, key: u32) -> bool {
        self.is_ambiguous[key as usize]
    }

    /// The appends of the elements of a key, in the order of the list.
    pub fn writers(&self, key: u32) -> &[u32] {
        &self.writer[self.base[key as usize] as usize..self.base[key as usize + 1] as usize]
    }

    /// A number for a version of a key, the empty one included, different from that of every other version.
    pub fn slot(&self, key: u32, length: u32) -> usize {
        (self.base[key as usize] + key + length) as usize
    }

    /// How many such numbers there are.
    pub fn slots(&self) -> usize {
        self.writer.len() + self.base.len()
    }

    /// The last append among the first `length` elements that did not fail.
    pub fn last(&self, heard: &Heard, key: u32, length: u32) -> Option<u32> {
        let writers = self.writers(key)[..length as usize].iter().rev();
        writers.copied().find(|append| self.counts(heard, *append))
    }

    /// The first append after the first `length` elements that did not fail.
    pub fn next(&self, heard: &Heard, key: u32, length: u32) -> Option<u32> {
        let writers = self.writers(key)[length as usize..].iter();
        writers.copied().find(|append| self.counts(heard, *append))
    }

    fn counts(&self, heard: &Heard, append: u32) -> bool {
        append != NONE && heard.fate_of(append) != Fate::Fail
    }

    /// The committed transactions with appends to a key that nobody saw.
    pub fn unseen(&self, key: u32) -> &[u32] {
        &self.unseen[self.unseen_base[key as usize] as usize..self.unseen_base[key as usize + 1] as usize]
    }

    /// How many transactions have an append that nobody saw, counted once for each key.
    pub fn all_unseen(&self) -> usize {
        self.unseen.len()
    }
}

/// The appends of each key, in the order of their calls.
fn grouped(heard: &Heard) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; heard.store.keys() + 2];
    let appends = || heard.store.all_parts().iter().filter(|part| part.is_write());
    appends().for_each(|part| starts[part.key() as usize + 2] += 1);
    for i in 2..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut by_key = vec![0; heard.values.len()];
    for part in appends() {
        let place = &mut starts[part.key() as usize + 1];
        by_key[*place as usize] = part.arg;
        *place += 1;
    }
    starts.pop();
    (starts, by_key)
}

/// Which append made a value, for one key at a time.
#[derive(Default)]
struct Lookup {
    /// If the values are dense: the append of each from `least`.
    dense: Vec<u32>,
    least: i64,
    sparse: FxHashMap<Value, u32>,
}

impl Lookup {
    /// Learns the appends of one key. An append that failed gives way to one of the same value that did not.
    ///
    /// # Errors
    /// If one value was, or may have been, appended twice.
    fn fill(&mut self, heard: &Heard, appends: &[u32]) -> Result<(), (u32, u32)> {
        let values = || appends.iter().map(|append| heard.values[*append as usize].0);
        let (least, most) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        let range = most.abs_diff(least);
        self.dense.clear();
        self.sparse.clear();
        self.least = least;
        let is_dense = range <= 4 * appends.len() as u64 + 64;
        if is_dense {
            self.dense.resize(range as usize + 1, NONE);
        }
        for append in appends {
            let value = heard.values[*append as usize];
            let slot = match is_dense {
                true => &mut self.dense[value.0.abs_diff(least) as usize],
                false => self.sparse.entry(value).or_insert(NONE),
            };
            if *slot == NONE || heard.fate_of(*slot) == Fate::Fail {
                *slot = *append;
            } else if heard.fate_of(*append) != Fate::Fail {
                return Err((*slot, *append));
            }
        }
        Ok(())
    }

    fn get(&self, value: Value) -> Option<u32> {
        let append = match self.dense.is_empty() {
            true => self.sparse.get(&value).copied(),
            false if value.0 < self.least => None,
            false => self.dense.get(value.0.abs_diff(self.least) as usize).copied(),
        };
        append.filter(|append| *append != NONE)
    }
}
