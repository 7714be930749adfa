//! A real cluster of five processes on this machine, asked as fast as its clients can, with nothing broken:
//! operations a second and latencies as the clients see them, the recording included.

use checkers::{Availability, Budget, Checker, Report};
use history::{Chance, jsonl};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tribunal::run::{Ending, Limits, Run};
use workloads::Settings;

fn ask(concurrency: u32, time: Duration) -> Report {
    let home = tempfile::tempdir().expect("there is a temporary directory");
    let program = Path::new(env!("CARGO_BIN_EXE_tribunal"));
    let system = systems::lookup("raft", program, None, false).expect("there is Raft");
    let mut cluster = live::Local::new(system, 5, home.path().to_owned(), 1);
    let settings = Settings { rate: None, time_limit: time, ..Settings::default() };
    let mut workload = workloads::lookup("register")
        .and_then(|entry| entry.workload(&settings, None, Chance::new(1)))
        .expect("there are registers");
    let limits = Limits {
        concurrency,
        time,
        patience: Duration::from_secs(5),
        heal: Duration::ZERO,
        finale: Duration::from_secs(10),
        healing: false,
    };
    let (mut written, stop) = (Vec::new(), AtomicBool::new(false));
    let mut watcher = |_: history::Time, _: &tribunal::tally::Tally| {};
    cluster::Cluster::start(&mut cluster).expect("it starts");
    let (plan, chance) = (nemesis::Plan::default(), Chance::new(1));
    let run = Run::new(&mut cluster, &mut workload, plan, limits, &mut written, &mut watcher, &stop, chance);
    let summary = run.expect("memory takes the header").go();
    assert_eq!(summary.ending, Ending::Complete);
    cluster::Cluster::stop(&mut cluster).expect("it stops");
    let reading = jsonl::read(&written[..]).expect("it is our own history");
    Availability.check(&reading.history, &Budget::default())
}

fn main() {
    for clients in [10, 40, 100] {
        println!("\nfive processes, {clients} clients");
        for (name, value) in ask(clients, Duration::from_secs(5)).measures {
            if name.contains("a second") || name.starts_with("latency") {
                println!("  {name}: {value}");
            }
        }
    }
}
