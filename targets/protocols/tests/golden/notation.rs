//! How a transcript writes things down: short, and the same for ever.

use history::{Call, Key};
use std::any::Any;
use std::fmt::Debug;
use tribunal_protocols::raft::{Command, Entry, Message, Place, Record};

fn key(key: Key) -> String {
    ["x", "y", "z"].get(key.0 as usize).map_or_else(|| key.to_string(), |name| (*name).to_owned())
}

/// `x=5`
pub fn call(call: &Call) -> String {
    match call {
        Call::Read { key: k } => format!("read {}", key(*k)),
        Call::Write { key: k, value } => format!("{}={value}", key(*k)),
        Call::Cas { key: k, expected, new } => {
            let expected = expected.map_or_else(|| "nil".to_owned(), |value| value.to_string());
            format!("{}={expected}→{new}", key(*k))
        }
        other => other.to_string(),
    }
}

/// `7@2`
pub fn place(place: Place) -> String {
    format!("{}@{}", place.index, place.term)
}

/// `7@2 x=5`
pub fn entry(index: u64, entry: &Entry) -> String {
    let what = match &entry.command {
        Command::Nothing => "nothing".to_owned(),
        Command::Call { call: new, .. } => call(new),
        Command::Members(members) => format!("members {members}"),
        Command::Other(bytes) => format!("{} bytes of a layer above", bytes.len()),
    };
    format!("{index}@{} {what}", entry.term)
}

/// What is written down: in words of its own for Raft, as it derives them for others.
pub fn record<R: Debug + 'static>(record: &R) -> String {
    match (record as &dyn Any).downcast_ref() {
        Some(raft) => raft_record(raft),
        None => format!("{record:?}"),
    }
}

fn raft_record(record: &Record) -> String {
    match record {
        Record::Ballot { term, vote: Some(node) } => format!("term {term}, vote for {node}"),
        Record::Ballot { term, vote: None } => format!("term {term}"),
        Record::Append { index, entry: new } => entry(*index, new),
        Record::Snapshot { snapshot, base, .. } => {
            format!("snapshot up to {}, log after {}", place(snapshot.last), place(*base))
        }
        Record::Truncate { from } => format!("nothing from {from} on"),
    }
}

/// The kind of a message, by which scripts name it: for others than Raft, its variant, such as `propose-all`.
pub fn kind<M: Debug + 'static>(message: &M) -> String {
    if let Some(raft) = (message as &dyn Any).downcast_ref() {
        return raft_kind(raft).to_owned();
    }
    let text = format!("{message:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut kind = String::new();
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            kind.push('-');
        }
        kind.extend(c.to_lowercase());
    }
    kind
}

fn raft_kind(message: &Message) -> &'static str {
    match message {
        Message::Canvass { .. } => "canvass",
        Message::Support { .. } => "support",
        Message::RequestVote { .. } => "request-vote",
        Message::Vote { .. } => "vote",
        Message::Append { entries, .. } if entries.is_empty() => "heartbeat",
        Message::Append { .. } => "append",
        Message::Ack { .. } => "ack",
        Message::Reject { .. } => "reject",
        Message::Install { .. } => "install",
        Message::Received { .. } => "received",
        Message::Stale { .. } => "stale",
        Message::TimeoutNow { .. } => "timeout-now",
        Message::Persisted { .. } => "persisted",
    }
}

/// What is said.
pub fn message<M: Debug + 'static>(message: &M) -> String {
    match (message as &dyn Any).downcast_ref() {
        Some(raft) => raft_message(raft),
        None => format!("{message:?}"),
    }
}

fn raft_message(message: &Message) -> String {
    let yes = |granted: bool| if granted { "yes" } else { "no" };
    let rest = match message {
        Message::Canvass { term, last } | Message::RequestVote { term, last } => {
            format!("term {term}, log ends {}", place(*last))
        }
        Message::Support { term, granted } | Message::Vote { term, granted } => {
            format!("term {term}: {}", yes(*granted))
        }
        Message::Append { term, previous, entries, commit, round } => {
            let indexes = previous.index + 1..;
            let listed: Vec<String> = indexes.zip(entries).map(|(index, new)| entry(index, new)).collect();
            let listed = if listed.is_empty() { String::new() } else { format!(" [{}]", listed.join(", ")) };
            format!("term {term}, after {}{listed}, commit {commit}, round {round}", place(*previous))
        }
        Message::Ack { term, matched, round } => format!("term {term}, up to {matched}, round {round}"),
        Message::Reject { term, rejected, conflict, round } => {
            format!("term {term}, not {rejected}, try {}, round {round}", place(*conflict))
        }
        Message::Install { term, last, offset, data, done, round } => {
            let end = if *done { ", the last" } else { "" };
            let to = offset + data.len() as u64;
            format!("term {term}, snapshot up to {}, bytes {offset}–{to}{end}, round {round}", place(*last))
        }
        Message::Received { term, last, bytes, round } => {
            format!("term {term}, snapshot up to {}, {bytes} bytes, round {round}", place(*last))
        }
        Message::Stale { term } | Message::TimeoutNow { term } => format!("term {term}"),
        Message::Persisted { term, index } => format!("term {term}, up to {index}"),
    };
    format!("{} {rest}", raft_kind(message))
}
