//! Is a partitioned log what it promises to be?
//!
//! Transactions send messages to logs and poll for new ones; every message has an offset in its log. Semantics of
//! Jepsen's `kafka` workload:
//!
//! * *inconsistent offset*: one offset holds several messages; *duplicate*: one message stands at several offsets;
//! * *aborted read*: a message was polled whose sending certainly failed; *unsent message*: nobody sent it;
//! * *lost write*: an acknowledged message, below the highest offset that anybody polled, that nobody ever polled;
//! * *skipped*, *went back*: one process's polls of an assigned log leave out an offset at which there is a message, or do
//!   not ascend. What a client reads by subscription may move to another client, so only within one transaction, or
//!   between two without a new assignment of a log that is not shared, are these held against the system;
//! * *precommitted read*: a transaction polled its own message;
//! * *sends out of order*: one process's acknowledged messages do not ascend in their log.
//!
//! Messages that nobody polled although they are at the end are counted, not held against anyone: the reader may not have
//! read to the end.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, Got, History, Key, Mop, Op, Outcome, Reply, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Judges logs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

/// What is known of one log.
#[derive(Default)]
struct Known {
    /// The messages seen at each offset, each with the call that showed it first.
    places: BTreeMap<u64, BTreeMap<Value, usize>>,
    sent: BTreeMap<Value, Sent>,
    polled: BTreeMap<Value, usize>,
    /// The highest offset that was polled.
    highest: Option<u64>,
}

/// What became of a message.
#[derive(Default)]
struct Sent {
    /// Whether its sending may have taken effect.
    possible: bool,
    acked: bool,
    /// The first call that sent it.
    call: usize,
}

impl Checker for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    /// Only a message that nobody polled may be polled later, and one that nobody sent be sent.
    fn stands(&self) -> bool {
        true
    }

    fn stands_by(&self, anomaly: &str) -> bool {
        !matches!(anomaly, "lost write" | "unsent message")
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let logs = gather(history);
        let mut anomalies = Vec::new();
        let mut unseen = 0;
        for (key, known) in &logs {
            anomalies.extend(known.contradictions(*key));
            anomalies.extend(known.unwritten(*key));
            unseen += known.losses(*key, &mut anomalies);
        }
        for ops in history.by_process().values() {
            let mut client = Client::default();
            ops.iter().for_each(|op| client.follow(op, &logs, &mut anomalies));
        }
        let polled: usize = logs.values().map(|known| known.polled.len()).sum();
        let placed: usize = logs.values().map(|known| known.places.len()).sum();
        let doubt = (polled == 0).then(|| "nobody polled a message successfully".to_owned());
        Report::conclude(
            self.name(),
            anomalies,
            doubt,
            format!("{polled} messages, each at its place and read in order"),
        )
        .measure("logs", logs.len())
        .measure("messages with a known place", placed)
        .measure("messages polled", polled)
        .measure("messages acknowledged, but not polled at the end of a log", unseen)
    }
}

/// The parts of a transaction with what each got, if that is known.
fn parts<'h>(op: &Op<'h>) -> Vec<(&'h Mop, Option<&'h Got>)> {
    let (Call::Txn { mops }, outcome) = (op.call, op.outcome) else { return Vec::new() };
    let gots: &[Got] = match outcome {
        Outcome::Ok(Reply::Txn(gots)) => gots,
        _ => &[],
    };
    mops.iter().enumerate().map(|(place, mop)| (mop, gots.get(place))).collect()
}

fn gather(history: &History) -> BTreeMap<Key, Known> {
    let mut logs: BTreeMap<Key, Known> = BTreeMap::new();
    for op in history.ops() {
        for (mop, got) in parts(&op) {
            match (mop, got) {
                (Mop::Send { key, value }, got) => {
                    let log = logs.entry(*key).or_default();
                    let sent = log
                        .sent
                        .entry(*value)
                        .or_insert_with(|| Sent { call: op.invoked, ..Sent::default() });
                    sent.possible |= !op.outcome.is_fail();
                    sent.acked |= op.outcome.is_ok();
                    if let Some(Got::Offset(Some(offset))) = got {
                        log.places.entry(*offset).or_default().entry(*value).or_insert(op.invoked);
                    }
                }
                (Mop::Poll, Some(Got::Messages(messages))) => {
                    for (key, offset, value) in messages {
                        let log = logs.entry(*key).or_default();
                        log.places.entry(*offset).or_default().entry(*value).or_insert(op.invoked);
                        log.polled.entry(*value).or_insert(op.invoked);
                        log.highest = log.highest.max(Some(*offset));
                    }
                }
                _ => {}
            }
        }
    }
    logs
}

