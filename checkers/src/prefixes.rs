//! Judges who are asked while a history goes on, held against what they say in the end.

use crate::cases::cases;
use crate::catalog::{Entry, MODELS};
use crate::{Budget, Checker, SetFull, Verdict, open};
use history::{
    Call, Chance, Doubt, Event, Got, History, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Time,
    Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything at once that any judge asks about, and that answers wrongly now and then.
#[derive(Default)]
struct Database {
    next: i64,
    registers: BTreeMap<u64, Value>,
    elements: BTreeSet<Value>,
    count: i64,
    balances: [i64; 2],
    queue: Vec<Value>,
    log: Vec<(u64, Value)>,
    changes: Vec<(u64, Value)>,
    term: u64,
}

impl Database {
    fn fresh(&mut self) -> Value {
        self.next += 1;
        Value(self.next)
    }

    /// A call that a model's history is made of.
    fn call(&mut self, model: &str, chance: &mut Chance) -> Call {
        let (key, first) = (Key(0), chance.permille(500));
        match model {
            "counter" | "exact-counter" if first => {
                Call::Increment { key, by: chance.between(0, 3) as i64 - 1 }
            }
            "counter" | "exact-counter" => Call::Count { key },
            "unique-ids" => Call::NextId { key },
            "bank" if first => Call::Transfer { from: key, to: Key(1), amount: 1 },
            "bank" => Call::Balances,
            "log" if chance.permille(100) => Call::Assign { keys: vec![key], shared: chance.permille(500) },
            "log" if first => Call::Txn { mops: vec![Mop::Send { key, value: self.fresh() }] },
            "log" => Call::Txn { mops: vec![Mop::Poll] },
            "watch" if first => Call::Write { key, value: self.fresh() },
            "watch" => Call::Watch { key, after: chance.below(2) },
            "election" => Call::Leader,
            "leases" if first => Call::Acquire { key, lease_ms: Some(1) },
            "leases" => Call::Release { key },
            "long-fork" if first => {
                Call::Txn { mops: vec![Mop::Write { key: Key(self.fresh().0 as u64 % 4), value: Value(1) }] }
            }
            "long-fork" => {
                let group = 2 * chance.below(2);
                Call::Txn { mops: [group, group + 1].map(|key| Mop::Read { key: Key(key) }).to_vec() }
            }
            "conditional-insert" => Call::Cas { key, expected: None, new: self.fresh() },
            // What was added once may be added again.
            "set-full" | "set" if first && chance.permille(150) => {
                Call::Add { key, value: Value(chance.between(1, self.next.max(1) as u64) as i64) }
            }
            "set-full" | "set" | "insert-order" if first => Call::Add { key, value: self.fresh() },
            "set-full" | "set" | "insert-order" => Call::Elements { key },
            "queue" | "fifo-queue" if first => Call::Enqueue { key, value: self.fresh() },
            "queue" | "fifo-queue" => Call::Dequeue { key },
            _ if first => Call::Write { key, value: self.fresh() },
            _ => Call::Read { key },
        }
    }

    /// What the call gets, and does unless it is `idle`.
    fn answer(&mut self, call: &Call, idle: bool, chance: &mut Chance) -> Reply {
        let lie = chance.permille(60);
        let off = if lie { chance.between(1, 3) as i64 } else { 0 };
        let does = !idle;
        match call {
            Call::Increment { by, .. } => self.count += if does { *by } else { 0 },
            Call::Count { .. } => return Reply::Count(self.count + off),
            Call::NextId { .. } => {
                let id = if lie { self.next } else { self.fresh().0 };
                return Reply::Read(Some(Value(id)));
            }
            // Whoever asks for the lock gets it.
            Call::Acquire { .. } => return Reply::Held(Some(self.fresh().0 as u64)),
            Call::Transfer { amount, .. } if does => {
                self.balances[0] -= amount;
                self.balances[1] += amount;
            }
            Call::Balances => {
                return Reply::Balances(vec![
                    (Key(0), 100 + self.balances[0] + off),
                    (Key(1), self.balances[1]),
                ]);
            }
            Call::Txn { mops } => return Reply::Txn(self.parts(mops, does, off, chance)),
            Call::Write { .. } | Call::Read { .. } | Call::Watch { .. } | Call::Leader | Call::Cas { .. } => {
                return self.register(call, does, lie, off, chance);
            }
            _ => return self.collection(call, does, lie, chance),
        }
        Reply::Done
    }

    fn register(&mut self, call: &Call, does: bool, lie: bool, off: i64, chance: &mut Chance) -> Reply {
        match call {
            Call::Write { key, value } if does => {
                self.registers.insert(key.0, *value);
                let revision = self.changes.len() as u64 + 1 - u64::from(lie && !self.changes.is_empty());
                self.changes.push((revision, *value));
            }
            Call::Read { key } => {
                let value = self.registers.get(&key.0).copied();
                return Reply::Read(if lie {
                    value.map(|value| Value(value.0 - 1)).filter(|v| v.0 > 0)
                } else {
                    value
                });
            }
            Call::Watch { after, .. } => {
                let mut changes: Vec<(u64, Value)> =
                    self.changes.iter().copied().filter(|(revision, _)| revision > after).collect();
                if lie && !changes.is_empty() {
                    let at = chance.below(changes.len() as u64) as usize;
                    match chance.below(3) {
                        0 => drop(changes.remove(at)),
                        1 => changes.insert(at, changes[at]),
                        _ => changes[at].1 = Value(self.next + 1),
                    }
                }
                return Reply::Changes(changes);
            }
            Call::Leader => {
                self.term += u64::from(chance.permille(300));
                let term = self.term.saturating_sub(off as u64);
                let node = NodeId((term % 3) as u16 + 1 + u16::from(lie));
                return Reply::Leader(Some((node, term)));
            }
            Call::Cas { key, new, .. } if does && (lie || !self.registers.contains_key(&key.0)) => {
                self.registers.insert(key.0, *new);
            }
            _ => {}
        }
        Reply::Done
    }

    fn collection(&mut self, call: &Call, does: bool, lie: bool, chance: &mut Chance) -> Reply {
        match call {
            Call::Add { value, .. } if does => drop(self.elements.insert(*value)),
            Call::Elements { .. } => {
                let mut all: Vec<Value> = self.elements.iter().copied().collect();
                if lie {
                    match chance.below(3) {
                        0 => drop(all.pop()),
                        1 => all.push(Value(self.next + 1)),
                        _ => all.extend(all.first().copied()),
                    }
                }
                return Reply::List(all);
            }
            Call::Enqueue { value, .. } if does => self.queue.push(*value),
            Call::Dequeue { .. } => {
                let place = if lie && self.queue.len() > 1 { 1 } else { 0 };
                let taken = self.queue.get(place).copied();
                if taken.is_some() && !lie {
                    self.queue.remove(place);
                }
                return Reply::Read(taken);
            }
            _ => {}
        }
        Reply::Done
    }

    fn parts(&mut self, mops: &[Mop], does: bool, off: i64, chance: &mut Chance) -> Vec<Got> {
        let got = |mop: &Mop| match mop {
            Mop::Send { value, .. } => {
                let offset = (self.log.len() as u64 + 1).saturating_sub(off as u64);
                if does {
                    self.log.push((offset, *value));
                }
                Got::Offset(Some(offset))
            }
            Mop::Poll => {
                let from = self.log.len().saturating_sub(3);
                Got::Messages(self.log[from..].iter().map(|(at, value)| (Key(0), *at, *value)).collect())
            }
            Mop::Write { key, value } => {
                if does {
                    self.registers.insert(key.0, *value);
                }
                Got::Done
            }
            Mop::Read { key } => {
                let held = self.registers.get(&key.0).copied();
                Got::Value(held.filter(|_| !chance.permille(150)))
            }
            Mop::Append { .. } => Got::Done,
        };
        mops.iter().map(got).collect()
    }
}

/// A history of what this model is about. What a call does it does when it begins, when it ends, or not at all.
fn random(model: &str, chance: &mut Chance) -> History {
    let (mut database, mut history) = (Database::default(), History::new());
    let mut written: BTreeSet<Key> = BTreeSet::new();
    let mut open: BTreeMap<ProcessId, (Call, Option<Reply>)> = BTreeMap::new();
    let mut workers: Vec<u32> = (0..4).collect();
    for _ in 0..chance.between(4, 40) {
        let worker = chance.below(4) as usize;
        let process = ProcessId(workers[worker]);
        let event = match open.remove(&process) {
            None => {
                let call = database.call(model, chance);
                // Each key once.
                if let Call::Txn { mops } = &call
                    && let Some(Mop::Write { key, .. }) = mops.first()
                    && !written.insert(*key)
                {
                    continue;
                }
                let early = chance.permille(500).then(|| database.answer(&call, false, chance));
                open.insert(process, (call.clone(), early));
                Event::Invoke { process, node: NodeId(worker as u16 % 3 + 1), call }
            }
            Some((call, early)) => {
                let end = chance.below(10);
                let reply = early.unwrap_or_else(|| database.answer(&call, end == 0, chance));
                let outcome = match end {
                    0 => Outcome::Fail(Refusal::Aborted),
                    1 => Outcome::Unknown(Doubt::Timeout),
                    _ => Outcome::Ok(reply),
                };
                workers[worker] += if outcome.is_unknown() { 4 } else { 0 };
                Event::Complete { process, outcome }
            }
        };
        history.push(Time(history.len() as u64), event).unwrap();
    }
    history
}

fn judges(entry: &Entry) -> impl Iterator<Item = Box<dyn Checker>> {
    entry.levels(true).into_iter().filter_map(|level| entry.judge(Some(level), true).ok())
}

/// How many histories of random ones this judge objects to before their end. It must find all of them invalid then.
fn objections(judge: &dyn Checker, model: &str) -> usize {
    let mut objected = 0;
    for seed in 0..cases(400) {
        // A budget ends at a time, so each history has its own.
        let (history, budget) = (random(model, &mut Chance::new(seed)), Budget::default());
        let mut case = open(judge);
        let mut objection = None;
        for (index, event) in history.entries().iter().enumerate() {
            case.hear(index, event);
            if let Some(why) = case.objection(&budget) {
                objection.get_or_insert((index, why));
            }
        }
        let report = case.close(&budget);
        if let Some((index, why)) = objection {
            objected += 1;
            let told: Vec<String> = history.ops().map(|op| history::text::show(&op)).collect();
            let told = told.join("; ");
            assert_eq!(
                report.verdict,
                Verdict::Invalid,
                "{model}, seed {seed}: {why} after event {index}, but {}: {told}",
                report.summary
            );
        }
    }
    objected
}

#[test]
fn an_objection_always_means_invalid_in_the_end() {
    for entry in MODELS.iter().filter(|entry| !["list-append", "rw-register"].contains(&entry.name)) {
        let stands = judges(entry).any(|judge| judge.stands());
        let objected: usize = judges(entry).map(|judge| objections(&*judge, entry.name)).sum();
        println!("{}: {objected} objections", entry.name);
        let silent = ["lock", "guarded", "list", "text", "stack", "priority-queue", "exact-set"];
        if !silent.contains(&entry.name) {
            assert_eq!(stands, objected > 10, "{}: {objected} objections", entry.name);
        }
    }
    let missing = objections(&SetFull { linearizable: true }, "set-full");
    let present = objections(&SetFull::default(), "set-full");
    assert!(missing > present, "what is missing counts: {missing}, {present}");
}
