//! Jepsen's operations: records of type, process, function and value.
//!
//! An operation is what Jepsen, Knossos and Elle mean by it: `:invoke`, then `:ok`, `:fail` or `:info`. A process that
//! is no number is not a client, and what it does is left out. The order of the records is the order of events;
//! their times are for people, and never run backwards here.

use super::calls::{Calls, Style};
use super::lexer::{End, Node, Records, Syntax, Tape};
use super::{Options, ReadError, Scanned};
use crate::jsonl::Torn;
use crate::{
    Call, Doubt, Entry, Event, Key, Malformed, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Stamp, Time,
    Value,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::io::Read;

/// How many records may pass before it is known what a read reads.
const PATIENCE: usize = 10_000;

/// Who writes the initial values that a user claims.
const INITIATOR: ProcessId = ProcessId(u32::MAX);

/// Reads a file of records.
pub(super) fn records(
    source: impl Read,
    syntax: Syntax,
    options: &Options,
    visit: &mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    let mut records = Records::new(source, syntax);
    let mut jepsen = Jepsen::new(syntax, *options, visit);
    let mut any = false;
    let end = loop {
        match records.next()? {
            Ok((line, tape)) => jepsen.hear(line, tape)?,
            Err(end) => break end,
        }
        any = true;
    };
    match end {
        End::Whole if !any => Err(ReadError::Alien { found: "it has no records".to_owned() }),
        End::Whole => jepsen.finish(None),
        End::Torn { line, bytes } => jepsen.finish(Some(Torn { line, bytes })),
    }
}

/// Where the fields of a record are on its tape.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Record {
    kind: Option<usize>,
    process: Option<usize>,
    pub f: Option<usize>,
    pub value: Option<usize>,
    pub key: Option<usize>,
    time: Option<usize>,
    index: Option<usize>,
    error: Option<usize>,
    start: Option<usize>,
    commit: Option<usize>,
    lease: Option<usize>,
}

impl Record {
    fn of(tape: &Tape) -> Record {
        let mut record = Record::default();
        for (field, value) in tape.pairs(0) {
            match tape.word(field).unwrap_or_default() {
                b"type" => record.kind = Some(value),
                b"process" => record.process = Some(value),
                b"f" => record.f = Some(value),
                b"value" => record.value = Some(value),
                b"key" => record.key = Some(value),
                b"time" => record.time = Some(value),
                b"index" => record.index = Some(value),
                b"error" => record.error = Some(value),
                b"start-ts" => record.start = Some(value),
                b"commit-ts" => record.commit = Some(value),
                b"lease-ms" => record.lease = Some(value),
                _ => {}
            }
        }
        record
    }

    /// When the system says that it took effect, if it says so by a number that we can compare.
    fn stamp(&self, tape: &Tape) -> Option<Stamp> {
        Some(Stamp { start: natural(tape, self.start), commit: natural(tape, self.commit)? })
    }

    /// For how many milliseconds a lock is wanted, if that is said.
    pub fn lease(&self, tape: &Tape) -> Option<u64> {
        natural(tape, self.lease)
    }
}

