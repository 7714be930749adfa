//! How much cluster life the simulator makes of a second: a five-node Raft cluster under every fault, asked 50
//! times a second. Elements are virtual seconds, then messages between nodes.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tribunal::trial::Trial;

const VIRTUAL: u64 = 200;

fn trial() -> Trial {
    let interval = Duration::from_secs(5);
    Trial { rate: 50.0, time: Duration::from_secs(VIRTUAL), interval, ..Trial::new(1) }
}

fn simulator(criterion: &mut Criterion) {
    let messages = trial().run().expect("the simulator works").messages;
    let mut group = criterion.benchmark_group("simulator");
    group.sample_size(20);
    for (name, elements) in [("virtual seconds", VIRTUAL), ("messages", messages)] {
        group.throughput(Throughput::Elements(elements));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                trial,
                |trial| trial.run().expect("the simulator works"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, simulator);
criterion_main!(benches);
