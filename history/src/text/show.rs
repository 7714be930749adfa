//! From an operation to the compact notation.

use crate::{Call, Got, Key, Mop, Op, Outcome, Refusal, Reply, Value};
use std::fmt::Display;

/// Writes one operation in the compact notation, so that `parse` reads it back: with its kind of outcome, not with
/// the reason why it failed or is unknown.
pub fn show(op: &Op<'_>) -> String {
    let reply = match op.outcome {
        Outcome::Ok(reply) => Some(reply),
        _ => None,
    };
    let end = match (op.completed, op.outcome) {
        (Some(at), Outcome::Ok(_)) => format!("{at}]"),
        (Some(at), Outcome::Fail(Refusal::Mismatch { found })) => format!("{at}]!{}", held(*found)),
        (Some(at), Outcome::Fail(_)) => format!("{at}]!"),
        _ => "?]".to_owned(),
    };
    format!("{}:{}[{},{end}", op.process, call(op.call, reply), op.invoked)
}

fn call(call: &Call, reply: Option<&Reply>) -> String {
    match (call, reply) {
        (Call::Write { key, value }, _) => format!("w {key} {value}"),
        (Call::Cas { key, expected, new }, _) => format!("cas {key} ({},{new})", held(*expected)),
        (Call::Add { key, value }, _) => format!("add {key} {value}"),
        (Call::Remove { key, value }, _) => format!("rem {key} {value}"),
        (Call::Append { key, value }, _) => format!("app {key} {value}"),
        (Call::Enqueue { key, value }, _) => format!("enq {key} {value}"),
        (Call::Guarded { key, value, token }, _) => format!("guard {key} {value}@{token}"),
        (Call::Increment { key, by }, _) => format!("inc {key} {by}"),
        (Call::Acquire { key, lease_ms }, reply) => {
            let lease = lease_ms.map(|lease| format!(" for {lease}")).unwrap_or_default();
            match reply {
                Some(Reply::Held(Some(token))) => format!("acq {key}{lease}@{token}"),
                _ => format!("acq {key}{lease}"),
            }
        }
        (Call::Release { key }, _) => format!("rel {key}"),
        (Call::Transfer { from, to, amount }, _) => format!("move {from} {to} {amount}"),
        (Call::Assign { keys, shared }, _) => {
            format!("{} [{}]", if *shared { "subscribe" } else { "assign" }, joined(keys, Key::to_string))
        }
        (Call::Txn { mops }, reply) => {
            let gots = if let Some(Reply::Txn(gots)) = reply { &gots[..] } else { &[] };
            let parts = mops.iter().enumerate().map(|(place, part)| mop(part, gots.get(place)));
            format!("[{}]", parts.collect::<Vec<_>>().join(" "))
        }
        (asked, reply) => question(asked, reply),
    }
}

fn question(call: &Call, reply: Option<&Reply>) -> String {
    let answer = reply.map_or_else(|| "?".to_owned(), answer);
    match call {
        Call::Read { key } => format!("r {key} {answer}"),
        Call::Contains { key, value } if answer == "?" => format!("has {key} {value}?"),
        Call::Contains { key, value } => format!("has {key} {value} {answer}"),
        Call::Elements { key } => match reply {
            Some(Reply::List(values)) => format!("r {key} {{{}}}", joined(values, Value::to_string)),
            _ => format!("r {key} {{?}}"),
        },
        Call::Count { key } => format!("count {key} {answer}"),
        Call::Dequeue { key } if answer == "nil" => format!("deq {key} ∅"),
        Call::Dequeue { key } => format!("deq {key} {answer}"),
        Call::Drain { key } => format!("drain {key} {answer}"),
        Call::NextId { key } => format!("id {key} {answer}"),
        Call::Watch { key, after } => format!("watch {key}@{after}{answer}"),
        Call::Balances => format!("balances{answer}"),
        Call::Leader => format!("leader {answer}"),
        other => format!("{other} {answer}"),
    }
}

fn answer(reply: &Reply) -> String {
    match reply {
        Reply::Done => "done".to_owned(),
        Reply::Read(value) => held(*value),
        Reply::List(values) => format!("[{}]", joined(values, Value::to_string)),
        Reply::Count(count) => count.to_string(),
        Reply::Is(true) => "yes".to_owned(),
        Reply::Is(false) => "no".to_owned(),
        Reply::Balances(all) => format!("{{{}}}", joined(all, |(key, balance)| format!("{key}:{balance}"))),
        Reply::Leader(None) => "nil".to_owned(),
        Reply::Leader(Some((node, term))) => format!("{node}@{term}"),
        Reply::Changes(all) => {
            format!("{{{}}}", joined(all, |(revision, value)| format!("{revision}:{value}")))
        }
        other => other.to_string(),
    }
}

fn mop(mop: &Mop, got: Option<&Got>) -> String {
    match (mop, got) {
        (Mop::Write { key, value }, _) => format!("w{key}={value}"),
        (Mop::Append { key, value }, _) => format!("a{key}={value}"),
        (Mop::Send { key, value }, Some(Got::Offset(Some(offset)))) => format!("s{key}={value}@{offset}"),
        (Mop::Send { key, value }, _) => format!("s{key}={value}"),
        (Mop::Read { key }, Some(Got::Value(value))) => format!("r{key}={}", held(*value)),
        (Mop::Read { key }, Some(Got::List(values))) => {
            format!("r{key}[{}]", joined(values, Value::to_string))
        }
        (Mop::Read { key }, _) => format!("r{key}?"),
        (Mop::Poll, Some(Got::Messages(all))) => {
            format!("poll{{{}}}", joined(all, |(key, offset, value)| format!("{key}@{offset}:{value}")))
        }
        (Mop::Poll, _) => "poll?".to_owned(),
    }
}

fn held(value: Option<Value>) -> String {
    value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

fn joined<T, D: Display>(items: &[T], show: impl Fn(&T) -> D) -> String {
    items.iter().map(|item| show(item).to_string()).collect::<Vec<_>>().join(",")
}
