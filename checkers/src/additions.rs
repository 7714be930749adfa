//! Who added what to a set, who looked at it, and what no look may show, whatever follows.

use crate::Anomaly;
use history::{Call, Key, Op, Outcome, Reply, Value};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the additions of one element; all are indexes of events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addition {
    /// The first call.
    pub called: usize,
    /// The first call that did not certainly fail.
    pub possible: Option<usize>,
    /// The first acknowledgement, and its call.
    pub acked: Option<(usize, usize)>,
}

/// Every element that somebody wanted to add.
pub(crate) fn additions(ops: &[Op<'_>]) -> BTreeMap<Value, Addition> {
    let mut all: BTreeMap<Value, Addition> = BTreeMap::new();
    for op in ops {
        let Call::Add { value, .. } = op.call else { continue };
        let new = Addition { called: op.invoked, possible: None, acked: None };
        let of = all.entry(*value).or_insert(new);
        of.called = of.called.min(op.invoked);
        if !op.outcome.is_fail() {
            of.possible = Some(of.possible.map_or(op.invoked, |possible| possible.min(op.invoked)));
        }
        if let (true, Some(at)) = (op.outcome.is_ok(), op.completed) {
            of.acked = Some(of.acked.map_or((at, op.invoked), |acked| acked.min((at, op.invoked))));
        }
    }
    all
}

/// One complete look: the indexes of its call and its end, and what it found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'h> {
    pub invoked: usize,
    pub completed: usize,
    pub there: &'h [Value],
}

/// Every complete look, in the order of their calls.
pub(crate) fn looks<'h>(ops: &[Op<'h>]) -> Vec<Look<'h>> {
    let look = |op: &Op<'h>| match (op.call, op.outcome, op.completed) {
        (Call::Elements { .. }, Outcome::Ok(Reply::List(there)), Some(completed)) => {
            Some(Look { invoked: op.invoked, completed, there })
        }
        _ => None,
    };
    ops.iter().filter_map(look).collect()
}

/// Whether nothing that follows can make good an anomaly of this name, one of those that [`absurd`] finds.
pub(crate) fn is_absurd(anomaly: &str) -> bool {
    matches!(anomaly, "duplicate element" | "unexpected element" | "future read" | "aborted read")
}

/// What no look may show: an element twice, or one that cannot have been there yet when the look ended, because nobody
/// had begun to add it, or only those whose additions certainly failed. Each is told once.
pub(crate) fn absurd(key: Key, additions: &BTreeMap<Value, Addition>, looks: &[Look<'_>]) -> Vec<Anomaly> {
    let (mut anomalies, mut told) = (Vec::new(), BTreeSet::new());
    for look in looks {
        let mut seen = FxHashSet::default();
        for value in look.there {
            let (name, story, event) = match additions.get(value) {
                _ if !seen.insert(value) => {
                    ("duplicate element", format!("One look found {value} more than once."), None)
                }
                None => ("unexpected element", format!("{value} is there, but nobody added it."), None),
                Some(of) if look.completed < of.called => {
                    let story = format!("One look found {value} before anybody began to add it.");
                    ("future read", story, None)
                }
                Some(of) if of.possible.is_none_or(|possible| look.completed < possible) => {
                    let story = format!("{value} is there, though its addition certainly failed.");
                    ("aborted read", story, Some(of.called))
                }
                Some(_) => continue,
            };
            if told.insert((name, *value)) {
                let events = [look.invoked, look.completed].into_iter().chain(event);
                anomalies.push(Anomaly::new(name, key, story, events));
            }
        }
    }
    anomalies
}
