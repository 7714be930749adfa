//! The command line as typed. What it means is decided in `test.rs`.

use crate::duration;
use clap::{Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use workloads::KeyDistribution;

/// Puts distributed systems on trial: deploys a cluster, breaks it, and judges what its clients saw.
#[derive(Debug, Parser)]
#[command(
    name = "tribunal",
    version,
    after_help = "Exit codes: 0 valid, 1 invalid, 2 unknown, 254 usage, 255 the harness itself failed."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deploy a system, drive a workload while faults happen, and judge the history
    Test(Box<TestArgs>),
    /// Judge a recorded run again
    Check(CheckArgs),
    /// Measure how fast the judges are, against what was promised and what others need
    Bench(BenchArgs),
    /// Say what can be chosen from
    List(ListArgs),
    /// Say what can be broken here, what cannot, and what to do about it
    Doctor(DoctorArgs),
    /// Remove what killed runs have left: mounts, containers, networks and images of ours, and all of ours on hosts
    Clean(CleanArgs),
    /// Run one reference node (what `test` deploys)
    #[command(hide = true)]
    Node(Box<node::NodeArgs>),
    /// Serve a controller on this machine (what `test --on ssh` deploys)
    #[command(hide = true)]
    Agent(agent::AgentArgs),
    /// Wait for the end of a controller and remove what it leaves (what `test` starts)
    #[command(hide = true)]
    Warden(WardenArgs),
}

