//! The replicated state: what committed calls are applied to.
//!
//! It is a pure function of the calls that were applied, in their order: no clock but what the log says of the time
//! (`clock.rs`), no chance, no order of hash maps. An object comes to be when it is first changed; one that nobody changed
//! is read as empty. Objects of different kinds do not know each other, even if their keys are equal.

mod bank;
mod clock;
mod lock;
mod mistaken;
mod register;
mod sessions;
mod set;

pub use bank::Bank;
pub use clock::Reading;

use crate::Flaw;
use clock::Clock;
use history::{Call, CallKind, Got, Key, Mop, Outcome, Refusal, Reply, Ticket, Value};
use lock::Lock;
use register::Register;
use serde::{Deserialize, Serialize};
use sessions::Sessions;
use set::Set;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

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
    /// By which leases end.
    clock: Clock,
    sessions: Sessions,
    /// The mistake that it makes. That is no part of the state: whoever loads a snapshot says it again.
    #[serde(skip)]
    flaw: Option<Flaw>,
}

/// FLAW first-page-only: so many elements are a page.
const PAGE: usize = 256;
/// FLAW ids-wrap: a source has so many numbers.
const NUMBERS: i64 = 256;
/// FLAW spilled-first: so many values of a queue are kept in memory.
const IN_MEMORY: usize = 4;

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

    /// The same, and it makes this mistake.
    pub fn with(self, flaw: Option<Flaw>) -> Store {
        Store { flaw, ..self }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// What a snapshot has of it, if it is taken with this mistake.
    pub fn saved(mut self, flaw: Option<Flaw>) -> Store {
        match flaw {
            // FLAW snapshot-forgets-sessions, -tokens, -ids, -revision, -changes, -accounts: one part of the state is
            // forgotten.
            Some(Flaw::SnapshotForgetsSessions) => self.sessions = Sessions::default(),
            Some(Flaw::SnapshotForgetsTokens) => self.locks.values_mut().for_each(Lock::forget_token),
            Some(Flaw::SnapshotForgetsIds) => self.sources.clear(),
            Some(Flaw::SnapshotForgetsRevision) => self.revision = 0,
            Some(Flaw::SnapshotForgetsChanges) => {
                self.registers.values_mut().for_each(Register::forget_changes);
            }
            Some(Flaw::SnapshotForgetsAccounts) => self.bank.forget_half(),
            _ => {}
        }
        self
    }

    /// Carries out a call, once: if that was done already, says again what came of it. `at` is what the log says of when
    /// it was proposed.
    pub fn apply(&mut self, ticket: Ticket, call: &Call, at: Option<Reading>) -> Outcome {
        self.hear(at);
        if let Some(outcome) = self.sessions.recall(ticket) {
            return outcome;
        }
        let outcome = self.carry_out(ticket, call);
        self.sessions.remember(ticket, &outcome);
        outcome
    }

    /// The log says what the time is, if it does.
    pub fn hear(&mut self, at: Option<Reading>) {
        at.into_iter().for_each(|reading| self.clock.hear(reading));
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
                (Some(list), _) => self.whole(list),
                (None, Some(set)) => self.elements(set),
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
                    Mop::Read { key } => Ok(self.get(&self.lists, *key)),
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
                // FLAW cas-compares-old: it was so a moment ago.
                _ if self.has(Flaw::CasComparesOld) && self.held_before(key, expected) => {
                    self.write(key, new)
                }
                found => return Err(Refusal::Mismatch { found }),
            },
            Call::Guarded { key, value, token } => {
                self.registers.entry(key).or_default().admit(token)?;
                self.write(key, value)
            }
            Call::Add { key, value } => {
                self.revision += 1;
                // FLAW stamps-of-signed-bytes: from 128 on the last byte stands for a negative number, so it comes first.
                let sign = if self.has(Flaw::StampsOfSignedBytes) { 0x80 } else { 0 };
                Reply::Is(self.sets.entry(key).or_default().add(self.revision ^ sign, value))
            }
            Call::Remove { key, value } => Reply::Is(self.sets.entry(key).or_default().remove(value)),
            Call::Append { key, value } => {
                self.lists.entry(key).or_default().push(value);
                Reply::Done
            }
            Call::Increment { key, by } => {
                // FLAW counter-stops-at-zero: as if there were no numbers below.
                let least = if self.has(Flaw::CounterStopsAtZero) { 0 } else { i64::MIN };
                let counter = self.counters.entry(key).or_default();
                let sum = counter.checked_add(by).map(|sum| sum.max(least));
                *counter = sum.ok_or_else(|| Refusal::Other("the counter cannot count so far".to_owned()))?;
                Reply::Count(*counter)
            }
            Call::Enqueue { key, value } => {
                self.queues.entry(key).or_default().push_back(value);
                Reply::Done
            }
            Call::Dequeue { key } => Reply::Read(self.dequeue(key)),
            Call::Drain { key } => Reply::List(self.queues.remove(&key).unwrap_or_default().into()),
            Call::Acquire { key, lease_ms } => {
                let (lease, now) = (lease_ms.map(Duration::from_millis), self.clock.now());
                Reply::Held(Some(self.locks.entry(key).or_default().acquire(process, lease, now)?))
            }
            Call::Release { key } => {
                let gone = self.has(Flaw::TokenGoesWithLock);
                let lock = self.locks.entry(key).or_default();
                lock.release(process)?;
                // FLAW token-goes-with-lock: it is a part of what is deleted.
                if gone {
                    lock.forget_token();
                }
                Reply::Done
            }
            Call::NextId { key } => {
                // FLAW ids-wrap: after the last comes the first.
                let numbers = if self.has(Flaw::IdsWrap) { NUMBERS } else { i64::MAX };
                let last = self.sources.entry(key).or_default();
                *last = *last % numbers + 1;
                Reply::Read(Some(Value(*last)))
            }
            Call::Transfer { from, to, amount } => {
                self.bank.transfer(from, to, amount, self.has(Flaw::Overdraws))?;
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
        // FLAW own-appends-unseen: what it reads is what was there before it.
        let before = self.has(Flaw::OwnAppendsUnseen).then(|| self.lists.clone());
        let mut over = false;
        let gots = mops.iter().enumerate().map(|(at, mop)| match *mop {
            Mop::Write { key, value } => {
                // FLAW unchanged-ends-transaction: whoever writes what is there wants nothing changed.
                over |= self.has(Flaw::UnchangedEndsTransaction) && self.value(key) == Some(value);
                // FLAW first-write-stays: the key is among those to be written already.
                let again = self.has(Flaw::FirstWriteStays) && mops[..at].iter().any(|mop| writes(mop, key));
                if !over && !again {
                    self.write(key, value);
                }
                Got::Done
            }
            Mop::Append { key, value } => {
                self.lists.entry(key).or_default().push(value);
                Got::Done
            }
            Mop::Read { key } => self.get(before.as_ref().unwrap_or(&self.lists), key),
            Mop::Send { .. } | Mop::Poll => Got::Done,
        });
        Ok(Reply::Txn(gots.collect()))
    }

    /// What a transaction reads: a list, if there is one among these, else what a register holds.
    fn get(&self, lists: &BTreeMap<Key, Vec<Value>>, key: Key) -> Got {
        match lists.get(&key) {
            Some(list) => Got::List(list.clone()),
            None => Got::Value(self.value(key)),
        }
    }

    /// What a read of a whole list finds.
    fn whole(&self, list: &[Value]) -> Vec<Value> {
        let mut list = list.to_vec();
        // FLAW list-by-call: a value that a client chose later is larger, and so they are sorted.
        if self.has(Flaw::ListByCall) {
            list.sort_unstable();
        }
        list
    }

    /// What a look at a set finds.
    fn elements(&self, set: &Set) -> Vec<Value> {
        let mut elements = set.elements();
        let grown = elements.len().checked_ilog2().map_or(0, |power| elements.len() - (1 << power));
        match self.flaw {
            // FLAW first-page-only: nobody asks for the next page.
            Some(Flaw::FirstPageOnly) => elements.truncate(PAGE),
            // FLAW growth-hides: the table has just grown to twice its size, and not all have moved.
            Some(Flaw::GrowthHides) if elements.len() >= 16 && grown < 4 => drop(elements.remove(0)),
            _ => {}
        }
        elements
    }

    fn dequeue(&mut self, key: Key) -> Option<Value> {
        // FLAW spilled-first: what did not fit into memory is taken out before what did.
        let from = if self.has(Flaw::SpilledFirst) { IN_MEMORY } else { 0 };
        let queue = self.queues.get_mut(&key)?;
        queue.remove(from).or_else(|| queue.pop_front())
    }

    fn value(&self, key: Key) -> Option<Value> {
        self.registers.get(&key).and_then(Register::value)
    }

    /// FLAW cas-compares-old: whether a register held this before it was written last.
    fn held_before(&self, key: Key, expected: Option<Value>) -> bool {
        expected.is_some() && self.registers.get(&key).and_then(Register::before) == expected
    }

    fn write(&mut self, key: Key, value: Value) -> Reply {
        self.revision += 1;
        self.registers.entry(key).or_default().write(self.revision, value);
        Reply::Done
    }
}

fn writes(mop: &Mop, wanted: Key) -> bool {
    matches!(mop, Mop::Write { key, .. } if *key == wanted)
}

#[cfg(test)]
mod tests;
