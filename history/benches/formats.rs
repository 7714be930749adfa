//! How many events a second are read from files of each kind. `cargo bench -p tribunal-history`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tribunal_history::formats::{Edn, Format, Options, scan};
use tribunal_history::{
    Call, Chance, Event, Got, History, Key, Mop, NodeId, Outcome, ProcessId, Reply, Time, Value, jsonl,
};

const CALLS: u64 = 100_000;

/// Registers, one call after the other.
fn registers(chance: &mut Chance) -> (Call, Reply) {
    let (key, value) = (Key(chance.below(10)), Value(chance.below(1_000_000) as i64));
    match chance.below(2) {
        0 => (Call::Read { key }, Reply::Read(Some(value))),
        _ => (Call::Write { key, value }, Reply::Done),
    }
}

/// Transactions of four parts over lists of five elements.
fn lists(chance: &mut Chance) -> (Call, Reply) {
    let part = |chance: &mut Chance| {
        let (key, value) = (Key(chance.below(10)), Value(chance.below(1_000_000) as i64));
        match chance.below(2) {
            0 => (Mop::Read { key }, Got::List(vec![value; 5])),
            _ => (Mop::Append { key, value }, Got::Done),
        }
    };
    let (mops, gots) = (0..4).map(|_| part(chance)).unzip();
    (Call::Txn { mops }, Reply::Txn(gots))
}

fn history(call: fn(&mut Chance) -> (Call, Reply)) -> History {
    let (mut history, mut chance) = (History::new(), Chance::new(1));
    for at in 0..CALLS {
        let process = ProcessId((at % 20) as u32);
        let (call, reply) = call(&mut chance);
        let invoke = Event::Invoke { process, node: NodeId(1), call };
        history.push(Time(at * 2_000), invoke).expect("it is idle");
        let complete = Event::Complete { process, outcome: Outcome::Ok(reply) };
        history.push(Time(at * 2_000 + 1_000), complete).expect("it is busy");
    }
    history
}

fn files(history: &History) -> [(Format, Vec<u8>); 2] {
    let mut ours = jsonl::Writer::new(Vec::new()).expect("memory takes it");
    let mut edn = Edn::new(Vec::new());
    for entry in history.entries() {
        ours.add(entry.time, entry.event.clone()).expect("memory takes it");
        edn.add(entry).expect("memory takes it");
    }
    let (ours, edn) = (ours.finish().expect("memory takes it"), edn.finish().expect("memory takes it"));
    [(Format::Jsonl, ours), (Format::Edn, edn)]
}

fn read(c: &mut Criterion) {
    for (name, call) in [("registers", registers as fn(&mut Chance) -> _), ("lists", lists)] {
        let mut group = c.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements(CALLS * 2));
        for (format, bytes) in files(&history(call)) {
            group.bench_with_input(BenchmarkId::from_parameter(format), &bytes, |b, bytes| {
                b.iter(|| {
                    let mut events = 0;
                    let scanned = scan(format, black_box(&bytes[..]), &Options::default(), |_, entry| {
                        black_box(entry);
                        events += 1;
                        Ok(())
                    });
                    assert!(scanned.is_ok() && events == CALLS * 2);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
