//! The replicated state: what committed calls are applied to.
//!
//! It is a pure function of the calls that were applied, in their order: no clock, no chance, no order of hash maps. An
//! object comes to be when it is first changed; one that nobody changed is read as empty. Objects of different kinds do
//! not know each other, even if their keys are equal.

mod bank;
mod lock;
mod register;
mod sessions;
mod set;

pub use bank::Bank;

use crate::Flaw;
use history::{Call, CallKind, Got, Key, Mop, Outcome, Refusal, Reply, Ticket, Value};
use lock::Lock;
use register::Register;
use serde::{Deserialize, Serialize};
use sessions::Sessions;
use set::Set;
use std::collections::{BTreeMap, VecDeque};

/// Every kind of object that one replicated state machine can serve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    registers: BTreeMap<Key, Register>,
    lists: BTreeMap<Key, Vec<Value>>,
    sets: BTreeMap<Key, Set>,
    counters: BTreeMap<Key, i64>,
    queues: BTreeMap<Key, VecDeque<Value>>,
    locks: BTreeMap<Key, Lock>,
    /// The last number that each source gave.
    sources: BTreeMap<Key, i64>,
    bank: Bank,
    /// How often a register was written or an element added: the number of the last such change.
    revision: u64,
    sessions: Sessions,
}

impl Store {
    /// The calls that it serves. The rest is about logs with offsets, and about who leads.
    pub const SERVES: [CallKind; 21] = [
        CallKind::Read,
        CallKind::Write,
        CallKind::Cas,
        CallKind::Txn,
        CallKind::Add,
        CallKind::Remove,
        CallKind::Contains,
        CallKind::Elements,
        CallKind::Append,
        CallKind::Increment,
        CallKind::Count,
        CallKind::Enqueue,
        CallKind::Dequeue,
        CallKind::Drain,
        CallKind::Acquire,
        CallKind::Release,
        CallKind::Guarded,
        CallKind::NextId,
        CallKind::Transfer,
        CallKind::Balances,
        CallKind::Watch,
    ];

    /// What a node with one store and one leader serves: the same, and what it believes itself of who leads.
    pub const SERVES_AND_LEADS: [CallKind; Store::SERVES.len() + 1] = {
        let mut serves = [CallKind::Leader; Store::SERVES.len() + 1];
        let mut at = 0;
        while at < Store::SERVES.len() {
            serves[at] = Store::SERVES[at];
            at += 1;
        }
        serves
    };

    /// What a snapshot has of it, if it is taken with this mistake.
    pub fn saved(mut self, flaw: Option<Flaw>) -> Store {
        match flaw {
            // FLAW snapshot-forgets-sessions, -tokens, -ids, -revision, -accounts: one part of the state is forgotten.
            Some(Flaw::SnapshotForgetsSessions) => self.sessions = Sessions::default(),
            Some(Flaw::SnapshotForgetsTokens) => self.locks.values_mut().for_each(Lock::forget_token),
            Some(Flaw::SnapshotForgetsIds) => self.sources.clear(),
            Some(Flaw::SnapshotForgetsRevision) => self.revision = 0,
            Some(Flaw::SnapshotForgetsAccounts) => self.bank.forget_half(),
            _ => {}
        }
        self
    }

    /// Carries out a call, once: if that was done already, says again what came of it.
    pub fn apply(&mut self, ticket: Ticket, call: &Call) -> Outcome {
        if let Some(outcome) = self.sessions.recall(ticket) {
            return outcome;
        }
        let outcome = self.carry_out(ticket, call);
        self.sessions.remember(ticket, &outcome);
        outcome
    }

    /// Carries out a call, whether that was done already or not.
    pub fn carry_out(&mut self, ticket: Ticket, call: &Call) -> Outcome {
        let done = match call {
            call if call.is_read() => self.look(call),
            Call::Txn { mops } => self.transact(mops),
            call => self.change(ticket, call),
        };
        done.map_or_else(Outcome::Fail, Outcome::Ok)
    }

    /// Answers a call that changes nothing.
    pub fn read(&self, call: &Call) -> Outcome {
        self.look(call).map_or_else(Outcome::Fail, Outcome::Ok)
    }