impl Known {
    /// Offsets with several messages, and messages with several offsets.
    fn contradictions(&self, key: Key) -> Vec<Anomaly> {
        let mut found = Vec::new();
        let mut offsets: BTreeMap<Value, Vec<(u64, usize)>> = BTreeMap::new();
        for (offset, values) in &self.places {
            if values.len() > 1 {
                let all: Vec<String> = values.keys().map(Value::to_string).collect();
                let story = format!("Offset {offset} of {key} holds {}.", all.join(" and "));
                found.push(Anomaly::new("inconsistent offset", key, story, values.values().copied()));
            }
            values.iter().for_each(|(value, at)| offsets.entry(*value).or_default().push((*offset, *at)));
        }
        for (value, places) in offsets.iter().filter(|(_, places)| places.len() > 1) {
            let all: Vec<String> = places.iter().map(|(offset, _)| offset.to_string()).collect();
            let story = format!("{value} stands in {key} at the offsets {}.", all.join(" and "));
            found.push(Anomaly::new("duplicate", key, story, places.iter().map(|(_, at)| *at)));
        }
        found
    }

    /// Messages that were polled and cannot have been sent.
    fn unwritten(&self, key: Key) -> Vec<Anomaly> {
        let accuse = |(value, at): (&Value, &usize)| match self.sent.get(value) {
            Some(sent) if sent.possible => None,
            Some(sent) => {
                let story = format!("{value} was polled from {key}, though its sending certainly failed.");
                Some(Anomaly::new("aborted read", key, story, [sent.call, *at]))
            }
            None => {
                let story = format!("{value} was polled from {key}, but nobody sent it.");
                Some(Anomaly::new("unsent message", key, story, [*at]))
            }
        };
        self.polled.iter().filter_map(accuse).collect()
    }

    /// Acknowledged messages below what was polled, that nobody polled; how many there are above it.
    fn losses(&self, key: Key, anomalies: &mut Vec<Anomaly>) -> usize {
        let mut offset_of: BTreeMap<Value, u64> = BTreeMap::new();
        for (offset, values) in &self.places {
            for value in values.keys() {
                offset_of.entry(*value).or_insert(*offset);
            }
        }
        let mut unseen = 0;
        for (value, sent) in
            self.sent.iter().filter(|(value, sent)| sent.acked && !self.polled.contains_key(value))
        {
            match (offset_of.get(value), self.highest) {
                (Some(offset), Some(highest)) if *offset < highest => {
                    let story = format!(
                        "{value} was acknowledged at offset {offset} of {key} and never polled, though others polled up to {highest}."
                    );
                    anomalies.push(Anomaly::new("lost write", key, story, [sent.call]));
                }
                _ => unseen += 1,
            }
        }
        unseen
    }

    /// The first offset strictly between two at which there is a message.
    fn between(&self, low: u64, high: u64) -> Option<u64> {
        self.places.range(low.checked_add(1)?..high).next().map(|(offset, _)| *offset)
    }
}

/// One client, as far as it has read and written each log.
#[derive(Default)]
struct Client {
    read: BTreeMap<Key, u64>,
    sent: BTreeMap<Key, (u64, usize)>,
    /// Whether its logs may be given to others between its transactions.
    shared: bool,
}