fn natural(tape: &Tape, at: Option<usize>) -> Option<u64> {
    match tape.node(at?) {
        Node::Int(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

/// The open call of a process; a process that ended with an unknown outcome never speaks again.
enum Standing {
    Busy { line: usize, call: Call, keyed: bool },
    Dead { line: usize },
}

/// A reader of records.
pub(super) struct Jepsen<'v> {
    syntax: Syntax,
    options: Options,
    calls: Calls,
    /// The records that wait until it is known what a read reads; nothing once it is.
    held: Option<Vec<(usize, Vec<u8>)>>,
    open: FxHashMap<u32, Standing>,
    initialised: FxHashSet<Key>,
    last: Time,
    index: Option<i64>,
    events: usize,
    skipped: u64,
    visit: &'v mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
}

impl<'v> Jepsen<'v> {
    pub fn new(
        syntax: Syntax,
        options: Options,
        visit: &'v mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
    ) -> Jepsen<'v> {
        Jepsen {
            syntax,
            options,
            calls: Calls::default(),
            held: Some(Vec::new()),
            open: FxHashMap::default(),
            initialised: FxHashSet::default(),
            last: Time(0),
            index: None,
            events: 0,
            skipped: 0,
            visit,
        }
    }

    /// Hears the next record.
    pub fn hear(&mut self, line: usize, tape: &Tape) -> Result<(), ReadError> {
        let Some(held) = &mut self.held else { return self.record(line, tape) };
        let record = Record::of(tape);
        let ok = record.kind.is_some_and(|kind| tape.word(kind) == Some(b"ok"));
        let style = self.calls.evidence(tape, &record, ok);
        held.push((line, tape.bytes().to_vec()));
        match style {
            Some(style) => self.decide(style),
            None if held.len() >= PATIENCE => self.decide(self.calls.guess()),
            None => Ok(()),
        }
    }

    /// Ends the history.
    pub fn finish(mut self, torn: Option<Torn>) -> Result<Scanned, ReadError> {
        self.decide(self.calls.guess())?;
        Ok(Scanned { torn, names: self.calls.names, skipped: self.skipped })
    }

    fn decide(&mut self, style: Style) -> Result<(), ReadError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.calls.style = style;
        let mut tape = Tape::default();
        for (line, text) in held {
            tape.lay(&text, self.syntax).map_err(|why| ReadError::Garbled { line, why })?;
            self.record(line, &tape)?;
        }
        Ok(())
    }

    fn record(&mut self, line: usize, tape: &Tape) -> Result<(), ReadError> {
        let garbled = |why: String| ReadError::Garbled { line, why };
        let record = Record::of(tape);
        let kind = record.kind.and_then(|kind| tape.word(kind));
        let kind = kind.ok_or_else(|| garbled("it has no :type".to_owned()))?;
        let process = record.process.ok_or_else(|| garbled("it has no :process".to_owned()))?;
        self.note_place(tape, &record).map_err(garbled)?;
        let Node::Int(process) = tape.node(process) else {
            self.skipped += 1;
            return Ok(());
        };
        let process = u32::try_from(process).ok().filter(|process| *process != u32::MAX);
        let process = process.ok_or_else(|| garbled("no such process number".to_owned()))?;
        match kind {
            b"invoke" => self.invoke(line, process, tape, &record),
            b"ok" | b"fail" | b"info" => self.complete(line, process, kind, tape, &record),
            other => Err(garbled(format!("there is no type {:?}", String::from_utf8_lossy(other)))),
        }
    }

    fn note_place(&mut self, tape: &Tape, record: &Record) -> Result<(), String> {
        if let Some(Node::Int(time)) = record.time.map(|time| tape.node(time)) {
            self.last = self.last.max(Time(time.max(0) as u64));
        }
        if let Some(Node::Int(index)) = record.index.map(|index| tape.node(index)) {
            if self.index.is_some_and(|before| index <= before) {
                return Err(format!(
                    "its index {index} does not ascend: records must come in the order of events"
                ));
            }
            self.index = Some(index);
        }
        Ok(())
    }

    fn invoke(&mut self, line: usize, process: u32, tape: &Tape, record: &Record) -> Result<(), ReadError> {
        match self.open.get(&process) {
            Some(Standing::Busy { line: since, .. }) => {
                let why = format!("p{process} calls while its call of line {since} is open");
                return Err(self.malformed(line, why));
            }
            Some(Standing::Dead { line: since }) => {
                let why = format!("p{process} calls, but its outcome of line {since} is unknown");
                return Err(self.malformed(line, why));
            }
            None => {}
        }
        let call = self.calls.call(tape, record);
        let (call, keyed) = call.map_err(|why| ReadError::Garbled { line, why })?;
        self.initialise(line, &call)?;
        self.open.insert(process, Standing::Busy { line, call: call.clone(), keyed });
        self.event(line, Event::Invoke { process: ProcessId(process), node: NodeId(0), call })
    }

    fn complete(
        &mut self,
        line: usize,
        process: u32,
        kind: &[u8],
        tape: &Tape,
        record: &Record,
    ) -> Result<(), ReadError> {
        let Some(Standing::Busy { call, keyed, .. }) = self.open.remove(&process) else {
            let why = format!("p{process} completes a call that it never made, or that is over");
            return Err(self.malformed(line, why));
        };
        let outcome = match kind {
            b"ok" => {
                let garbled = |why| ReadError::Garbled { line, why };
                let reply = self.calls.reply(&call, keyed, tape, record).map_err(garbled)?;
                if let Some(stamp) = record.stamp(tape) {
                    self.event(line, Event::Stamped { process: ProcessId(process), stamp })?;
                }
                self.answered(reply)
            }
            b"fail" => Outcome::Fail(refusal(&call, tape, record)),
            _ => Outcome::Unknown(doubt(tape, record)),
        };
        if outcome.is_unknown() {
            self.open.insert(process, Standing::Dead { line });
        }
        self.event(line, Event::Complete { process: ProcessId(process), outcome })
    }

    fn answered(&self, reply: Reply) -> Outcome {
        match reply {
            // A read has no effect, so one of which nothing is known is as good as a failed one.
            Reply::Read(None) if self.options.nil_is_unknown => {
                Outcome::Fail(Refusal::Other("what it read is unknown".to_owned()))
            }
            reply => Outcome::Ok(reply),
        }
    }

    /// Writes the initial value of each register before it is first asked.
    fn initialise(&mut self, line: usize, call: &Call) -> Result<(), ReadError> {
        let Some(value) = self.options.initial.map(Value) else { return Ok(()) };
        let keys: Vec<Key> = match call {
            Call::Read { key } | Call::Write { key, .. } | Call::Cas { key, .. } => vec![*key],
            Call::Txn { mops } => {
                let register = |mop: &Mop| match mop {
                    Mop::Read { key } | Mop::Write { key, .. } => Some(*key),
                    _ => None,
                };
                mops.iter().filter_map(register).collect()
            }
            _ => return Ok(()),
        };
        for key in keys {
            if !self.initialised.insert(key) {
                continue;
            }
            let (call, reply) = match call {
                Call::Txn { .. } => {
                    let mops = vec![Mop::Write { key, value }];
                    (Call::Txn { mops }, Reply::Txn(vec![crate::Got::Done]))
                }
                _ => (Call::Write { key, value }, Reply::Done),
            };
            self.event(line, Event::Invoke { process: INITIATOR, node: NodeId(0), call })?;
            self.event(line, Event::Complete { process: INITIATOR, outcome: Outcome::Ok(reply) })?;
        }
        Ok(())
    }

    fn event(&mut self, line: usize, event: Event) -> Result<(), ReadError> {
        self.events += 1;
        (self.visit)(line, Entry { time: self.last, event })
    }

    fn malformed(&self, line: usize, why: String) -> ReadError {
        ReadError::Malformed { line, source: Malformed { index: self.events, why } }
    }
}

