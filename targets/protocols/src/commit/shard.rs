//! The keys of one node, and who has locked them.

use super::txn::{TxnId, changes, key_of, owner};
use history::{Got, Key, Mop, NodeId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Value(Value),
    List(Vec<Value>),
}

/// Who has locked a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lock {
    /// They only read it.
    Shared(BTreeSet<TxnId>),
    /// It changes it.
    Exclusive(TxnId),
}

/// What a transaction got from this node's keys: which part of it, and what.
pub type Gots = Vec<(u32, Got)>;

/// The keys of one node: strict two-phase locking without waiting. A lock is taken when the node votes and released
/// when the decision is carried out; who finds a key locked is refused at once, so nobody waits and there is no deadlock.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    held: BTreeMap<Key, Held>,
    locks: BTreeMap<Key, Lock>,
    /// What becomes of the keys that a transaction has locked, if it commits.
    intents: BTreeMap<TxnId, BTreeMap<Key, Held>>,
}

impl Shard {
    /// Locks the keys that `mops` are about and are `me`'s, and says what they get.
    ///
    /// # Errors
    /// If one of them is locked: by whom.
    pub fn lock(
        &mut self,
        id: TxnId,
        mops: &[Mop],
        (me, nodes): (NodeId, &[NodeId]),
    ) -> Result<Gots, (Key, TxnId)> {
        let mine: Vec<(u32, &Mop, Key)> = (0..)
            .zip(mops)
            .filter_map(|(place, mop)| Some((place, mop, key_of(mop)?)))
            .filter(|(_, _, key)| owner(*key, nodes) == me)
            .collect();
        for (_, mop, key) in &mine {
            if let Some(holder) = self.in_the_way(*key, changes(mop)) {
                return Err((*key, holder));
            }
        }
        let mut intent = BTreeMap::new();
        let mut gots = Gots::new();
        for (place, mop, key) in &mine {
            gots.push((*place, self.step(&mut intent, mop)));
            self.take(id, *key, changes(mop));
        }
        self.intents.insert(id, intent);
        Ok(gots)
    }

    /// What `mops` would get if nobody had locked anything, and changes nothing.
    pub fn peek(&self, mops: &[Mop]) -> Vec<Got> {
        mops.iter().map(|mop| self.step(&mut BTreeMap::new(), mop)).collect()
    }

    /// Who has locked the key in a way that does not let this in.
    pub fn in_the_way(&self, key: Key, changes: bool) -> Option<TxnId> {
        match self.locks.get(&key)? {
            Lock::Exclusive(holder) => Some(*holder),
            Lock::Shared(holders) if changes => holders.first().copied(),
            Lock::Shared(_) => None,
        }
    }

    fn take(&mut self, id: TxnId, key: Key, changes: bool) {
        let lock = match self.locks.remove(&key) {
            Some(lock @ Lock::Exclusive(_)) => lock,
            _ if changes => Lock::Exclusive(id),
            Some(Lock::Shared(mut holders)) => {
                holders.insert(id);
                Lock::Shared(holders)
            }
            None => Lock::Shared(BTreeSet::from([id])),
        };
        self.locks.insert(key, lock);
    }

    /// One part of a transaction that sees its own changes, and gathers them in `intent`.
    fn step(&self, intent: &mut BTreeMap<Key, Held>, mop: &Mop) -> Got {
        match *mop {
            Mop::Read { key } => match intent.get(&key).or_else(|| self.held.get(&key)) {
                Some(Held::List(list)) => Got::List(list.clone()),
                Some(Held::Value(value)) => Got::Value(Some(*value)),
                None => Got::Value(None),
            },
            Mop::Write { key, value } => {
                intent.insert(key, Held::Value(value));
                Got::Done
            }
            Mop::Append { key, value } => {
                let held = intent.remove(&key).or_else(|| self.held.get(&key).cloned());
                let mut list = if let Some(Held::List(list)) = held { list } else { Vec::new() };
                list.push(value);
                intent.insert(key, Held::List(list));
                Got::Done
            }
            Mop::Send { .. } | Mop::Poll => Got::Done,
        }
    }

    /// Carries out what the transaction wanted, and unlocks its keys.
    pub fn commit(&mut self, id: TxnId) {
        let intent = self.intents.remove(&id).unwrap_or_default();
        self.held.extend(intent);
        self.unlock(id);
    }

    /// Forgets what the transaction wanted, and unlocks its keys.
    pub fn abort(&mut self, id: TxnId) {
        self.intents.remove(&id);
        self.unlock(id);
    }

    /// FLAW locks-not-recovered and commit-applied-twice: does what the transaction wants with no lock held.
    pub fn force(&mut self, mops: &[Mop], (me, nodes): (NodeId, &[NodeId])) {
        let mine = mops.iter().filter(|mop| key_of(mop).is_some_and(|key| owner(key, nodes) == me));
        let mut intent = BTreeMap::new();
        for mop in mine {
            self.step(&mut intent, mop);
        }
        self.held.extend(intent);
    }

    fn unlock(&mut self, id: TxnId) {
        self.locks.retain(|_, lock| match lock {
            Lock::Exclusive(holder) => *holder != id,
            Lock::Shared(holders) => {
                holders.remove(&id);
                !holders.is_empty()
            }
        });
    }

    /// What the register holds.
    pub fn value(&self, key: Key) -> Option<Value> {
        match self.held.get(&key) {
            Some(Held::Value(value)) => Some(*value),
            _ => None,
        }
    }

    /// Which transactions hold locks.
    pub fn holders(&self) -> BTreeSet<TxnId> {
        self.intents.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [NodeId; 2] = [NodeId(1), NodeId(2)];

    fn id(number: u32) -> TxnId {
        TxnId { node: NodeId(1), life: 1, number, name: None }
    }

    #[test]
    fn changes_exclude_everybody_and_reads_only_changes() {
        let mut shard = Shard::default();
        let me = (NodeId(1), &NODES[..]);
        let (read, write) = (Mop::Read { key: Key(0) }, Mop::Write { key: Key(0), value: Value(7) });
        assert_eq!(shard.lock(id(1), std::slice::from_ref(&read), me), Ok(vec![(0, Got::Value(None))]));
        assert!(shard.lock(id(2), std::slice::from_ref(&read), me).is_ok());
        assert_eq!(shard.lock(id(3), std::slice::from_ref(&write), me), Err((Key(0), id(1))));
        shard.abort(id(1));
        shard.commit(id(2));
        let both = [write, read.clone(), Mop::Write { key: Key(1), value: Value(8) }];
        assert_eq!(
            shard.lock(id(3), &both, me),
            Ok(vec![(0, Got::Done), (1, Got::Value(Some(Value(7))))]),
            "it sees its own change, and leaves the other node's key alone"
        );
        assert_eq!(shard.lock(id(4), std::slice::from_ref(&read), me), Err((Key(0), id(3))));
        assert_eq!(shard.value(Key(0)), None, "it has not committed");
        shard.commit(id(3));
        assert_eq!((shard.value(Key(0)), shard.holders().len()), (Some(Value(7)), 0));
    }
}
