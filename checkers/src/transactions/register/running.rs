//! Can everything have run one after the other, in an order that is found at once?

use super::heard::Heard;
use super::replay;
use super::versions::Versions;
use crate::Budget;
use crate::transactions::needs::{Needs, Rows};
use crate::transactions::notes::NONE;
use crate::transactions::phenomenon::Order;
use crate::transactions::schedule;
use crate::transactions::store::Store;
use history::Value;

/// An order in which everything may have run and which respects so much, executed again. If it is not found, there may be
/// one all the same.
pub(crate) fn order(
    heard: &Heard,
    versions: &Versions,
    needs: &Needs,
    (initial, respects): (Option<Value>, Order),
    budget: &Budget,
) -> Option<Vec<u32>> {
    let store = &heard.store;
    let places = session_places(store);
    // Most databases keep to real time even if nobody asks them to: then it tells much.
    let timely = (places.is_none() && respects != Order::Realtime).then_some(Order::Realtime);
    timely.into_iter().chain([respects]).find_map(|order| {
        let due = |txn: &u32| match &places {
            Some(places) if order != Order::Realtime => (*txn, places[*txn as usize]),
            _ => (*txn, store.completed(*txn)),
        };
        let mut dues: Vec<(u32, u32)> = store.completions().iter().map(due).collect();
        dues.sort_by_key(|(_, due)| *due);
        let found = schedule::order(store, &versions.committed, needs, order, &dues, budget);
        found.filter(|order| replay::explains(heard, initial, order, respects))
    })
}

/// What each transaction reads and leaves.
pub(crate) fn needs(heard: &Heard, versions: &Versions) -> Needs {
    let (txns, count) = (heard.store.len(), heard.versions.len());
    let mut reads: Vec<(u32, u32)> = Vec::with_capacity(versions.reads.len());
    for of_txn in versions.reads.chunk_by(|one, other| one.1 == other.1) {
        let begin = reads.len();
        for (version, txn) in of_txn {
            if !reads[begin..].contains(&(*txn, *version)) {
                reads.push((*txn, *version));
            }
        }
    }
    let mut held = vec![NONE; heard.store.keys()];
    for (version, (key, _)) in heard.versions.iter().enumerate() {
        if versions.is_initial[version] {
            held[*key as usize] = version as u32;
        }
    }
    let is_written = |version: &u32| !versions.is_initial[*version as usize];
    let writer = |version: u32| if is_written(&version) { versions.writer[version as usize] } else { NONE };
    let left = (0..count as u32).filter(|version| versions.counts(*version));
    Needs {
        reads: Rows::of(txns, reads.iter().copied()),
        readers: Rows::of(count, reads.iter().map(|(txn, version)| (*version, *txn))),
        leaves: Rows::of(txns, left.map(|version| (versions.writer[version as usize], version))),
        object: heard.versions.iter().map(|(key, _)| *key).collect(),
        writer: (0..count as u32).map(writer).collect(),
        held,
    }
}

/// If time tells nothing, because one session was written down after the other: the place of each transaction in its session.
pub(crate) fn session_places(store: &Store) -> Option<Vec<u32>> {
    let txns = 0..store.len() as u32;
    let changes = txns.clone().skip(1).filter(|txn| store.process(*txn) != store.process(*txn - 1)).count();
    let timeless = changes + 1 == store.processes() && store.len() > store.processes();
    let mut done = vec![0; store.processes()];
    let place = |txn: u32| {
        let done = &mut done[store.process(txn) as usize];
        *done += 1;
        *done
    };
    timeless.then(|| txns.map(place).collect())
}
