//! Transactions over lists or registers, by a simulated database.

use super::{Listener, Tale, gathered};
use history::{
    Call, Chance, Event, Got, History, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Value,
};
use rustc_hash::FxHashMap;

const CLIENTS: u64 = 20;
const ACTIVE_KEYS: u64 = 10;
const APPENDS: u64 = 32;

/// The key of what is planted: nobody else uses it.
const PLANTED: Key = Key(1 << 40);

/// How the simulated database runs transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// At one instant between call and answer.
    Strict,
    /// From a snapshot of when it was called; the first committer wins.
    Snapshot,
    /// Reads miss up to so many of the latest appends.
    Stale(u64),
}

/// What the transactions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// Lists that are appended to.
    Lists,
    /// Registers that are written: each holds what a list would end with.
    Registers,
}

/// What kind of history.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many transactions, those that are planted apart.
    pub txns: usize,
    /// About what.
    pub objects: Objects,
    /// How they are run.
    pub database: Database,
    /// Whether two transactions lose an update, late in the history: both read an object of theirs when it is empty, and
    /// both change it. A third reads it.
    pub planted: bool,
}

enum Client {
    Idle,
    /// What it asked, and how long the lists were then.
    Asked(Vec<Mop>, FxHashMap<Key, usize>),
    Done(Outcome),
}

struct World<'t> {
    chance: Chance,
    shape: Shape,
    lists: FxHashMap<Key, Vec<Value>>,
    appended: Vec<u64>,
    keys: Vec<u64>,
    next_key: u64,
    tale: Tale<'t>,
}

/// A history of that shape, always the same for one seed.
pub fn simulate(shape: Shape, seed: u64) -> History {
    gathered(|listener| tell(shape, seed, listener))
}

/// Tells a history of that shape, event by event.
pub fn tell<'l>(shape: Shape, seed: u64, listener: &'l mut Listener<'l>) {
    let mut world = World {
        chance: Chance::new(seed),
        shape,
        lists: FxHashMap::default(),
        appended: vec![0; ACTIVE_KEYS as usize],
        keys: (0..ACTIVE_KEYS).collect(),
        next_key: ACTIVE_KEYS,
        tale: Tale::new(listener),
    };
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::Idle).collect();
    let mut called = 0;
    while called < shape.txns || clients.iter().any(|client| !matches!(client, Client::Idle)) {
        let number = world.chance.below(CLIENTS);
        let (client, process) = (&mut clients[number as usize], ProcessId(number as u32));
        match std::mem::replace(client, Client::Idle) {
            Client::Idle if called == shape.txns => {}
            Client::Idle => {
                if shape.planted && called == shape.txns / 10 * 9 {
                    world.lose_an_update();
                }
                called += 1;
                let mops = world.call();
                let began = mops.iter().filter_map(key).map(|key| (key, world.length(key))).collect();
                world.invoke(process, mops.clone());
                *client = Client::Asked(mops, began);
            }
            Client::Asked(mops, began) => *client = Client::Done(world.answer(&mops, &began)),
            Client::Done(outcome) => world.tale.push(Event::Complete { process, outcome }),
        }
    }
}

fn key(mop: &Mop) -> Option<Key> {
    match mop {
        Mop::Read { key } | Mop::Append { key, .. } => Some(*key),
        _ => None,
    }
}