/// `tribunal test`
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(after_help = "Examples:
  tribunal test raft
      five real processes on machines of their own, 30 seconds of partitions, kills, pauses and bad packets
  tribunal test raft --on sim --time-limit 60s --seed 7
      the same in the simulator, repeatable bit for bit
  tribunal test raft --on sim --flaw stale-local-reads
      a cluster with a known bug: ends with exit code 1 and the story of the anomaly
  tribunal test raft --nemesis kill --nodes 3 --rate 1000 --time-limit 2m
  tribunal test raft --nemesis partition:ring,kill:loop:primaries,kill@new-leader,clock:strobe
      a certain partition, crash loops of whoever leads, kills of whoever has just come to lead, clocks that jump to and fro
  tribunal test raft --on sim --swarm
      each seed breaks another mix of everything that can be broken")]
pub struct TestArgs {
    /// The system under test (see `tribunal list systems`)
    pub system: String,
    /// Where its nodes run
    #[arg(long, value_enum, default_value = "auto", value_name = "TARGET")]
    pub on: Target,
    /// What to ask (see `tribunal list workloads`) [default: the first that the system serves]
    #[arg(long)]
    pub workload: Option<String>,
    /// Hold the run against this instead of what the system claims (see `tribunal list workloads`)
    #[arg(long, value_name = "LEVEL")]
    pub expect: Option<String>,
    /// How many keys are in use at a time [default: the workload's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub keys: Option<u32>,
    /// How often each of them: uniform, zipf or exponential [default: the workload's]
    #[arg(long, value_name = "NAME")]
    pub key_dist: Option<KeyDistribution>,
    /// After so many calls a key is used no more [default: the workload's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub ops_per_key: Option<u32>,
    /// How many parts a transaction has: a number, or from-to such as 2-6 [default: 1-4]
    #[arg(long, value_name = "N", value_parser = txn_length)]
    pub txn_length: Option<TxnLength>,
    /// For how long a lock is got; `0s` is until it is let go [default: 500ms]
    #[arg(long, value_parser = lease, value_name = "SPAN")]
    pub lease: Option<Duration>,
    /// What to break: a list such as `partition,kill`, or `none`, or `all` that the target can and that a sound system
    /// survives (`damage` must be named: see `tribunal list nemeses`)
    /// [default: partition,kill,pause,packets]
    ///
    /// After `:` an item may say in which way, or whom it hits: `partition:ring`, `kill:loop`, `pause:primaries`,
    /// `partition:mute:n1+n3`; after `@` the moment to wait for: `kill@new-leader`. `tribunal list nemeses` says what
    /// there is, docs/NEMESIS.md more.
    #[arg(long, value_name = "LIST")]
    pub nemesis: Option<String>,
    /// Break what this file says, with weights, times and numbers (nemesis.toml, see docs/NEMESIS.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nemesis", "plan"])]
    pub nemesis_file: Option<PathBuf>,
    /// Let each seed draw what it breaks of all that could be, how fast, and how many nodes, as far as that is not said
    #[arg(long, conflicts_with = "plan")]
    pub swarm: bool,
    /// If the target cannot make a fault that is asked for, go on without it; the story says so
    #[arg(long)]
    pub allow_missing: bool,
    /// Follow this plan (the plan.json of another run, or one of yours) instead of drawing one
    #[arg(long, value_name = "FILE", conflicts_with = "nemesis")]
    pub plan: Option<PathBuf>,
    /// How containers are made
    #[command(flatten)]
    pub engine: EngineArgs,
    /// How hosts are reached
    #[command(flatten)]
    pub ssh: SshArgs,
    /// How many nodes [default: 5; over SSH as many as there are hosts, and if fewer are typed the other hosts stand by]
    #[arg(long, value_name = "N")]
    pub nodes: Option<u16>,
    /// How many clients at once: a number, or a multiple of the nodes such as 2n
    #[arg(long, default_value = "2n", value_name = "N")]
    pub concurrency: String,
    /// How many calls a second all clients make together; 0 is as many as they can
    #[arg(long, default_value_t = 200.0, value_name = "OPS", allow_negative_numbers = true)]
    pub rate: f64,
    /// How long clients ask and the nemesis breaks
    #[arg(long, default_value = "30s", value_parser = duration::parse, value_name = "SPAN")]
    pub time_limit: Duration,
    /// How long a fault of a kind lasts, and how long it is quiet after it, on average [default: 5s]
    #[arg(long, value_parser = duration::parse, value_name = "SPAN")]
    pub nemesis_interval: Option<Duration>,
    /// How long a client waits for an answer before it calls the outcome unknown
    #[arg(long, default_value = "1s", value_parser = duration::parse, value_name = "SPAN")]
    pub timeout: Duration,
    /// Clients that heard nothing, or were turned away, send the same call again, to another node, until the timeout
    #[arg(long)]
    pub retry: bool,
    /// Where all chance of the run comes from [default: drawn, and said]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Give the system this known bug (see `tribunal list flaws`)
    #[arg(long, value_name = "NAME")]
    pub flaw: Option<String>,
    /// Leave faults in place at the end; the final reads then meet a broken cluster
    #[arg(long)]
    pub no_heal: bool,
    /// End the main phase as soon as it is certain that the verdict is invalid [default: in CI]
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub fail_fast: Option<bool>,
    /// Where runs are kept
    #[arg(long, default_value = "store", value_name = "DIR", env = "TRIBUNAL_STORE")]
    pub store: PathBuf,
    /// How long judging may take before it gives up with `unknown`
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "SPAN")]
    pub time_budget: Duration,
}

