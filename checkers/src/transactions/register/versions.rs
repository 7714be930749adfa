//! Who wrote and who read each version, and what cannot be.

use super::heard::Heard;
use crate::transactions::notes::{NONE, Note, Notes};
use crate::transactions::phenomenon::Phenomenon;
use crate::transactions::store::{Fate, UNREAD};
use history::Value;

/// What is known of the versions of registers.
#[derive(Debug)]
pub(crate) struct Versions {
    /// Who wrote each version; [`NONE`] if nobody did. Whoever failed only if nobody else did.
    pub writer: Vec<u32>,
    /// Which part of that transaction.
    part: Vec<u32>,
    /// Whether it is the last version of its register by its writer.
    pub is_final: Vec<bool>,
    /// Whether it is what the register held in the beginning.
    pub is_initial: Vec<bool>,
    /// Whether each transaction certainly took effect: it is ok, or something of it was read.
    pub committed: Vec<bool>,
    /// Registers to which one value was written twice, with one of the versions. They are left out of everything.
    pub ambiguous: Vec<u32>,
    is_ambiguous: Vec<bool>,
    /// Reads of registers that the transaction had not touched: version, transaction.
    pub reads: Vec<(u32, u32)>,
    /// Versions that were read by a transaction which then wrote the register: version before, version after, transaction.
    pub updates: Vec<(u32, u32, u32)>,
}

/// What a transaction knows of one register while its parts are gone through.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The last part that touched it. Older than the transaction: nothing is known.
    touched: u32,
    /// What it must hold now.
    now: u32,
    /// What it held when it was first read, if it was not written before.
    external: u32,
    /// Whether it was written.
    wrote: bool,
}

impl Versions {
    pub fn of(heard: &Heard, initial: Option<Value>, notes: &mut Notes) -> Versions {
        let (store, count) = (&heard.store, heard.versions.len());
        let mut versions = Versions {
            writer: vec![NONE; count],
            part: vec![NONE; count],
            is_final: vec![true; count],
            is_initial: heard.versions.iter().map(|(_, value)| *value == initial).collect(),
            committed: (0..store.len() as u32).map(|txn| store.fate(txn) == Fate::Ok).collect(),
            ambiguous: Vec::new(),
            is_ambiguous: vec![false; store.keys()],
            reads: Vec::new(),
            updates: Vec::new(),
        };
        for txn in 0..store.len() as u32 {
            versions.write(heard, txn);
        }
        for txn in (0..store.len() as u32).filter(|txn| store.fate(*txn) == Fate::Ok) {
            for part in store.parts(txn).iter().filter(|part| !part.is_write() && part.arg != UNREAD) {
                let writer = versions.writer[part.arg as usize];
                if writer != NONE && store.fate(writer) == Fate::Unknown && !versions.is_ambiguous(part.key())
                {
                    versions.committed[writer as usize] = true;
                }
            }
        }
        let nothing = Known { touched: NONE, now: NONE, external: NONE, wrote: false };
        let (mut known, mut updater) = (vec![nothing; store.keys()], vec![NONE; count]);
        for txn in (0..store.len() as u32).filter(|txn| store.fate(*txn) == Fate::Ok) {
            versions.txn(heard, txn, &mut known, &mut updater, notes);
        }
        versions
    }

    fn write(&mut self, heard: &Heard, txn: u32) {
        let store = &heard.store;
        let failed = |txn: u32| store.fate(txn) == Fate::Fail;
        let span = store.span(txn);
        for (at, part) in span.clone().zip(store.parts(txn)).filter(|(_, part)| part.is_write()) {
            let version = part.arg as usize;
            let known = self.writer[version];
            if self.is_initial[version] || (known != NONE && !failed(known) && !failed(txn)) {
                if !std::mem::replace(&mut self.is_ambiguous[part.key() as usize], true) {
                    self.ambiguous.push(part.arg);
                }
            } else if known == NONE || failed(known) {
                self.writer[version] = txn;
                self.part[version] = at as u32;
                let rest = &store.all_parts()[at + 1..span.end];
                self.is_final[version] =
                    !rest.iter().any(|later| later.is_write() && later.key() == part.key());
            }
        }
    }

    fn txn(&mut self, heard: &Heard, txn: u32, known: &mut [Known], updater: &mut [u32], notes: &mut Notes) {
        let span = heard.store.span(txn);
        let first = span.start as u32;
        for at in span {
            let part = heard.store.all_parts()[at];
            let (key, version, at) = (part.key(), part.arg, at as u32);
            if self.is_ambiguous(key) || version == UNREAD {
                continue;
            }
            let known = &mut known[key as usize];
            let fresh = known.touched == NONE || known.touched < first;
            if part.is_write() {
                let external = if fresh || known.wrote { NONE } else { known.external };
                if external != NONE {
                    let other = std::mem::replace(&mut updater[external as usize], txn);
                    if other != NONE && other != txn {
                        let txns = [other, txn];
                        notes.add(Note { what: Phenomenon::LostUpdate, key, txns, at: external });
                    }
                    let writes = heard.store.parts(txn).iter().rev();
                    let last = writes.copied().find(|part| part.is_write() && part.key() == key);
                    self.updates.push((external, last.map_or(version, |part| part.arg), txn));
                }
                *known = Known { touched: at, now: version, external: NONE, wrote: true };
                continue;
            }
            if !fresh && version != known.now {
                notes.add(Note { what: Phenomenon::Internal, key, txns: [txn, NONE], at });
            }
            let external = if fresh { version } else { known.external };
            let wrote = !fresh && known.wrote;
            let news = fresh || version != known.now;
            *known = Known { touched: at, now: version, external, wrote };
            if !wrote {
                self.read(heard, txn, at, news, notes);
            }
        }
    }

    /// A read of a register that the transaction had not written.
    fn read(&mut self, heard: &Heard, txn: u32, at: u32, news: bool, notes: &mut Notes) {
        let part = heard.store.all_parts()[at as usize];
        let (key, version) = (part.key(), part.arg as usize);
        let mut note = |what, other| {
            if news {
                notes.add(Note { what, key, txns: [txn, other], at });
            }
        };
        let writer = self.writer[version];
        if !self.is_initial[version] {
            if writer == NONE {
                return note(Phenomenon::GarbageRead, NONE);
            } else if heard.store.fate(writer) == Fate::Fail {
                return note(Phenomenon::AbortedRead, writer);
            } else if writer == txn {
                if self.part[version] > at {
                    note(Phenomenon::FutureRead, NONE);
                }
                return;
            } else if !self.is_final[version] {
                note(Phenomenon::IntermediateRead, writer);
            }
        }
        self.reads.push((version as u32, txn));
    }

    /// Whether nothing can be said about a register.
    pub fn is_ambiguous(&self, key: u32) -> bool {
        self.is_ambiguous[key as usize]
    }

    /// Whether a version is one that others may find: the last of a committed transaction.
    pub fn counts(&self, version: u32) -> bool {
        let writer = self.writer[version as usize];
        writer != NONE && self.committed[writer as usize] && self.is_final[version as usize]
    }
}