    fn look(&self, call: &Call) -> Result<Reply, Refusal> {
        Ok(match call {
            Call::Read { key } => Reply::Read(self.value(*key)),
            Call::Contains { key, value } => {
                Reply::Is(self.sets.get(key).is_some_and(|set| set.contains(*value)))
            }
            Call::Elements { key } => Reply::List(match (self.lists.get(key), self.sets.get(key)) {
                (Some(list), _) => list.clone(),
                (None, Some(set)) => set.elements(),
                (None, None) => Vec::new(),
            }),
            Call::Count { key } => Reply::Count(self.counters.get(key).copied().unwrap_or(0)),
            Call::Balances => Reply::Balances(self.bank.balances()),
            Call::Watch { key, after } => {
                Reply::Changes(match (self.registers.get(key), self.sets.get(key)) {
                    (Some(register), _) => register.changes(*after)?,
                    (None, Some(set)) => set.additions(*after),
                    (None, None) => Vec::new(),
                })
            }
            Call::Txn { mops } => {
                let look = |mop: &Mop| match mop {
                    Mop::Read { key } => Ok(self.get(*key)),
                    _ => Err(Refusal::Unserved),
                };
                Reply::Txn(mops.iter().map(look).collect::<Result<_, _>>()?)
            }
            _ => return Err(Refusal::Unserved),
        })
    }

    fn change(&mut self, Ticket { process, .. }: Ticket, call: &Call) -> Result<Reply, Refusal> {
        Ok(match *call {
            Call::Write { key, value } => self.write(key, value),
            Call::Cas { key, expected, new } => match self.value(key) {
                found if found == expected => self.write(key, new),
                found => return Err(Refusal::Mismatch { found }),
            },
            Call::Guarded { key, value, token } => {
                self.registers.entry(key).or_default().admit(token)?;
                self.write(key, value)
            }
            Call::Add { key, value } => {
                self.revision += 1;
                Reply::Is(self.sets.entry(key).or_default().add(self.revision, value))
            }
            Call::Remove { key, value } => Reply::Is(self.sets.entry(key).or_default().remove(value)),
            Call::Append { key, value } => {
                self.lists.entry(key).or_default().push(value);
                Reply::Done
            }
            Call::Increment { key, by } => {
                let counter = self.counters.entry(key).or_default();
                let sum = counter.checked_add(by);
                *counter = sum.ok_or_else(|| Refusal::Other("the counter cannot count so far".to_owned()))?;
                Reply::Count(*counter)
            }
            Call::Enqueue { key, value } => {
                self.queues.entry(key).or_default().push_back(value);
                Reply::Done
            }
            Call::Dequeue { key } => Reply::Read(self.queues.get_mut(&key).and_then(VecDeque::pop_front)),
            Call::Drain { key } => Reply::List(self.queues.remove(&key).unwrap_or_default().into()),
            Call::Acquire { key } => Reply::Held(Some(self.locks.entry(key).or_default().acquire(process)?)),
            Call::Release { key } => {
                self.locks.entry(key).or_default().release(process)?;
                Reply::Done
            }
            Call::NextId { key } => {
                let last = self.sources.entry(key).or_default();
                *last += 1;
                Reply::Read(Some(Value(*last)))
            }
            Call::Transfer { from, to, amount } => {
                self.bank.transfer(from, to, amount)?;
                Reply::Done
            }
            _ => return Err(Refusal::Unserved),
        })
    }

    /// Does all of it, one after the other, with nothing in between; or nothing, if a part of it is not served.
    fn transact(&mut self, mops: &[Mop]) -> Result<Reply, Refusal> {
        if mops.iter().any(|mop| matches!(mop, Mop::Send { .. } | Mop::Poll)) {
            return Err(Refusal::Unserved);
        }
        let gots = mops.iter().map(|mop| match *mop {
            Mop::Write { key, value } => {
                self.write(key, value);
                Got::Done
            }
            Mop::Append { key, value } => {
                self.lists.entry(key).or_default().push(value);
                Got::Done
            }
            Mop::Read { key } => self.get(key),
            Mop::Send { .. } | Mop::Poll => Got::Done,
        });
        Ok(Reply::Txn(gots.collect()))
    }

    /// What a transaction reads: a list, if there is one, else what a register holds.
    fn get(&self, key: Key) -> Got {
        match self.lists.get(&key) {
            Some(list) => Got::List(list.clone()),
            None => Got::Value(self.value(key)),
        }
    }

    fn value(&self, key: Key) -> Option<Value> {
        self.registers.get(&key).and_then(Register::value)
    }

    fn write(&mut self, key: Key, value: Value) -> Reply {
        self.revision += 1;
        self.registers.entry(key).or_default().write(self.revision, value);
        Reply::Done
    }
}

#[cfg(test)]
mod tests;
