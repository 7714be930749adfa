//! Formats that know sessions of transactions over registers, and no time.

use super::ReadError;
use crate::{Call, Entry, Event, Got, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Time, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// A part of a transaction as these formats have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    write: bool,
    key: Key,
    /// Nothing if it read what nobody wrote.
    value: Option<Value>,
}

/// Makes events of transactions.
pub(super) struct Sessions<'v> {
    /// Whether 0 is what a register holds that nobody wrote.
    zero_is_nothing: bool,
    written_zero: FxHashSet<u64>,
    read_nothing: FxHashSet<u64>,
    processes: FxHashMap<u64, ProcessId>,
    next: u64,
    visit: &'v mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
}

impl<'v> Sessions<'v> {
    pub fn new(
        zero_is_nothing: bool,
        visit: &'v mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
    ) -> Sessions<'v> {
        Sessions {
            zero_is_nothing,
            written_zero: FxHashSet::default(),
            read_nothing: FxHashSet::default(),
            processes: FxHashMap::default(),
            next: 0,
            visit,
        }
    }

    /// The next part in the order of the file.
    pub fn part(&mut self, write: bool, key: u64, value: u64) -> Result<Part, String> {
        let held = i64::try_from(value).map_err(|_| format!("value {value} is too large"))?;
        let mut part = Part { write, key: Key(key), value: Some(Value(held)) };
        if self.zero_is_nothing && value == 0 {
            if write {
                self.written_zero.insert(key);
            } else if !self.written_zero.contains(&key) {
                self.read_nothing.insert(key);
                part.value = None;
            }
            if write && self.read_nothing.contains(&key) {
                return Err(format!("key {key} is written as 0 after 0 was read as its initial value"));
            }
        }
        Ok(part)
    }

    /// One transaction of a session. The transactions of one session come in its order.
    pub fn transaction(
        &mut self,
        line: usize,
        session: u64,
        parts: &[Part],
        committed: bool,
    ) -> Result<(), ReadError> {
        let mops = parts.iter().map(|part| match (part.write, part.value) {
            (true, Some(value)) => Mop::Write { key: part.key, value },
            _ => Mop::Read { key: part.key },
        });
        let gots = parts.iter().map(|part| if part.write { Got::Done } else { Got::Value(part.value) });
        let call = Call::Txn { mops: mops.collect() };
        let outcome = match committed {
            true => Outcome::Ok(Reply::Txn(gots.collect())),
            false => Outcome::Fail(Refusal::Aborted),
        };
        let fresh = ProcessId(self.processes.len() as u32);
        let process = *self.processes.entry(session).or_insert(fresh);
        self.event(line, Event::Invoke { process, node: NodeId(0), call })?;
        self.event(line, Event::Complete { process, outcome })
    }

    fn event(&mut self, line: usize, event: Event) -> Result<(), ReadError> {
        let time = Time(self.next);
        self.next += 1;
        (self.visit)(line, Entry { time, event })
    }
}
