//! Every transaction once: does it agree with itself, and what comes before and after it?

use super::heard::Heard;
use super::lists::Seen;
use super::versions::Versions;
use crate::transactions::fan::Fan;
use crate::transactions::graph::{Edge, kind};
use crate::transactions::notes::{NONE, Note, Notes};
use crate::transactions::phenomenon::Phenomenon;
use crate::transactions::store::Fate;

/// What a transaction knows of one list while its parts are gone through.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The last part that touched the list. Older than the transaction: nothing is known.
    touched: u32,
    /// How long the list must be now; [`NONE`] if its own appends are not where they should be.
    now: u32,
    /// The longest that it read.
    longest: u32,
    /// The length of the version that it read before it wrote anything; [`NONE`] if it did not.
    external: u32,
}

/// Goes through all transactions.
pub(crate) struct Scan<'h> {
    heard: &'h Heard,
    versions: &'h Versions,
    known: Vec<Known>,
    /// The first transaction that read a version and then appended.
    updater: Vec<u32>,
    /// Whose appends to each key nobody saw.
    unseen: Vec<Fan<'h>>,
    /// What comes before what.
    pub edges: Vec<Edge>,
    /// The number of vertices so far.
    pub vertices: u32,
}

impl<'h> Scan<'h> {
    pub fn new(heard: &'h Heard, versions: &'h Versions) -> Scan<'h> {
        let nothing = Known { touched: NONE, now: NONE, longest: 0, external: NONE };
        let keys = heard.store.keys();
        let mut scan = Scan {
            heard,
            versions,
            known: vec![nothing; keys],
            updater: vec![NONE; versions.slots()],
            unseen: Vec::with_capacity(keys),
            edges: Vec::with_capacity(heard.store.all_parts().len() * 2 + heard.store.len() * 3),
            vertices: heard.store.len() as u32,
        };
        (0..keys as u32).for_each(|key| scan.link_key(key));
        scan
    }

    /// Versions follow one another, and what nobody saw follows them all.
    fn link_key(&mut self, key: u32) {
        let unseen = self.versions.unseen(key);
        self.unseen.push(Fan::new(unseen, &mut self.vertices, &mut self.edges));
        if self.versions.is_ambiguous(key) {
            return;
        }
        let mut last = NONE;
        for append in self.versions.writers(key) {
            if *append == NONE || self.heard.fate_of(*append) == Fate::Fail {
                continue;
            }
            let txn = self.heard.by[*append as usize];
            if last != NONE && last != txn {
                self.edges.push(Edge::new(last, txn, kind::WW));
            }
            last = txn;
        }
        if last != NONE {
            self.link_unseen(last, key, kind::WW);
        }
    }

    /// `from` comes before everyone, but itself, whose append to `key` nobody saw.
    fn link_unseen(&mut self, from: u32, key: u32, kind: u32) {
        self.unseen[key as usize].link(from, kind, &mut self.edges);
    }

    /// Goes through a committed transaction.
    pub fn txn(&mut self, txn: u32, notes: &mut Notes) {
        let store = &self.heard.store;
        let span = store.span(txn);
        let (first, ok) = (span.start as u32, store.fate(txn) == Fate::Ok);
        for at in span {
            let part = store.all_parts()[at];
            if self.versions.is_ambiguous(part.key()) {
                continue;
            }
            if part.is_write() {
                self.write(txn, first, at as u32, notes);
            } else if ok {
                self.read(txn, first, at as u32, notes);
            }
        }
    }

    fn write(&mut self, txn: u32, first: u32, at: u32, notes: &mut Notes) {
        let part = self.heard.store.all_parts()[at as usize];
        let (key, position) = (part.key(), self.versions.position[part.arg as usize]);
        let known = &mut self.known[key as usize];
        let fresh = known.touched == NONE || known.touched < first;
        if fresh {
            let now = if position == NONE { NONE } else { position + 1 };
            *known = Known { touched: at, now, longest: 0, external: NONE };
            return;
        }
        known.touched = at;
        known.now = if position != NONE && position == known.now { position + 1 } else { NONE };
        if position != NONE && position < known.longest {
            notes.add(Note { what: Phenomenon::FutureRead, key, txns: [txn, NONE], at });
        }
        let external = std::mem::replace(&mut known.external, NONE);
        if external != NONE {
            let updater = &mut self.updater[self.versions.slot(key, external)];
            if *updater == NONE {
                *updater = txn;
            } else if *updater != txn {
                let txns = [*updater, txn];
                notes.add(Note { what: Phenomenon::LostUpdate, key, txns, at: external });
            }
        }
    }

    fn read(&mut self, txn: u32, first: u32, at: u32, notes: &mut Notes) {
        let part = self.heard.store.all_parts()[at as usize];
        let (key, seen) = (part.key(), Seen::of(part.arg));
        let known = self.known[key as usize];
        let fresh = known.touched == NONE || known.touched < first;
        let length = if let Seen::Length(length) = seen { length } else { NONE };
        // A read that does not fit the others is told as that.
        let disagrees = !fresh && length != NONE && length != known.now;
        if disagrees {
            notes.add(Note { what: Phenomenon::Internal, key, txns: [txn, NONE], at });
        }
        let longest = if length == NONE { 0 } else { length };
        self.known[key as usize] = Known {
            touched: at,
            now: length,
            longest: if fresh { longest } else { known.longest.max(longest) },
            external: if fresh { length } else { known.external },
        };
        if fresh || (disagrees && known.external != NONE) {
            self.external(txn, at, seen, fresh.then_some(notes));
        }
    }

    /// A read of a list that the transaction has not appended to: it comes after whoever made what it saw, and before whoever made the next version.
    fn external(&mut self, txn: u32, at: u32, seen: Seen, notes: Option<&mut Notes>) {
        let (heard, versions) = (self.heard, self.versions);
        let key = heard.store.all_parts()[at as usize].key();
        let last = match seen {
            Seen::Length(length) => versions.last(heard, key, length),
            Seen::Odd(odd) => Some(versions.odd_last[odd as usize]).filter(|append| *append != NONE),
            Seen::Lost | Seen::Unknown => None,
        };
        if let Some(last) = last {
            let writer = heard.by[last as usize];
            if writer != txn {
                self.edges.push(Edge::new(writer, txn, kind::WR));
                if let Some(notes) = notes
                    && !versions.is_final[last as usize]
                {
                    let what = Phenomenon::IntermediateRead;
                    notes.add(Note { what, key, txns: [txn, writer], at });
                }
            }
        }
        let Seen::Length(length) = seen else { return };
        match versions.next(heard, key, length) {
            Some(next) => {
                let writer = heard.by[next as usize];
                if writer != txn {
                    self.edges.push(Edge::new(txn, writer, kind::RW));
                }
            }
            None => self.link_unseen(txn, key, kind::RW),
        }
    }
}
