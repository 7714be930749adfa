//! What orders transactions beside the data: processes and real time.

use super::graph::{Edge, kind};
use super::store::{Fate, NEVER, Store};

/// Adds the edges of process order and of real time to `edges`, and returns the first number after the auxiliary
/// vertices that stand for moments, which begin at `vertices`.
///
/// Instead of an edge for every two transactions of which one completed before the other was invoked, there is a chain
/// of moments: a transaction leads to the moment of its completion, moments lead to later moments, and a moment leads
/// to what was invoked before the next one. That is three edges a transaction, whatever the concurrency. What is
/// unknown may take effect at any later time, so nothing comes after it.
pub(crate) fn edges(store: &Store, committed: &[bool], mut vertices: u32, edges: &mut Vec<Edge>) -> u32 {
    let begin = vertices;
    let mut completions = store.completions().iter().peekable();
    let mut last = vec![NEVER; store.processes()];
    for txn in (0..store.len() as u32).filter(|txn| committed[*txn as usize]) {
        let mut moment = None;
        while let Some(done) = completions.next_if(|done| store.completed(**done) < store.invoked(txn)) {
            let moment = *moment.get_or_insert_with(|| {
                vertices += 1;
                vertices - 1
            });
            edges.push(Edge::new(*done, moment, kind::REALTIME));
        }
        if let Some(moment) = moment
            && moment > begin
        {
            edges.push(Edge::new(moment - 1, moment, kind::ON));
        }
        if vertices > begin {
            edges.push(Edge::new(vertices - 1, txn, kind::ON));
        }
        let last = &mut last[store.process(txn) as usize];
        if *last != NEVER {
            edges.push(Edge::new(*last, txn, kind::PROCESS));
        }
        *last = if store.fate(txn) == Fate::Ok { txn } else { NEVER };
    }
    vertices
}
