//! The store behind the protocols does what the judges' models do.

use checkers::models::{counter::Counter, guarded::Guarded, list::List, lock::Lock, queue::Queue, set::Set};
use checkers::{
    Ascent, Bank, Budget, Checker, Isolation, Linearizable, ListAppend, RwRegister, UniqueIds, Verdict, Watch,
};
use history::{Call, Chance, Event, History, Key, Mop, NodeId, ProcessId, Ticket, Time, Value};
use protocols::Store;

/// One kind of object: how a random call of it is drawn, and who judges.
struct Kind {
    name: &'static str,
    draw: fn(&mut Chance, i64) -> Call,
    judge: Box<dyn Checker>,
}

fn key(chance: &mut Chance) -> Key {
    Key(chance.below(2))
}

fn few(chance: &mut Chance) -> Value {
    Value(chance.below(3) as i64)
}

fn register(chance: &mut Chance, _: i64) -> Call {
    let key = key(chance);
    match chance.below(3) {
        0 => Call::Read { key },
        1 => Call::Write { key, value: few(chance) },
        _ => {
            let expected = if chance.coin(0.3) { None } else { Some(few(chance)) };
            Call::Cas { key, expected, new: few(chance) }
        }
    }
}

fn set(chance: &mut Chance, _: i64) -> Call {
    let (key, value) = (key(chance), few(chance));
    match chance.below(4) {
        0 => Call::Add { key, value },
        1 => Call::Remove { key, value },
        2 => Call::Contains { key, value },
        _ => Call::Elements { key },
    }
}

fn list(chance: &mut Chance, _: i64) -> Call {
    let key = key(chance);
    if chance.coin(0.5) { Call::Append { key, value: few(chance) } } else { Call::Elements { key } }
}

fn counter(chance: &mut Chance, _: i64) -> Call {
    let key = key(chance);
    if chance.coin(0.5) {
        Call::Increment { key, by: chance.below(7) as i64 - 3 }
    } else {
        Call::Count { key }
    }
}

fn queue(chance: &mut Chance, _: i64) -> Call {
    let key = key(chance);
    match chance.below(8) {
        0..4 => Call::Enqueue { key, value: few(chance) },
        4..7 => Call::Dequeue { key },
        _ => Call::Drain { key },
    }
}

fn lock(chance: &mut Chance, _: i64) -> Call {
    let key = key(chance);
    if chance.coin(0.5) { Call::Acquire { key, lease_ms: None } } else { Call::Release { key } }
}

fn guarded(chance: &mut Chance, _: i64) -> Call {
    let key = key(chance);
    match chance.coin(0.3) {
        true => Call::Read { key },
        false => Call::Guarded { key, value: few(chance), token: chance.below(6) },
    }
}

fn lists(chance: &mut Chance, turn: i64) -> Call {
    txn(chance, |key, part| Mop::Append { key, value: Value(turn * 10 + part) })
}

fn registers(chance: &mut Chance, turn: i64) -> Call {
    txn(chance, |key, part| Mop::Write { key, value: Value(turn * 10 + part) })
}

fn txn(chance: &mut Chance, change: impl Fn(Key, i64) -> Mop) -> Call {
    let parts = chance.between(0, 4) as i64;
    let mop = |part| {
        let key = key(chance);
        if chance.coin(0.5) { Mop::Read { key } } else { change(key, part) }
    };
    Call::Txn { mops: (0..parts).map(mop).collect() }
}

fn bank(chance: &mut Chance, _: i64) -> Call {
    let account = |chance: &mut Chance| Key(chance.below(9));
    match chance.coin(0.3) {
        true => Call::Balances,
        false => {
            Call::Transfer { from: account(chance), to: account(chance), amount: chance.below(12) as i64 - 1 }
        }
    }
}

fn ids(chance: &mut Chance, _: i64) -> Call {
    Call::NextId { key: key(chance) }
}

fn watch(chance: &mut Chance, turn: i64) -> Call {
    let key = key(chance);
    match chance.coin(0.5) {
        true => Call::Write { key, value: Value(turn) },
        false => Call::Watch { key, after: chance.below(turn.unsigned_abs() + 1) },
    }
}

/// Every kind of object that the store knows.
fn kinds() -> Vec<Kind> {
    fn kind(name: &'static str, draw: fn(&mut Chance, i64) -> Call, judge: impl Checker + 'static) -> Kind {
        Kind { name, draw, judge: Box::new(judge) }
    }
    let strict = Isolation::StrictSerializable;
    let account = |key| (Key(key), protocols::Bank::INITIAL);
    let accounts: Vec<(Key, i64)> = (0..protocols::Bank::ACCOUNTS).map(account).collect();
    let total = Some(accounts.iter().map(|(_, balance)| balance).sum());
    let accounts = Some(accounts.iter().map(|(key, _)| *key).collect());
    vec![
        kind("register", register, Linearizable::default()),
        kind("set", set, Linearizable::new(Set)),
        kind("list", list, Linearizable::new(List)),
        kind("counter", counter, Linearizable::new(Counter::default())),
        kind("queue", queue, Linearizable::new(Queue::FIFO)),
        kind("lock", lock, Linearizable::new(Lock)),
        kind("guarded", guarded, Linearizable::new(Guarded)),
        kind("transactions of lists", lists, ListAppend::new(strict)),
        kind("transactions of registers", registers, RwRegister::new(strict)),
        kind("bank", bank, Bank { total, accounts, overdraft: false }),
        kind("unique ids", ids, UniqueIds { ascent: Ascent::RealTime }),
        kind("watch", watch, Watch),
    ]
}

/// Calls one after the other, by a few clients. The change in turn `forgotten` is answered and not kept.
fn program(kind: &Kind, seed: u64, forgotten: Option<i64>) -> History {
    let (mut chance, mut store, mut history) = (Chance::new(seed), Store::default(), History::new());
    for turn in 1..=40 {
        let call = (kind.draw)(&mut chance, turn);
        let process = ProcessId(chance.below(3) as u32);
        let before = store.clone();
        let outcome = store.apply(Ticket { process, number: turn.unsigned_abs() }, &call, None);
        if forgotten == Some(turn) {
            store = before;
        }
        for event in [Event::Invoke { process, node: NodeId(1), call }, Event::Complete { process, outcome }]
        {
            history.push(Time(history.len() as u64), event).expect("it is well formed");
        }
    }
    history
}

#[test]
fn random_programs_do_what_the_models_do() {
    for kind in kinds() {
        for seed in 0..100 {
            let report = kind.judge.check(&program(&kind, seed, None), &Budget::default());
            assert_eq!(report.verdict, Verdict::Valid, "{} with seed {seed}: {report:#?}", kind.name);
        }
    }
}

#[test]
fn a_store_that_forgets_one_change_is_found() {
    // A bank that forgets a whole transfer still has all its money, and a change of which no watcher was told is none.
    let blind = ["bank", "watch"];
    for kind in kinds().into_iter().filter(|kind| !blind.contains(&kind.name)) {
        let found = (0..100).filter(|seed| {
            let report = kind.judge.check(&program(&kind, *seed, Some(20)), &Budget::default());
            report.verdict == Verdict::Invalid
        });
        let found = found.count();
        assert!(found >= 5, "{}: found {found} times of 100", kind.name);
    }
}
