//! How many operations a second are judged. `cargo bench -p tribunal-checkers`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tribunal_checkers::synthetic::registers::{STAY, Shape, simulate};
use tribunal_checkers::{Budget, Checker, Linearizable, Verdict};

fn judge(c: &mut Criterion, group: &str, cases: &[(&str, Shape)]) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    for (name, shape) in cases {
        let history = simulate(*shape, 1);
        group.throughput(Throughput::Elements(shape.ops as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &history, |b, history| {
            b.iter(|| {
                let budget = Budget::new(Duration::from_secs(60), 2 << 30);
                let report = Linearizable::default().check(black_box(history), &budget);
                assert_eq!(report.verdict, Verdict::Valid, "{}", report.summary);
            });
        });
    }
    group.finish();
}

/// Every value written once, so that no search is needed.
fn unique_values(c: &mut Criterion) {
    let million = Shape {
        ops: 1_000_000,
        clients: 10,
        keys: 1,
        rotate: STAY,
        values: None,
        unknown: 10,
        mix: [5, 3, 2],
    };
    let cases = [
        ("1 key", million),
        ("10 keys, then 10 others after 128 ops on each", Shape { keys: 10, rotate: 128, ..million }),
        ("100 keys", Shape { keys: 100, ..million }),
    ];
    judge(c, "unique values, 1M ops, 10 clients", &cases);
}

/// Five values written again and again, on one key.
fn repeated_values(c: &mut Criterion) {
    let shape =
        Shape { ops: 20_000, clients: 3, keys: 1, rotate: STAY, values: Some(5), unknown: 0, mix: [2, 1, 1] };
    let unknown = Shape { ops: 2_000, unknown: 5, ..shape };
    let cases = [
        ("3 clients", shape),
        ("5 clients", Shape { clients: 5, ..shape }),
        ("10 clients", Shape { clients: 10, ..shape }),
        ("5 clients, 2k ops, 0.5 % unknown", Shape { clients: 5, ..unknown }),
    ];
    judge(c, "5 values, 1 key", &cases);
}

criterion_group!(benches, unique_values, repeated_values);
criterion_main!(benches);