/// The reason that a record gives: its error, or a word in place of a value.
fn reason(tape: &Tape, record: &Record) -> Option<String> {
    let said = |at: &usize| matches!(tape.node(*at), Node::Word { .. } | Node::Text { .. });
    let place = [record.error, record.value].into_iter().flatten().find_map(|at| {
        // `:error [:no-client "Connection refused"]`: the first of them is the kind of error.
        std::iter::once(at).chain(tape.inside(at)).find(said)
    });
    place.and_then(|at| tape.word(at)).map(|word| String::from_utf8_lossy(word).into_owned())
}

fn refusal(call: &Call, tape: &Tape, record: &Record) -> Refusal {
    match (call, reason(tape, record)) {
        (Call::Acquire { .. } | Call::Release { .. }, None) => Refusal::NotHeld,
        (Call::Txn { .. }, None) => Refusal::Aborted,
        (_, reason) => Refusal::Other(reason.unwrap_or_else(|| "no reason was given".to_owned())),
    }
}

fn doubt(tape: &Tape, record: &Record) -> Doubt {
    match reason(tape, record) {
        Some(reason) if reason.contains("time") => Doubt::Timeout,
        Some(reason) => Doubt::Other(reason),
        None => Doubt::Other("no reason was given".to_owned()),
    }
}
