//! How many transactions a second are judged. `cargo bench -p tribunal-checkers --bench transactions`.
//!
//! `TRIBUNAL_TRANSACTIONS=10000000` adds a history of that length to the healthy ones.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tribunal_checkers::synthetic::transactions::{Database, Objects, Shape, simulate};
use tribunal_checkers::{Budget, Checker, Isolation, ListAppend, RwRegister, Verdict};

/// What is measured: whose verdict on which histories.
struct Case<'c> {
    name: &'c str,
    sizes: &'c [usize],
    database: Database,
    checker: Box<dyn Checker>,
    verdict: Verdict,
}

fn judge(c: &mut Criterion, case: &Case<'_>) {
    let mut group = c.benchmark_group(case.name);
    group.sample_size(10);
    group.warm_up_time(Duration::from_secs(1));
    for size in case.sizes {
        let objects = match case.checker.name() {
            "rw-register" => Objects::Registers,
            _ => Objects::Lists,
        };
        let history = simulate(Shape { txns: *size, objects, database: case.database, planted: false }, 1);
        group.throughput(Throughput::Elements(*size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &history, |b, history| {
            b.iter(|| {
                let mut hearing = case.checker.open().expect("it hears event by event");
                black_box(history)
                    .entries()
                    .iter()
                    .enumerate()
                    .for_each(|(at, entry)| hearing.hear(at, entry));
                let report = hearing.close(&Budget::new(Duration::from_secs(60), 8 << 30));
                assert_eq!(report.verdict, case.verdict, "{}", report.summary);
            });
        });
    }
    group.finish();
}

fn lists(expect: Isolation) -> Box<dyn Checker> {
    Box::new(ListAppend::new(expect))
}

fn healthy(c: &mut Criterion) {
    let mut sizes = vec![10_000, 100_000, 1_000_000];
    let more = std::env::var("TRIBUNAL_TRANSACTIONS").ok().and_then(|text| text.parse().ok());
    sizes.extend(more.into_iter().collect::<Vec<usize>>());
    let (database, verdict) = (Database::Strict, Verdict::Valid);
    let strict = Isolation::StrictSerializable;
    judge(
        c,
        &Case {
            name: "lists, strict serializable",
            sizes: &sizes,
            database,
            checker: lists(strict),
            verdict,
        },
    );
    for expect in [strict, Isolation::Serializable, Isolation::SnapshotIsolation, Isolation::Causal] {
        let name = format!("registers, {expect}");
        let checker = Box::new(RwRegister::new(expect));
        judge(c, &Case { name: &name, sizes: &[10_000, 100_000], database, checker, verdict });
    }
}

fn faulty(c: &mut Criterion) {
    let (sizes, verdict) = (&[10_000, 100_000], Verdict::Invalid);
    let strict = || lists(Isolation::StrictSerializable);
    let name = "lists, snapshots judged as strict serializable";
    judge(c, &Case { name, sizes, database: Database::Snapshot, checker: strict(), verdict });
    judge(
        c,
        &Case {
            name: "lists, one giant component",
            sizes,
            database: Database::Stale(3),
            checker: strict(),
            verdict,
        },
    );
}

criterion_group!(benches, healthy, faulty);
criterion_main!(benches);