/// `tribunal check`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  tribunal check store/latest
      judges a run again, by the checkers of its workload
  tribunal check store/raft-register/latest/history.jsonl --model register
  tribunal check *.edn --json
      histories of Jepsen; what they are about is guessed from their calls, one line for each
  tribunal check history.edn.gz --model list-append --expect snapshot-isolation
  tribunal check good/*.edn --model register --initial 0 --nil-is-unknown
      as Knossos understands its own test data

Several files end with the worst code: 1 before 255, 254, 2 and 0.
docs/FORMATS.md says what is understood of each format.")]
pub struct CheckArgs {
    /// Run directories, or histories in any known format, packed by gzip or zstd or not
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Judge by the checkers of this workload (see `tribunal list workloads`) [default: as test.json says]
    #[arg(long, conflicts_with = "model")]
    pub workload: Option<String>,
    /// Hold the history against this model (see `tribunal list models`) [default: guessed from the calls]
    #[arg(long)]
    pub model: Option<String>,
    /// What the model, or the workload, promises (see `tribunal list models`) [default: the most it can]
    #[arg(long, value_name = "LEVEL")]
    pub expect: Option<String>,
    /// How long judging one history may take before it gives up with `unknown`
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "SPAN")]
    pub time_budget: Duration,
    /// How much memory judging one history may take before it gives up with `unknown`
    #[arg(long, default_value = "2GiB", value_parser = bytes, value_name = "BYTES")]
    pub memory_budget: usize,
    /// What the files are: auto, jsonl, compact, edn, json, log, dbcop, plume or awdit
    #[arg(long, default_value = "auto", value_parser = format)]
    pub format: FileFormat,
    /// What every register holds in the beginning [default: nothing]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub initial: Option<i64>,
    /// A register that was read as nil is one of which nobody knows what it held
    #[arg(long)]
    pub nil_is_unknown: bool,
    /// What nodes wrote down about transactions, for the model atomicity (see docs/FORMATS.md)
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
    /// What no line of a log may match, for the model log-pattern [default: panics, races, failed assertions]
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,
    /// Write the whole story of each history, and a picture of each anomaly, to files in this directory
    #[arg(long, value_name = "DIR")]
    pub explain: Option<PathBuf>,
    /// For programs: one JSON object a line for each file
    #[arg(long)]
    pub json: bool,
}

/// A format, or none if it is to be told from the file.
pub type FileFormat = Option<history::formats::Format>;

fn format(name: &str) -> Result<FileFormat, String> {
    match name {
        "auto" => Ok(None),
        name => name.parse().map(Some),
    }
}

/// How many parts a transaction has, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxnLength(pub u32, pub u32);

impl fmt::Display for TxnLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// `4` or `1-4`.
fn txn_length(text: &str) -> Result<TxnLength, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) if 1 <= least && least <= most && most <= 100 => Ok(TxnLength(least, most)),
        _ => Err(format!("{text:?} is no length such as 4 or 1-4, of 1 to 100 parts")),
    }
}

/// A span of whole milliseconds.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration::parse(text)?;
    match lease.subsec_nanos() % 1_000_000 {
        0 => Ok(lease),
        _ => Err(format!("{text:?} is no lease such as 500ms or 2s, in whole milliseconds")),
    }
}

/// A number of bytes as people type it: `2GiB`, `512MiB`, `1000000`.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(format!("{text:?} is not a number of bytes such as 512MiB or 2GiB")),
    };
    let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << shift));
    number
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("{text:?} is not a number of bytes such as 512MiB or 2GiB"))
}

/// `tribunal bench`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  tribunal bench checkers
      the whole table: some minutes, up to 3 GiB
  tribunal bench checkers --quick --filter register
      rows whose name says so, the quick ones
  tribunal bench checkers --json
      one JSON object a line: the machine, then each row
  tribunal bench protocols
      every protocol in simulation: calls a second, latency, messages, and how available it stays under its faults

A goal that is missed is marked. A wrong verdict ends with exit code 1, one that was not found with 2.")]
pub struct BenchArgs {
    /// What is measured
    #[arg(value_enum)]
    pub what: Benched,
    /// Only rows with this in their name
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Only rows that take a second or so
    #[arg(long, conflicts_with = "large")]
    pub quick: bool,
    /// Also rows that take minutes and some 10 GiB
    #[arg(long)]
    pub large: bool,
    /// For programs: one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Where the real histories of the field are, with their MANIFEST.tsv
    /// [default: ../shared/corpus beside the sources]
    #[arg(long, value_name = "DIR", env = "TRIBUNAL_CORPUS")]
    pub corpus: Option<PathBuf>,
    /// Measure this row in this process, for the one that asked
    #[arg(long, hide = true, requires = "file")]
    pub measure: Option<String>,
    /// What it is to judge
    #[arg(long, hide = true)]
    pub file: Option<PathBuf>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Benched {
    /// How fast histories are read and judged
    Checkers,
    /// How fast the protocols are in simulation, and how available under faults
    Protocols,
}

/// `tribunal list`
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// What to list; everything if not said
    #[arg(value_enum)]
    pub what: Option<Topic>,
}

/// How containers are made.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct EngineArgs {
    /// The container engine's command: docker, or one that takes the same arguments
    #[arg(long, default_value = "docker", value_name = "COMMAND")]
    pub docker_command: String,
    /// A static build of this program, for containers, if this one is not (see docs/DOCKER.md)
    #[arg(long, value_name = "FILE", env = "TRIBUNAL_STATIC")]
    pub static_binary: Option<PathBuf>,
    /// For --on docker, containers of yours that run and have a node each, in the order of their nodes: they are broken
    /// and healed, never made or removed (see docs/DOCKER.md)
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub containers: Vec<String>,
}

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct SshArgs {
    /// The file of hosts, for --on ssh (see docs/SSH.md)
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Whom to log in as, where the file of hosts does not say [default: you]
    #[arg(long, value_name = "USER")]
    pub ssh_user: Option<String>,
    /// The port of every sshd, where the file of hosts does not say
    #[arg(long, default_value_t = 22, value_name = "PORT")]
    pub ssh_port: u16,
    /// A private key [default: the ssh-agent's, then the usual ones in ~/.ssh]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The password to try when no key was accepted
    #[arg(long, env = "TRIBUNAL_SSH_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// The hosts' keys that are known [default: ~/.ssh/known_hosts]
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Believe, and write down, the keys of hosts that were never seen
    #[arg(long)]
    pub accept_new_hosts: bool,
    /// Become root by `sudo -n` on the hosts
    #[arg(long)]
    pub sudo: bool,
    /// Our directory on each host
    #[arg(long, default_value = "/var/tmp/tribunal", value_name = "DIR")]
    pub remote_dir: String,
}

/// `tribunal warden`
#[derive(Debug, Clone, clap::Args)]
pub struct WardenArgs {
    /// The controller's process
    #[arg(long, value_name = "PID")]
    pub controller: u32,
    /// The run's directory
    #[arg(long, value_name = "DIR")]
    pub directory: PathBuf,
    /// The container engine's command, if containers are made
    #[arg(long, value_name = "COMMAND")]
    pub docker_command: Option<String>,
}

/// `tribunal clean`
#[derive(Debug, Clone, clap::Args)]
pub struct CleanArgs {
    /// How containers are made
    #[command(flatten)]
    pub engine: EngineArgs,
    /// How hosts are reached
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// `tribunal doctor`
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    /// How hosts are reached
    #[command(flatten)]
    pub ssh: SshArgs,
    /// How containers are made
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Look at this target only
    #[arg(long, value_enum, value_name = "TARGET")]
    pub on: Option<Target>,
    /// How many of the hosts are to be nodes; the others stand by to join [default: all]
    #[arg(long)]
    pub nodes: Option<u16>,
}

/// Where a cluster can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Network namespaces where they can be had, else local processes
    Auto,
    /// A deterministic simulation in virtual time
    Sim,
    /// Real processes on this machine, every link through a proxy
    Local,
    /// Real processes, each on a machine of its own made of namespaces: cut and impaired by the kernel
    Netns,
    /// Real processes, each in a container
    Docker,
    /// Real processes on machines that you have (--hosts)
    Ssh,
}

impl Target {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    /// What can be tested
    Systems,
    /// What can be asked
    Workloads,
    /// What can be broken
    Nemeses,
    /// Where clusters can run
    Targets,
    /// Known bugs that a system can be given
    Flaws,
    /// What a history of any origin can be held against
    Models,
}
