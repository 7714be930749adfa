//! How fast the runner can ask and record: a cluster that answers at once, a workload without end, a history
//! on a real disk. Elements are operations.

use cluster::{Abilities, Arrival, Cluster, HarnessError};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use history::{Call, CallKind, Chance, Fault, Key, NodeId, Outcome, ProcessId, Reply, Time, Value};
use nemesis::Plan;
use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tribunal::run::{Ending, Limits, Run};
use workloads::{Context, Generator, Settings, Step, Workload};

/// A cluster that answers at once.
struct Instantly {
    began: Instant,
    answers: VecDeque<(ProcessId, Outcome)>,
}

impl Cluster for Instantly {
    fn nodes(&self) -> Vec<NodeId> {
        NodeId::all(5)
    }
    fn abilities(&self) -> Abilities {
        Abilities { calls: vec![CallKind::Read, CallKind::Write, CallKind::Cas], faults: Default::default() }
    }
    fn primaries(&self) -> Vec<NodeId> {
        vec![NodeId(1)]
    }
    fn serving(&self) -> Vec<NodeId> {
        NodeId::all(5)
    }
    fn now(&self) -> Time {
        Time(self.began.elapsed().as_nanos() as u64)
    }
    fn start(&mut self) -> Result<(), HarnessError> {
        Ok(())
    }
    fn invoke(&mut self, process: ProcessId, _: NodeId, call: Call, _: Duration) -> Result<(), HarnessError> {
        let reply = if call.is_read() { Reply::Read(Some(Value(1))) } else { Reply::Done };
        self.answers.push_back((process, Outcome::Ok(reply)));
        Ok(())
    }
    fn inject(&mut self, _: Fault) -> Result<(), HarnessError> {
        Ok(())
    }
    fn next(&mut self, _: Time) -> Result<Option<Arrival>, HarnessError> {
        Ok(self.answers.pop_front().map(|(process, outcome)| Arrival::Completed { process, outcome }))
    }
    fn stop(&mut self) -> Result<(), HarnessError> {
        Ok(())
    }
}

/// Writes and reads one register for ever.
struct Endless(i64);

impl Generator for Endless {
    fn next(&mut self, context: &Context<'_>) -> Step {
        self.0 += 1;
        let key = Key(0);
        let call =
            if self.0 % 2 == 0 { Call::Read { key } } else { Call::Write { key, value: Value(self.0) } };
        Step::Call { process: context.free[0], call, node: None }
    }
}

/// Asks nothing.
struct Silent;

impl Generator for Silent {
    fn next(&mut self, _: &Context<'_>) -> Step {
        Step::Done
    }
}

/// Runs for `time`; how many operations that made, and how much memory the process holds.
fn record(mut workload: Workload, time: Duration) -> (u64, u64) {
    let mut cluster = Instantly { began: Instant::now(), answers: VecDeque::new() };
    let limits = Limits {
        concurrency: 10,
        time,
        patience: Duration::from_secs(1),
        heal: Duration::ZERO,
        finale: Duration::ZERO,
        healing: false,
    };
    let directory =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    let sink = File::create(directory.path().join("history.jsonl")).expect("so is what is in it");
    let (stop, mut watcher) = (AtomicBool::new(false), |_: Time, _: &tribunal::tally::Tally| {});
    let chance = Chance::new(1);
    let run =
        Run::new(&mut cluster, &mut workload, Plan::default(), limits, sink, &mut watcher, &stop, chance);
    let summary = run.expect("the header is written").go();
    assert_eq!(summary.ending, Ending::Complete);
    (summary.tally.ok, resident())
}

/// The resident memory of this process, in kibibytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn endless() -> Workload {
    Workload {
        name: "endless",
        calls: vec![CallKind::Read, CallKind::Write],
        main: Box::new(Endless(0)),
        finale: Box::new(Silent),
        checkers: Vec::new(),
    }
}

fn register() -> Workload {
    let settings = Settings { rate: None, time_limit: Duration::from_secs(3600), ..Settings::default() };
    workloads::lookup("register")
        .and_then(|entry| entry.workload(&settings, None, Chance::new(1)))
        .expect("there are registers")
}

fn runner(criterion: &mut Criterion) {
    for (name, make) in [("endless", endless as fn() -> Workload), ("register", register)] {
        for seconds in [1, 4] {
            let (ops, memory) = record(make(), Duration::from_secs(seconds));
            println!("{name}: {seconds} s, {} operations a second, {memory} KiB resident", ops / seconds);
        }
        let mut group = criterion.benchmark_group("runner");
        group.sample_size(10).throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|operations| {
                // The time limit is what a run knows, so the time of one operation is taken from a fixed time.
                let (made, _) = record(make(), Duration::from_millis(300));
                Duration::from_millis(300).mul_f64(operations as f64 / made as f64)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, runner);
criterion_main!(benches);
