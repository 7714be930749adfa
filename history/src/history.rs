//! The history: what happened, in the order in which the harness saw it.

use crate::{Call, Doubt, Entry, Event, Key, NodeId, Outcome, Phase, ProcessId, Sequence, Time};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// An append-only list of events. It is always well formed: [`History::push`] refuses what cannot have
/// happened, so that no checker has to think about it.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    ops: Vec<Span>,
    sequence: Sequence,
}

/// A call with its completion, by index. 8 bytes an operation.
#[derive(Debug, Clone, Copy)]
struct Span {
    invoked: u32,
    completed: u32,
}

const OPEN: u32 = u32::MAX;

/// One operation: a call and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Op<'h> {
    /// Who asked.
    pub process: ProcessId,
    /// Whom it asked first.
    pub node: NodeId,
    /// What it asked.
    pub call: &'h Call,
    /// How it ended; [`Doubt::Unfinished`] if the history ends first.
    pub outcome: &'h Outcome,
    /// The index of the call.
    pub invoked: usize,
    /// The index of the completion, if there is one. An unknown outcome has a completion, but may take effect
    /// at any time after it.
    pub completed: Option<usize>,
}

/// An event that cannot have happened in this history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {index} cannot have happened: {why}")]
pub struct Malformed {
    /// The index that the event would have had.
    pub index: usize,
    /// What it contradicts.
    pub why: String,
}

/// A fingerprint of a history: equal for two runs of one seed in the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(u128);

pub(crate) fn digest_of(hasher: &Xxh3) -> Digest {
    Digest(hasher.digest128())
}

static UNFINISHED: Outcome = Outcome::Unknown(Doubt::Unfinished);

impl History {
    /// An empty history.
    pub fn new() -> History {
        History::default()
    }

    /// Makes room for so many more events, so that nothing is copied while they come. Where there is no such room, it is
    /// made as they come.
    pub fn reserve(&mut self, events: usize) {
        let _ = self.entries.try_reserve(events);
        let _ = self.ops.try_reserve(events / 2);
    }

    /// Appends an event.
    ///
    /// # Errors
    /// If a busy or dead process calls, an idle one completes, or time runs backwards; or after four thousand million
    /// events.
    pub fn push(&mut self, time: Time, event: Event) -> Result<(), Malformed> {
        let index = self.entries.len();
        let Some(index) = u32::try_from(index).ok().filter(|index| *index != OPEN) else {
            return Err(Malformed { index, why: "there are too many before it".to_owned() });
        };
        let completed = self.sequence.admit(time, &event)?;
        if let Some(op) = completed {
            self.ops[op].completed = index;
        }
        if let Event::Invoke { .. } = event {
            self.ops.push(Span { invoked: index, completed: OPEN });
        }
        self.entries.push(Entry { time, event });
        Ok(())
    }

    /// Everything, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every operation, in the order of the calls.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = Op<'_>> {
        self.ops.iter().map(|span| self.op(*span))
    }

    /// The operation with this place in the order of the calls, if there are so many.
    pub fn nth_op(&self, place: usize) -> Option<Op<'_>> {
        self.ops.get(place).map(|span| self.op(*span))
    }

    /// The operations of each object, in the order of the calls. What is about several objects is left out.
    pub fn by_key(&self) -> BTreeMap<Key, Vec<Op<'_>>> {
        let mut keys: BTreeMap<Key, Vec<Op<'_>>> = BTreeMap::new();
        for op in self.ops() {
            if let Some(key) = op.call.key() {
                keys.entry(key).or_default().push(op);
            }
        }
        keys
    }

    /// The operations of each process, in the order of the calls.
    pub fn by_process(&self) -> BTreeMap<ProcessId, Vec<Op<'_>>> {
        let mut processes: BTreeMap<ProcessId, Vec<Op<'_>>> = BTreeMap::new();
        for op in self.ops() {
            processes.entry(op.process).or_default().push(op);
        }
        processes
    }

    /// When a phase began, if it did.
    pub fn began(&self, phase: Phase) -> Option<Time> {
        self.entries.iter().find(|entry| entry.event == Event::Phase(phase)).map(|entry| entry.time)
    }

    /// The fingerprint of every event and its time.
    pub fn digest(&self) -> Digest {
        let mut hasher = Xxh3::new();
        let mut line = Vec::new();
        for entry in &self.entries {
            line.clear();
            serde_json::to_writer(&mut line, entry).expect("events are always writable as JSON");
            hasher.update(&line);
            hasher.update(b"\n");
        }
        digest_of(&hasher)
    }

    fn op(&self, span: Span) -> Op<'_> {
        let Event::Invoke { process, node, call } = &self.entries[span.invoked as usize].event else {
            unreachable!("a span begins with a call");
        };
        let completed = (span.completed != OPEN).then_some(span.completed as usize);
        let outcome = match completed.map(|index| &self.entries[index].event) {
            Some(Event::Complete { outcome, .. }) => outcome,
            _ => &UNFINISHED,
        };
        Op { process: *process, node: *node, call, outcome, invoked: span.invoked as usize, completed }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reply, Stamp, Value};

    const P: ProcessId = ProcessId(0);

    fn invoke() -> Event {
        Event::Invoke { process: P, node: NodeId(1), call: Call::Write { key: Key(0), value: Value(1) } }
    }

    fn complete(outcome: Outcome) -> Event {
        Event::Complete { process: P, outcome }
    }

    fn refused(events: &[Event]) -> String {
        let mut history = History::new();
        for (at, event) in events.iter().enumerate() {
            if let Err(malformed) = history.push(Time(at as u64), event.clone()) {
                return malformed.to_string();
            }
        }
        panic!("nothing was refused");
    }

    #[test]
    fn what_cannot_have_happened_is_refused() {
        assert!(refused(&[invoke(), invoke()]).contains("while its call of event 0 is open"));
        assert!(refused(&[complete(Outcome::Ok(Reply::Done))]).contains("never made"));
        let stamped = Event::Stamped { process: P, stamp: Stamp { start: None, commit: 7 } };
        assert!(
            refused(&[invoke(), stamped.clone(), complete(Outcome::Ok(Reply::Done)), stamped])
                .contains("event 3")
        );
        let timeout = complete(Outcome::Unknown(Doubt::Timeout));
        assert!(refused(&[invoke(), timeout.clone(), invoke()]).contains("unknown outcome"));
        assert!(refused(&[invoke(), timeout, complete(Outcome::Ok(Reply::Done))]).contains("never made"));
    }

    #[test]
    fn time_never_runs_backwards() {
        let mut history = History::new();
        history.push(Time(5), invoke()).unwrap();
        assert!(history.push(Time(4), Event::Phase(Phase::Heal)).is_err());
        assert_eq!(history.len(), 1);
    }

    #[test]
    fn an_open_call_is_unfinished() {
        let mut history = History::new();
        history.push(Time(0), invoke()).unwrap();
        let op = history.ops().next().unwrap();
        assert_eq!((op.completed, op.outcome), (None, &UNFINISHED));
    }

    #[test]
    fn the_digest_sees_times_and_order() {
        let of = |times: [u64; 2]| {
            let mut history = History::new();
            history.push(Time(times[0]), invoke()).unwrap();
            history.push(Time(times[1]), complete(Outcome::Ok(Reply::Done))).unwrap();
            history.digest()
        };
        assert_eq!(of([1, 2]), of([1, 2]));
        assert_ne!(of([1, 2]), of([1, 3]));
    }
}
