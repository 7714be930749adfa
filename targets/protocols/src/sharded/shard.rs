//! What a group's log makes of its shard: data, locks, and transactions that wait for their end.
//!
//! Every node of the group applies the same commands in the same order, so what is here outlives every leader.

use super::command::{Command, Group, Txn};
use crate::Flaw;
use history::{Call, Got, Key, Mop, Outcome, Refusal, Reply, Value};
use std::collections::BTreeMap;

/// One shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    data: BTreeMap<Key, Datum>,
    /// Which transaction holds it: whoever else comes is turned away at once, so nobody ever waits for a lock.
    locks: BTreeMap<Key, Txn>,
    /// Those that hold locks here, and wait to hear how they end.
    pub(super) prepared: BTreeMap<Txn, Prepared>,
    /// How those ended that were prepared here. They are not prepared again, however late somebody asks for it.
    pub(super) finished: BTreeMap<Txn, bool>,
    /// How those end that this group coordinates.
    pub(super) decided: BTreeMap<Txn, bool>,
}

/// What is kept under a key: a list, if anything was appended, and a register.
#[derive(Debug, Default, Clone)]
struct Datum {
    value: Option<Value>,
    list: Option<Vec<Value>>,
}

/// A transaction that can end both ways.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) coordinator: Group,
    /// What it saw, and will still be so in the end.
    gots: Vec<Got>,
    /// What it will leave.
    leaves: BTreeMap<Key, Datum>,
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum Came {
    /// Of a call about this shard alone.
    Done(Outcome),
    /// The shard's vote on a transaction: what it saw, or no.
    Voted { txn: Txn, coordinator: Group, saw: Option<Vec<Got>> },
    /// It is decided how a transaction ends, now or before.
    Decided { txn: Txn, commit: bool },
    /// A transaction holds nothing any more.
    Finished { txn: Txn },
}

impl Shard {
    /// Applies the next command of the log.
    pub(super) fn apply(&mut self, command: Command, flaw: Option<Flaw>) -> Came {
        match command {
            Command::Do { call, .. } => Came::Done(self.carry_out(&call, flaw)),
            Command::Prepare { txn, coordinator, mops } => {
                let saw = self.prepare(txn, coordinator, &mops, flaw);
                Came::Voted { txn, coordinator, saw }
            }
            Command::Decide { txn, commit } => {
                Came::Decided { txn, commit: *self.decided.entry(txn).or_insert(commit) }
            }
            Command::Finish { txn, commit } => {
                self.finish(txn, commit);
                Came::Finished { txn }
            }
        }
    }

    /// Whether it would be prepared: nobody else holds any of its keys, and it has not ended.
    pub(super) fn could_prepare(&self, txn: Txn, mops: &[Mop]) -> bool {
        let is_free = |key: &Key| self.locks.get(key).is_none_or(|holder| *holder == txn);
        !self.finished.contains_key(&txn) && mops.iter().filter_map(key_of).all(|key| is_free(&key))
    }

    /// What these would see and leave.
    pub(super) fn look(&self, mops: &[Mop]) -> Vec<Got> {
        self.run(mops).0
    }

    /// Locks all keys, or none.
    fn prepare(
        &mut self,
        txn: Txn,
        coordinator: Group,
        mops: &[Mop],
        flaw: Option<Flaw>,
    ) -> Option<Vec<Got>> {
        if let Some(prepared) = self.prepared.get(&txn) {
            return Some(prepared.gots.clone());
        }
        if !self.could_prepare(txn, mops) {
            return None;
        }
        let (gots, leaves) = self.run(mops);
        // FLAW locks-only-writes: what is only read may change.
        let locked = |mop: &&Mop| flaw != Some(Flaw::LocksOnlyWrites) || !matches!(mop, Mop::Read { .. });
        self.locks.extend(mops.iter().filter(locked).filter_map(key_of).map(|key| (key, txn)));
        self.prepared.insert(txn, Prepared { coordinator, gots: gots.clone(), leaves });
        Some(gots)
    }

    fn finish(&mut self, txn: Txn, commit: bool) {
        self.finished.entry(txn).or_insert(commit);
        let Some(prepared) = self.prepared.remove(&txn) else { return };
        if commit {
            self.data.extend(prepared.leaves);
        }
        self.locks.retain(|_, holder| *holder != txn);
    }

    /// A call about this shard alone: it is prepared and finished in one step.
    fn carry_out(&mut self, call: &Call, flaw: Option<Flaw>) -> Outcome {
        let mops = match *call {
            Call::Read { key } | Call::Cas { key, .. } => vec![Mop::Read { key }],
            Call::Write { key, value } => vec![Mop::Write { key, value }],
            Call::Txn { ref mops } => mops.clone(),
            _ => return Outcome::Fail(Refusal::Unserved),
        };
        // FLAW reads-past-locks: who only looks need not wait for others.
        let looks = call.is_read() && flaw == Some(Flaw::ReadsPastLocks);
        if !looks && mops.iter().filter_map(key_of).any(|key| self.locks.contains_key(&key)) {
            return Outcome::Fail(Refusal::Aborted);
        }
        let (gots, leaves) = self.run(&mops);
        self.data.extend(leaves);
        let found = match gots.first() {
            Some(Got::Value(value)) => *value,
            _ => None,
        };
        match *call {
            Call::Read { .. } => Outcome::Ok(Reply::Read(found)),
            Call::Cas { expected, .. } if expected != found => Outcome::Fail(Refusal::Mismatch { found }),
            Call::Cas { key, new, .. } => {
                self.data.entry(key).or_default().value = Some(new);
                Outcome::Ok(Reply::Done)
            }
            Call::Txn { .. } => Outcome::Ok(Reply::Txn(gots)),
            _ => Outcome::Ok(Reply::Done),
        }
    }

    /// What these see, one after the other, and what they leave.
    fn run(&self, mops: &[Mop]) -> (Vec<Got>, BTreeMap<Key, Datum>) {
        let mut leaves: BTreeMap<Key, Datum> = BTreeMap::new();
        let gots = mops.iter().map(|mop| {
            let Some(key) = key_of(mop) else { return Got::Done };
            let here = leaves.get(&key).or_else(|| self.data.get(&key)).cloned().unwrap_or_default();
            match *mop {
                Mop::Write { value, .. } => {
                    leaves.insert(key, Datum { value: Some(value), ..here });
                    Got::Done
                }
                Mop::Append { value, .. } => {
                    let mut list = here.list.unwrap_or_default();
                    list.push(value);
                    leaves.insert(key, Datum { list: Some(list), ..here });
                    Got::Done
                }
                _ => here.list.map_or(Got::Value(here.value), Got::List),
            }
        });
        (gots.collect(), leaves)
    }
}

/// What a part of a transaction is about.
pub(super) fn key_of(mop: &Mop) -> Option<Key> {
    match *mop {
        Mop::Read { key } | Mop::Write { key, .. } | Mop::Append { key, .. } => Some(key),
        Mop::Send { .. } | Mop::Poll => None,
    }
}
