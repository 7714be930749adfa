//! Transactions in columns: what a checker keeps of a history.

use history::{Event, Key, Outcome, ProcessId, Stamp, Time};
use rustc_hash::FxHashMap;

/// An event that never came.
pub(crate) const NEVER: u32 = u32::MAX;

/// The argument of a read that is not known.
pub(crate) const UNREAD: u32 = u32::MAX;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody can tell.
    Unknown,
    /// It took effect.
    Ok,
    /// It did not and never will.
    Fail,
}

/// Every transaction of a history, numbered in the order of their calls, and every part of them. About 37 bytes a
/// transaction and 8 a part.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    first: Vec<u32>,
    invoked: Vec<u32>,
    completed: Vec<u32>,
    times: Vec<(Time, Time)>,
    process: Vec<u32>,
    node: Vec<u16>,
    fate: Vec<Fate>,
    parts: Vec<Part>,
    /// Those that are ok, in the order of their completions.
    completions: Vec<u32>,
    /// When some took effect, as the system says.
    stamps: Vec<(u32, Stamp)>,
    keys: Vec<Key>,
    key_numbers: FxHashMap<Key, u32>,
    processes: FxHashMap<ProcessId, u32>,
    process_names: Vec<ProcessId>,
    open: Vec<u32>,
}

/// One part of a transaction: a read or a write of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    key_and_kind: u32,
    /// What was read or written; the checker says how it is numbered.
    pub arg: u32,
}

const WRITE: u32 = 1 << 31;

impl Part {
    pub(crate) fn read(key: u32) -> Part {
        Part { key_and_kind: key, arg: UNREAD }
    }

    pub(crate) fn write(key: u32, arg: u32) -> Part {
        Part { key_and_kind: key | WRITE, arg }
    }

    pub(crate) fn key(self) -> u32 {
        self.key_and_kind & !WRITE
    }

    pub(crate) fn is_write(self) -> bool {
        self.key_and_kind & WRITE != 0
    }
}

impl Store {
    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.invoked.len()
    }

    /// How many objects there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The name of an object.
    pub fn key(&self, number: u32) -> Key {
        self.keys[number as usize]
    }

    /// The number of an object, a new one if it is new.
    pub fn key_number(&mut self, key: Key) -> u32 {
        let keys = &mut self.keys;
        *self.key_numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() as u32 - 1
        })
    }

    /// A transaction was called; its parts follow.
    pub fn begin(&mut self, index: usize, time: Time, event: &Event) -> u32 {
        let number = self.len() as u32;
        let Event::Invoke { process, node, .. } = event else { return number };
        let names = &mut self.process_names;
        let process = *self.processes.entry(*process).or_insert_with(|| {
            names.push(*process);
            names.len() as u32 - 1
        });
        self.open.resize(self.process_names.len(), NEVER);
        self.open[process as usize] = number;
        self.first.push(self.parts.len() as u32);
        self.invoked.push(index as u32);
        self.completed.push(NEVER);
        self.times.push((time, time));
        self.process.push(process);
        self.node.push(node.0);
        self.fate.push(Fate::Unknown);
        number
    }

    /// A part of the transaction called last.
    pub fn push(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// The system says when the open transaction of this process took effect.
    pub fn stamp(&mut self, process: ProcessId, stamp: Stamp) {
        let open = self.processes.get(&process).map(|process| self.open[*process as usize]);
        self.stamps.extend(open.filter(|txn| *txn != NEVER).map(|txn| (txn, stamp)));
    }

    /// A transaction of this process completed: which.
    pub fn end(&mut self, index: usize, time: Time, process: ProcessId, outcome: &Outcome) -> Option<u32> {
        let process = *self.processes.get(&process)?;
        let number = std::mem::replace(&mut self.open[process as usize], NEVER);
        if number == NEVER {
            return None;
        }
        let at = number as usize;
        self.completed[at] = index as u32;
        self.times[at].1 = time;
        self.fate[at] = match outcome {
            Outcome::Ok(_) => Fate::Ok,
            Outcome::Fail(_) => Fate::Fail,
            Outcome::Unknown(_) => Fate::Unknown,
        };
        if outcome.is_ok() {
            self.completions.push(number);
        }
        Some(number)
    }

    /// Where the parts of a transaction are.
    pub fn span(&self, txn: u32) -> std::ops::Range<usize> {
        let from = self.first[txn as usize] as usize;
        let to = self.first.get(txn as usize + 1).map_or(self.parts.len(), |to| *to as usize);
        from..to
    }

    /// The parts of a transaction.
    pub fn parts(&self, txn: u32) -> &[Part] {
        &self.parts[self.span(txn)]
    }

    /// The parts of a transaction, to fill in what was read.
    pub fn parts_mut(&mut self, txn: u32) -> &mut [Part] {
        let span = self.span(txn);
        &mut self.parts[span]
    }

    /// All parts of all transactions.
    pub fn all_parts(&self) -> &[Part] {
        &self.parts
    }

    /// What became of a transaction.
    pub fn fate(&self, txn: u32) -> Fate {
        self.fate[txn as usize]
    }

    /// The index of its call.
    pub fn invoked(&self, txn: u32) -> u32 {
        self.invoked[txn as usize]
    }

    /// The index of its completion, or [`NEVER`].
    pub fn completed(&self, txn: u32) -> u32 {
        self.completed[txn as usize]
    }

    /// The times of both; the first twice if it never completed.
    pub fn times(&self, txn: u32) -> (Time, Time) {
        self.times[txn as usize]
    }

    /// The number of the process that called it.
    pub fn process(&self, txn: u32) -> u32 {
        self.process[txn as usize]
    }

    /// The name of that process.
    pub fn process_name(&self, txn: u32) -> ProcessId {
        self.process_names[self.process(txn) as usize]
    }

    /// The node that was asked first.
    pub fn node(&self, txn: u32) -> history::NodeId {
        history::NodeId(self.node[txn as usize])
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        self.process_names.len()
    }

    /// Those that are ok, in the order of their completions.
    pub fn completions(&self) -> &[u32] {
        &self.completions
    }

    /// When some of them took effect, as the system says.
    pub fn stamps(&self) -> &[(u32, Stamp)] {
        &self.stamps
    }

    /// Whether one more event still fits in the numbers used here.
    pub fn fits(&self, index: usize, parts: usize) -> bool {
        index < NEVER as usize - 1
            && self.parts.len() + parts < UNREAD as usize / 2
            && self.keys.len() + parts < super::graph::VERTICES
            && self.len() < super::graph::VERTICES / 4
    }
}
