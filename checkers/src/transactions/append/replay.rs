//! Does an order explain everything? The certificate of a "yes", checked without anything that found it.

use super::heard::Heard;
use super::lists::Seen;
use crate::transactions::phenomenon::Order;
use crate::transactions::saturate::Promise;
use crate::transactions::snapshots::{self, Objects, Step};
use crate::transactions::store::{Fate, NEVER, Part};
use history::Value;

/// Executes the transactions one after another in this order, and checks that every read gets what it got, that every
/// append ends where it was seen, that nobody who is ok is missing, and that processes or real time are respected.
pub(crate) fn explains(heard: &Heard, order: &[u32], respects: Order) -> bool {
    let (store, keys) = (&heard.store, heard.store.keys());
    // How long each list is; beyond its longest read, how many appends nobody saw.
    let mut lengths = vec![0usize; keys];
    let mut done = vec![false; store.len()];
    let (mut latest_call, mut last_call) = (0, vec![0; store.processes()]);
    for txn in order {
        if std::mem::replace(&mut done[*txn as usize], true) || store.fate(*txn) == Fate::Fail {
            return false;
        }
        let (invoked, completed) = (store.invoked(*txn), store.completed(*txn));
        let end = if store.fate(*txn) == Fate::Ok { completed } else { NEVER };
        let last_call = &mut last_call[store.process(*txn) as usize];
        if (respects == Order::Realtime && end < latest_call)
            || (respects != Order::Plain && end < *last_call)
        {
            return false;
        }
        latest_call = latest_call.max(invoked);
        *last_call = (*last_call).max(invoked);
        for part in store.parts(*txn) {
            let (length, longest) = (&mut lengths[part.key() as usize], heard.lists.longest(part.key()));
            let fits = if part.is_write() {
                let value: Value = heard.values[part.arg as usize];
                *length += 1;
                longest.get(*length - 1).is_none_or(|seen| *seen == value)
            } else {
                store.fate(*txn) != Fate::Ok || Seen::of(part.arg) == Seen::Length(*length as u32)
            };
            if !fits {
                return false;
            }
        }
    }
    (0..store.len()).all(|txn| done[txn] || store.fate(txn as u32) != Fate::Ok)
}

/// Whether this run with snapshots explains everything.
pub(crate) fn explains_snapshots(heard: &Heard, steps: &[Step], respects: Order) -> bool {
    snapshots::explains(&heard.store, steps, (Promise::Snapshots, respects), Appended::new(heard)).is_ok()
}

/// How long each list is. What it holds is the beginning of its longest read, and then what nobody saw.
pub(crate) struct Appended<'h> {
    heard: &'h Heard,
    lengths: Vec<usize>,
}

impl<'h> Appended<'h> {
    /// Lists in the beginning.
    pub fn new(heard: &'h Heard) -> Appended<'h> {
        Appended { heard, lengths: vec![0; heard.store.keys()] }
    }

    /// Whether an append may stand at this place.
    fn stands(&self, part: Part, place: usize) -> bool {
        let value = self.heard.values[part.arg as usize];
        self.heard.lists.longest(part.key()).get(place).is_none_or(|seen| *seen == value)
    }
}

impl Objects for Appended<'_> {
    fn odd(&self, txn: u32) -> Option<usize> {
        let mut own: Vec<Part> = Vec::new();
        self.heard.store.parts(txn).iter().position(|part| {
            if part.is_write() {
                own.push(*part);
                return false;
            }
            let before = self.lengths[part.key() as usize];
            let mut length = before;
            let mut fits = true;
            for append in own.iter().filter(|append| append.key() == part.key()) {
                fits &= self.stands(*append, length);
                length += 1;
            }
            let seen = fits && Seen::of(part.arg) == Seen::Length(length as u32);
            self.heard.store.fate(txn) == Fate::Ok && !seen
        })
    }

    fn change(&mut self, txn: u32) -> Option<usize> {
        self.heard.store.parts(txn).iter().position(|part| {
            if !part.is_write() {
                return false;
            }
            let place = self.lengths[part.key() as usize];
            self.lengths[part.key() as usize] += 1;
            !self.stands(*part, place)
        })
    }
}
