//! Does an order explain everything? The certificate of a "yes", checked without anything that found it.

use super::heard::Heard;
use crate::transactions::phenomenon::Order;
use crate::transactions::saturate::Promise;
use crate::transactions::snapshots::{self, Objects, Step};
use crate::transactions::store::{Fate, NEVER};
use history::Value;

/// Executes the transactions one after another in this order, and checks that every read gets what it got, that nobody who
/// is ok is missing, and that processes or real time are respected.
pub(crate) fn explains(heard: &Heard, initial: Option<Value>, order: &[u32], respects: Order) -> bool {
    let store = &heard.store;
    let mut held = vec![initial; store.keys()];
    let mut done = vec![false; store.len()];
    let (mut latest_call, mut last_call) = (0, vec![0; store.processes()]);
    for txn in order {
        if std::mem::replace(&mut done[*txn as usize], true) || store.fate(*txn) == Fate::Fail {
            return false;
        }
        let ok = store.fate(*txn) == Fate::Ok;
        let (invoked, end) = (store.invoked(*txn), if ok { store.completed(*txn) } else { NEVER });
        let last_call = &mut last_call[store.process(*txn) as usize];
        if (respects == Order::Realtime && end < latest_call)
            || (respects != Order::Plain && end < *last_call)
        {
            return false;
        }
        latest_call = latest_call.max(invoked);
        *last_call = (*last_call).max(invoked);
        for part in store.parts(*txn) {
            let held = &mut held[part.key() as usize];
            if part.is_write() {
                *held = heard.versions[part.arg as usize].1;
            } else if ok && heard.versions[part.arg as usize].1 != *held {
                return false;
            }
        }
    }
    (0..store.len()).all(|txn| done[txn] || store.fate(txn as u32) != Fate::Ok)
}

/// Whether this run with snapshots explains everything.
pub(crate) fn explains_snapshots(
    heard: &Heard,
    initial: Option<Value>,
    steps: &[Step],
    promised: (Promise, Order),
) -> bool {
    snapshots::explains(&heard.store, steps, promised, Registers::new(heard, initial)).is_ok()
}

/// What the registers hold.
pub(crate) struct Registers<'h> {
    heard: &'h Heard,
    held: Vec<Option<Value>>,
}

impl<'h> Registers<'h> {
    /// Registers in the beginning.
    pub fn new(heard: &'h Heard, initial: Option<Value>) -> Registers<'h> {
        Registers { heard, held: vec![initial; heard.store.keys()] }
    }
}

impl Objects for Registers<'_> {
    fn odd(&self, txn: u32) -> Option<usize> {
        let mut own: Vec<(u32, Option<Value>)> = Vec::new();
        self.heard.store.parts(txn).iter().position(|part| {
            let key = part.key();
            let now = own.iter().rev().find(|(written, _)| *written == key);
            let now = now.map_or(self.held[key as usize], |(_, value)| *value);
            if part.is_write() {
                own.push((key, self.heard.versions[part.arg as usize].1));
                return false;
            }
            self.heard.store.fate(txn) == Fate::Ok && self.heard.versions[part.arg as usize].1 != now
        })
    }

    fn change(&mut self, txn: u32) -> Option<usize> {
        for part in self.heard.store.parts(txn).iter().filter(|part| part.is_write()) {
            self.held[part.key() as usize] = self.heard.versions[part.arg as usize].1;
        }
        None
    }
}
