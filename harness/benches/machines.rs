//! How long it takes to deploy five nodes and to make and to heal a partition of them, on each target that is there:
//! from the order until the evidence is in, which includes a packet of ours that crosses each link and what the
//! counters say of it.
//!
//! Containers need `TRIBUNAL_STATIC` (see docs/DOCKER.md); hosts need `TRIBUNAL_MACHINES`, a directory that
//! `scripts/ssh-machines up` has made. All need root.

use cluster::{Arrival, Cluster, System};
use history::{Fault, FaultKind, Injection, Link, NodeId};
use live::ssh::{HostLine, SshOptions};
use live::{Containers, DockerOptions, Live, Local, Netns, Remotes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NODES: u16 = 5;
const DEPLOYMENTS: usize = 3;
const PARTITIONS: usize = 30;

fn system() -> Arc<dyn System> {
    systems::lookup("raft", program(), None, false).expect("there is Raft")
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tribunal"))
}

/// Makes a fault; how long it took until it was seen.
fn inject(cluster: &mut dyn Cluster, fault: Fault) -> Duration {
    let begin = Instant::now();
    cluster.inject(fault.clone()).expect("it can be asked for");
    loop {
        let limit = cluster.now() + Duration::from_secs(20);
        match cluster.next(limit).expect("it goes on").expect("it is answered") {
            Arrival::Injected { fault: made, result } if made == fault => {
                assert!(matches!(result, Injection::Installed(_)), "{fault}: {result}");
                return begin.elapsed();
            }
            _ => {}
        }
    }
}

fn halves() -> Fault {
    let across = |from: u16, to: u16| [(from, to), (to, from)];
    let links =
        [1, 2].into_iter().flat_map(|one| [3, 4, 5].into_iter().flat_map(move |other| across(one, other)));
    let links = links.map(|(from, to)| Link { from: NodeId(from), to: NodeId(to) }).collect();
    Fault::Cut { shape: "halves".to_owned(), links }
}

fn middle_and_tail(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    format!("median {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}

fn measure(name: &str, prepare: impl Fn(PathBuf) -> Box<dyn Cluster>) {
    let (mut deployed, mut cut, mut healed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..DEPLOYMENTS {
        let home = tempfile::tempdir().expect("there is a temporary directory");
        let mut cluster = prepare(home.path().canonicalize().expect("it is there"));
        let begin = Instant::now();
        cluster.start().expect("it starts");
        deployed.push(begin.elapsed());
        for _ in 0..PARTITIONS / DEPLOYMENTS {
            cut.push(inject(cluster.as_mut(), halves()));
            healed.push(inject(cluster.as_mut(), Fault::Repair { kind: FaultKind::Partition }));
        }
        cluster.stop().expect("it stops");
    }
    deployed.sort();
    let middle = deployed[deployed.len() / 2].as_secs_f64();
    println!(
        "{name}: {NODES} nodes deployed, leading and ready in {middle:.2} s, {:.1} a second",
        f64::from(NODES) / middle
    );
    println!("{name}: halves made and seen: {}", middle_and_tail(cut));
    println!("{name}: halves healed and seen: {}", middle_and_tail(healed));
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("local") {
        measure("local", |home| Box::new(Local::new(system(), NODES, home, 1)));
    }
    if wants("netns") {
        match live::netns_ability() {
            Ok(()) => measure("netns", |home| Box::new(Netns::new(system(), NODES, home, 1))),
            Err(why) => println!("netns: not measured: {why}"),
        }
    }
    if wants("docker") {
        let program = std::env::var_os("TRIBUNAL_STATIC").map(PathBuf::from);
        let options = DockerOptions { program, ..DockerOptions::default() };
        match options.can() {
            Ok(()) => measure("docker", |home| {
                Box::new(Live::on(Containers(options.clone()), system(), NODES, home, 1))
            }),
            Err(why) => println!("docker: not measured: {why}"),
        }
    }
    if wants("ssh") {
        match std::env::var_os("TRIBUNAL_MACHINES").map(PathBuf::from) {
            Some(machines) => measure("ssh", |home| over_ssh(&machines, home)),
            None => println!("ssh: not measured: TRIBUNAL_MACHINES names no machines"),
        }
    }
}

fn over_ssh(machines: &Path, home: PathBuf) -> Box<dyn Cluster> {
    let options = SshOptions {
        user: "root".to_owned(),
        key: Some(machines.join("key")),
        agent: false,
        known_hosts: Some(machines.join("known_hosts")),
        program: Some(program().to_owned()),
        ..SshOptions::default()
    };
    let hosts = HostLine::read(&machines.join("hosts")).expect("they are named");
    Box::new(Live::on(Remotes::new(hosts, options), system(), NODES, home, 1))
}