impl World<'_> {
    fn length(&self, key: Key) -> usize {
        self.lists.get(&key).map_or(0, Vec::len)
    }

    fn invoke(&mut self, process: ProcessId, mut mops: Vec<Mop>) {
        if self.shape.objects == Objects::Registers {
            for mop in &mut mops {
                if let Mop::Append { key, value } = *mop {
                    *mop = Mop::Write { key, value };
                }
            }
        }
        self.tale.push(Event::Invoke { process, node: NodeId(1), call: Call::Txn { mops } });
    }

    fn call(&mut self) -> Vec<Mop> {
        let mut mops = Vec::new();
        for _ in 0..self.chance.between(1, 4) {
            let place = self.chance.below(ACTIVE_KEYS) as usize;
            let key = Key(self.keys[place]);
            if self.chance.permille(500) {
                mops.push(Mop::Read { key });
                continue;
            }
            self.appended[place] += 1;
            mops.push(Mop::Append { key, value: Value(self.appended[place] as i64) });
            if self.appended[place] == APPENDS {
                self.keys[place] = self.next_key;
                self.next_key += 1;
                self.appended[place] = 0;
            }
        }
        mops
    }

    fn answer(&mut self, mops: &[Mop], began: &FxHashMap<Key, usize>) -> Outcome {
        if self.shape.database == Database::Snapshot {
            let appends = mops.iter().filter(|mop| matches!(mop, Mop::Append { .. }));
            if appends.filter_map(key).any(|key| self.length(key) != began[&key]) {
                return Outcome::Fail(Refusal::Aborted);
            }
        }
        let mut own: FxHashMap<Key, Vec<Value>> = FxHashMap::default();
        let mut gots = Vec::with_capacity(mops.len());
        for mop in mops {
            match mop {
                Mop::Append { key, value } => {
                    own.entry(*key).or_default().push(*value);
                    gots.push(Got::Done);
                }
                Mop::Read { key } => {
                    let seen = self.seen(*key, began[key], own.contains_key(key));
                    let list = self.lists.get(key).map_or(&[][..], |list| &list[..seen]);
                    gots.push(self.got(list, own.get(key).map_or(&[], Vec::as_slice)));
                }
                _ => {}
            }
        }
        for (key, values) in own {
            self.lists.entry(key).or_default().extend(values);
        }
        Outcome::Ok(Reply::Txn(gots))
    }

    /// How much of a list a read sees.
    fn seen(&mut self, key: Key, began: usize, own: bool) -> usize {
        let now = self.length(key);
        match self.shape.database {
            Database::Strict => now,
            Database::Snapshot => began,
            Database::Stale(_) if own => now,
            Database::Stale(by) => now - self.chance.below(by + 1).min(now as u64) as usize,
        }
    }

    /// What a read gets that sees these, and then those.
    fn got(&self, these: &[Value], those: &[Value]) -> Got {
        match self.shape.objects {
            Objects::Lists => Got::List([these, those].concat()),
            Objects::Registers => Got::Value(those.last().or(these.last()).copied()),
        }
    }

    fn lose_an_update(&mut self) {
        let (one, other, third) =
            (ProcessId(CLIENTS as u32), ProcessId(u32::MAX - 2), ProcessId(u32::MAX - 1));
        let key = PLANTED;
        let read = Mop::Read { key };
        let change = |value| vec![read.clone(), Mop::Append { key, value: Value(value) }];
        self.invoke(one, change(1));
        self.invoke(other, change(2));
        for process in [one, other] {
            let outcome = Outcome::Ok(Reply::Txn(vec![self.got(&[], &[]), Got::Done]));
            self.tale.push(Event::Complete { process, outcome });
        }
        self.invoke(third, vec![read]);
        let outcome = Outcome::Ok(Reply::Txn(vec![self.got(&[Value(1), Value(2)], &[])]));
        self.tale.push(Event::Complete { process: third, outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, Checker, Isolation, ListAppend, RwRegister, Verdict};

    fn judged(database: Database, objects: Objects, planted: bool, promise: Isolation) -> Verdict {
        let history = simulate(Shape { txns: 1_500, objects, database, planted }, 3);
        let judge: Box<dyn Checker> = match objects {
            Objects::Lists => Box::new(ListAppend::new(promise)),
            Objects::Registers => Box::new(RwRegister::new(promise)),
        };
        judge.check(&history, &Budget::default()).verdict
    }

    #[test]
    fn each_database_keeps_and_breaks_what_it_should() {
        use Isolation::{ReadCommitted, Serializable, SnapshotIsolation, StrictSerializable};
        let (valid, invalid) = (Verdict::Valid, Verdict::Invalid);
        for (database, promise, verdict) in [
            (Database::Strict, StrictSerializable, valid),
            (Database::Snapshot, SnapshotIsolation, valid),
            (Database::Snapshot, Serializable, invalid),
            (Database::Stale(3), Serializable, invalid),
        ] {
            assert_eq!(judged(database, Objects::Lists, false, promise), verdict, "{database:?}");
        }
        for objects in [Objects::Lists, Objects::Registers] {
            assert_eq!(judged(Database::Strict, objects, false, Serializable), valid, "{objects:?}");
            assert_eq!(judged(Database::Strict, objects, true, Serializable), invalid, "{objects:?}");
            assert_eq!(judged(Database::Strict, objects, true, SnapshotIsolation), invalid, "{objects:?}");
            assert_eq!(judged(Database::Strict, objects, true, ReadCommitted), valid, "{objects:?}");
        }
    }
}
