//! Histories that are made up, of any length, with verdicts that are known: clients take turns at random, and what they
//! ask is right, or wrong in one way that was planted.
//!
//! ```
//! # use tribunal_checkers as checkers;
//! use checkers::synthetic::transactions::{Database, Objects, Shape, simulate};
//! use checkers::{Budget, Checker, Isolation, ListAppend, Verdict};
//!
//! // A database of snapshots has write skew: it is not serializable.
//! let shape = Shape { txns: 2_000, objects: Objects::Lists, database: Database::Snapshot, planted: false };
//! let history = simulate(shape, 7);
//! let judged = |promise| ListAppend::new(promise).check(&history, &Budget::default()).verdict;
//! assert_eq!(judged(Isolation::Serializable), Verdict::Invalid);
//! assert_eq!(judged(Isolation::SnapshotIsolation), Verdict::Valid);
//! ```

pub mod objects;
pub mod registers;
pub mod transactions;

use history::{Entry, Event, History, Time};

/// Who is told of each event of a history, in order.
pub type Listener<'l> = dyn FnMut(Entry) + 'l;

/// Tells the events of a history, one every microsecond.
struct Tale<'l> {
    listener: &'l mut Listener<'l>,
    told: u64,
}

impl<'l> Tale<'l> {
    fn new(listener: &'l mut Listener<'l>) -> Tale<'l> {
        Tale { listener, told: 0 }
    }

    fn push(&mut self, event: Event) {
        (self.listener)(Entry { time: Time(self.told * 1000), event });
        self.told += 1;
    }
}

/// The history that is told.
fn gathered(tell: impl FnOnce(&mut Listener<'_>)) -> History {
    let mut history = History::new();
    tell(&mut |entry| history.push(entry.time, entry.event).expect("clients take turns"));
    history
}