impl Client {
    fn follow(&mut self, op: &Op<'_>, logs: &BTreeMap<Key, Known>, anomalies: &mut Vec<Anomaly>) {
        if let Call::Assign { shared, .. } = op.call {
            *self = Client { shared: *shared, sent: std::mem::take(&mut self.sent), ..Client::default() };
            return;
        }
        if self.shared {
            self.read.clear();
        }
        let mut own: BTreeSet<(Key, Value)> = BTreeSet::new();
        for (mop, got) in parts(op) {
            match (mop, got) {
                (Mop::Send { key, value }, Some(Got::Offset(offset))) => {
                    own.insert((*key, *value));
                    if let Some(offset) = offset {
                        anomalies.extend(self.send(op, *key, *offset));
                    }
                }
                (Mop::Poll, Some(Got::Messages(messages))) => {
                    for (key, offset, value) in messages {
                        if own.contains(&(*key, *value)) {
                            let story =
                                format!("A transaction polled {value} from {key}, which it had sent itself.");
                            anomalies.push(Anomaly::new("precommitted read", *key, story, [op.invoked]));
                        }
                        anomalies.extend(self.poll(op, *key, *offset, logs));
                    }
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, op: &Op<'_>, key: Key, offset: u64) -> Option<Anomaly> {
        let before = self.sent.insert(key, (offset, op.invoked));
        let (last, at) = before.filter(|(last, _)| *last >= offset)?;
        let story = format!("{} sent to offset {offset} of {key} after offset {last}.", op.process);
        Some(Anomaly::new("sends out of order", key, story, [at, op.invoked]))
    }

    fn poll(&mut self, op: &Op<'_>, key: Key, offset: u64, logs: &BTreeMap<Key, Known>) -> Option<Anomaly> {
        let last = self.read.insert(key, offset)?;
        if offset <= last {
            let story = format!("{} polled offset {offset} of {key} after offset {last}.", op.process);
            return Some(Anomaly::new("went back", key, story, [op.invoked]));
        }
        let missed = logs.get(&key)?.between(last, offset)?;
        let story =
            format!("{} polled offset {offset} of {key} right after {last}, and not {missed}.", op.process);
        Some(Anomaly::new("skipped", key, story, [op.invoked]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn messages_keep_their_place_and_are_read_in_order() {
        let sent = "A txn s1=10@0; A txn s1=20@1; A txn s1=30@2; ";
        for (text, verdict, name) in [
            ("B txn p1@0=10,1@1=20,1@2=30", Verdict::Valid, ""),
            ("B txn p1@0=10; B txn p1@1=20 p1@2=30", Verdict::Valid, ""),
            // S7
            (
                "B txn p1@0=10; C txn p1@0=20",
                Verdict::Invalid,
                "inconsistent offset,inconsistent offset,duplicate",
            ),
            ("C txn p1@5=10", Verdict::Invalid, "duplicate,lost write,lost write"),
            ("C txn s1=9@3 !; B txn p1@3=9", Verdict::Invalid, "aborted read"),
            ("B txn p1@0=10,1@1=20,1@2=30,1@9=99", Verdict::Invalid, "unsent message"),
            ("B txn p1@0=10,1@2=30", Verdict::Invalid, "lost write,skipped"),
            ("B txn p1@0=10,1@2=30; C txn p1@1=20", Verdict::Invalid, "skipped"),
            ("B txn p1@0=10; B txn p1@2=30; C txn p1@1=20", Verdict::Invalid, "skipped"),
            ("B assign 1 ok; B txn p1@0=10; B assign 1 ok; B txn p1@2=30; C txn p1@1=20", Verdict::Valid, ""),
            ("B txn p1@0=10,1@1=20; B txn p1@1=20", Verdict::Invalid, "went back"),
            ("B txn p1@0=10", Verdict::Valid, ""),
            ("B txn s1=40@3 p1@3=40; C txn p1@0=10,1@1=20,1@2=30", Verdict::Invalid, "precommitted read"),
            ("A txn s1=1@0 ?; B txn r1=nil", Verdict::Unknown, ""),
            ("B txn s1=7 ?; C txn p1@0=10,1@1=20,1@2=30,1@3=7", Verdict::Valid, ""),
        ] {
            let report = Log.check(&script(&format!("{sent}{text}")), &Budget::default());
            let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            let wanted = if verdict == Verdict::Invalid { name } else { "" };
            let got = names.join(",");
            assert_eq!(report.verdict, verdict, "{text}: {}", report.summary);
            assert!(wanted.split(',').all(|name| got.contains(name)), "{text}: {got}");
        }
        let report =
            Log.check(&script("A txn s1=10@4; A txn s1=20@3; B txn p1@3=20,1@4=10"), &Budget::default());
        assert_eq!(report.anomalies[0].name, "sends out of order");
    }
}
