//! Our histories as Jepsen's, for its checkers and for others that read them.

use crate::{Call, Entry, Event, Got, Mop, Outcome, ProcessId, Reply, Stamp, Value};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};

/// Writes a history as EDN, one operation a line. Every value names its object, as `jepsen.independent` does.
pub struct Edn<W: Write> {
    sink: W,
    open: BTreeMap<ProcessId, Call>,
    stamps: BTreeMap<ProcessId, Stamp>,
    index: u64,
    line: String,
}

impl<W: Write> Edn<W> {
    /// Begins a history.
    pub fn new(sink: W) -> Edn<W> {
        Edn { sink, open: BTreeMap::new(), stamps: BTreeMap::new(), index: 0, line: String::new() }
    }

    /// Adds an event. What was about no client becomes an operation of the nemesis.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let (process, kind, f, value) = match &entry.event {
            Event::Invoke { process, call, .. } => {
                self.open.insert(*process, call.clone());
                (process.0.to_string(), "invoke", function(call), asked(call))
            }
            Event::Stamped { process, stamp } => {
                self.stamps.insert(*process, *stamp);
                return Ok(());
            }
            Event::Complete { process, outcome } => {
                let Some(call) = self.open.remove(process) else { return Ok(()) };
                let stamp = self.stamps.remove(process).map(stamped).unwrap_or_default();
                let (kind, value) = match outcome {
                    Outcome::Ok(reply) => ("ok", answered(&call, reply) + &stamp),
                    Outcome::Fail(refusal) => {
                        ("fail", format!("{}, :error {:?}", asked(&call), refusal.to_string()))
                    }
                    Outcome::Unknown(doubt) => {
                        ("info", format!("{}, :error {:?}", asked(&call), doubt.to_string()))
                    }
                };
                (process.0.to_string(), kind, function(&call), value)
            }
            other => (":nemesis".to_owned(), "info", "event", format!("{:?}", other.to_string())),
        };
        let (index, time) = (self.index, entry.time.0);
        self.line.clear();
        let _ = writeln!(
            self.line,
            "{{:index {index}, :type :{kind}, :process {process}, :time {time}, :f :{f}, :value {value}}}"
        );
        self.index += 1;
        self.sink.write_all(self.line.as_bytes())
    }

    /// Gives the sink back.
    ///
    /// # Errors
    /// If the sink does not take the rest.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}

fn stamped(stamp: Stamp) -> String {
    let start = stamp.start.map(|start| format!(", :start-ts {start}")).unwrap_or_default();
    format!("{start}, :commit-ts {}", stamp.commit)
}

fn function(call: &Call) -> &'static str {
    match call {
        Call::Read { .. } | Call::Elements { .. } | Call::Count { .. } | Call::Balances => "read",
        Call::Increment { .. } => "add",
        Call::NextId { .. } => "generate",
        Call::Assign { shared: true, .. } => "subscribe",
        other => other.kind().name(),
    }
}

fn asked(call: &Call) -> String {
    match call {
        Call::Write { key, value }
        | Call::Add { key, value }
        | Call::Remove { key, value }
        | Call::Contains { key, value }
        | Call::Append { key, value }
        | Call::Enqueue { key, value } => format!("[{} {value}]", key.0),
        Call::Cas { key, expected, new } => format!("[{} [{} {new}]]", key.0, held(*expected)),
        Call::Increment { key, by } => format!("[{} {by}]", key.0),
        Call::Guarded { key, value, token } => format!("[{} [{value} {token}]]", key.0),
        Call::Watch { key, after } => format!("[{} {after}]", key.0),
        Call::Txn { mops } => format!("[{}]", joined(mops, |mop| self::mop(mop, None))),
        Call::Transfer { from, to, amount } => {
            format!("{{:from {}, :to {}, :amount {amount}}}", from.0, to.0)
        }
        Call::Assign { keys, .. } => format!("[{}]", joined(keys, |key| key.0)),
        Call::Balances | Call::Leader => "nil".to_owned(),
        Call::Ledger { after } => after.to_string(),
        Call::Read { key }
        | Call::Elements { key }
        | Call::Count { key }
        | Call::Dequeue { key }
        | Call::Drain { key }
        | Call::Acquire { key, lease_ms: None }
        | Call::Release { key }
        | Call::NextId { key } => format!("[{} nil]", key.0),
        Call::Acquire { key, lease_ms: Some(lease) } => format!("[{} nil], :lease-ms {lease}", key.0),
    }
}

fn answered(call: &Call, reply: &Reply) -> String {
    let value = match reply {
        Reply::Done => return asked(call),
        Reply::Txn(gots) => {
            let Call::Txn { mops } = call else { return asked(call) };
            let parts: Vec<_> = mops.iter().zip(gots).collect();
            return format!("[{}]", joined(&parts, |(mop, got)| self::mop(mop, Some(got))));
        }
        Reply::Balances(all) => {
            return format!("{{{}}}", joined(all, |(key, balance)| format!("{} {balance}", key.0)));
        }
        Reply::Leader(leader) => {
            return leader
                .map_or_else(|| "nil".to_owned(), |(node, term)| format!("[{:?} {term}]", node.to_string()));
        }
        Reply::Ledger(page) => return page.records.len().to_string(),
        Reply::Read(value) => held(*value),
        Reply::List(values) => format!("[{}]", joined(values, Value::to_string)),
        Reply::Count(count) => count.to_string(),
        Reply::Is(yes) => yes.to_string(),
        Reply::Held(token) => token.map_or_else(|| "nil".to_owned(), |token| token.to_string()),
        Reply::Changes(all) => {
            format!("[{}]", joined(all, |(revision, value)| format!("[{revision} {value}]")))
        }
    };
    format!("[{} {value}]", call.key().unwrap_or(crate::Key(0)).0)
}

fn mop(mop: &Mop, got: Option<&Got>) -> String {
    match (mop, got) {
        (Mop::Write { key, value }, _) => format!("[:w {} {value}]", key.0),
        (Mop::Append { key, value }, _) => format!("[:append {} {value}]", key.0),
        (Mop::Send { key, value }, Some(Got::Offset(Some(offset)))) => {
            format!("[:send {} [{offset} {value}]]", key.0)
        }
        (Mop::Send { key, value }, _) => format!("[:send {} {value}]", key.0),
        (Mop::Read { key }, Some(Got::List(values))) => {
            format!("[:r {} [{}]]", key.0, joined(values, Value::to_string))
        }
        (Mop::Read { key }, Some(Got::Value(value))) => format!("[:r {} {}]", key.0, held(*value)),
        (Mop::Read { key }, _) => format!("[:r {} nil]", key.0),
        (Mop::Poll, Some(Got::Messages(all))) => {
            let mut logs: BTreeMap<u64, Vec<String>> = BTreeMap::new();
            for (key, offset, value) in all {
                logs.entry(key.0).or_default().push(format!("[{offset} {value}]"));
            }
            let logs: Vec<_> = logs.into_iter().collect();
            format!(
                "[:poll {{{}}}]",
                joined(&logs, |(key, messages)| format!("{key} [{}]", messages.join(" ")))
            )
        }
        (Mop::Poll, _) => "[:poll]".to_owned(),
    }
}

fn held(value: Option<Value>) -> String {
    value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

fn joined<T, D: Display>(items: &[T], show: impl Fn(&T) -> D) -> String {
    items.iter().map(|item| show(item).to_string()).collect::<Vec<_>>().join(" ")
}
