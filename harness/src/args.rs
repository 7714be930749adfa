//! The command line as typed. What it means is decided in `test.rs`.

use crate::duration;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

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
}

/// `tribunal test`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  tribunal test raft
      five real processes on machines of their own, 30 seconds of partitions, kills, pauses and bad packets
  tribunal test raft --on sim --time-limit 60s --seed 7
      the same in the simulator, repeatable bit for bit
  tribunal test raft --on sim --flaw stale-local-reads
      a cluster with a known bug: ends with exit code 1 and the story of the anomaly
  tribunal test raft --nemesis kill --nodes 3 --rate 1000 --time-limit 2m")]
pub struct TestArgs {
    /// The system under test (see `tribunal list systems`)
    pub system: String,
    /// Where its nodes run
    #[arg(long, value_enum, default_value = "auto", value_name = "TARGET")]
    pub on: Target,
    /// What to ask (see `tribunal list workloads`)
    #[arg(long, default_value = "register")]
    pub workload: String,
    /// What to break: a list such as `partition,kill`, or `none`, or `all` that the target can
    /// [default: partition,kill,pause,packets]
    #[arg(long, value_name = "LIST")]
    pub nemesis: Option<String>,
    /// If the target cannot make a fault that is asked for, go on without it; the story says so
    #[arg(long)]
    pub allow_missing: bool,
    /// Follow this plan (a plan.json of another run) instead of drawing one
    #[arg(long, value_name = "FILE", conflicts_with = "nemesis")]
    pub plan: Option<PathBuf>,
    /// How containers are made
    #[command(flatten)]
    pub engine: EngineArgs,
    /// How hosts are reached
    #[command(flatten)]
    pub ssh: SshArgs,
    /// How many nodes; over SSH, one on each host
    #[arg(long, default_value_t = 5)]
    pub nodes: u16,
    /// How many clients at once: a number, or a multiple of the nodes such as 2n
    #[arg(long, default_value = "2n", value_name = "N")]
    pub concurrency: String,
    /// How many calls a second all clients make together; 0 is as many as they can
    #[arg(long, default_value_t = 200.0, value_name = "OPS", allow_negative_numbers = true)]
    pub rate: f64,
    /// How long clients ask and the nemesis breaks
    #[arg(long, default_value = "30s", value_parser = duration::parse, value_name = "SPAN")]
    pub time_limit: Duration,
    /// How long a fault of a kind lasts, and how long it is quiet after it, on average
    #[arg(long, default_value = "5s", value_parser = duration::parse, value_name = "SPAN")]
    pub nemesis_interval: Duration,
    /// How long a client waits for an answer before it calls the outcome unknown
    #[arg(long, default_value = "1s", value_parser = duration::parse, value_name = "SPAN")]
    pub timeout: Duration,
    /// Where all chance of the run comes from [default: drawn, and said]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Give the system this known bug (see `tribunal list flaws`)
    #[arg(long, value_name = "NAME")]
    pub flaw: Option<String>,
    /// Leave faults in place at the end; the final reads then meet a broken cluster
    #[arg(long)]
    pub no_heal: bool,
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
  tribunal check store/raft-register/latest/history.jsonl")]
pub struct CheckArgs {
    /// A run directory, or a history.jsonl
    pub run: PathBuf,
    /// How to judge, if no test.json beside the history says so
    #[arg(long)]
    pub workload: Option<String>,
    /// How long judging may take before it gives up with `unknown`
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "SPAN")]
    pub time_budget: Duration,
}

/// `tribunal list`
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// What to list; everything if not said
    #[arg(value_enum)]
    pub what: Option<Topic>,
}

/// How containers are made.
#[derive(Debug, Clone, clap::Args)]
pub struct EngineArgs {
    /// The container engine's command: docker, or one that takes the same arguments
    #[arg(long, default_value = "docker", value_name = "COMMAND")]
    pub docker_command: String,
    /// A static build of this program, for containers, if this one is not (see docs/DOCKER.md)
    #[arg(long, value_name = "FILE", env = "TRIBUNAL_STATIC")]
    pub static_binary: Option<PathBuf>,
}

/// How hosts are reached.
#[derive(Debug, Clone, clap::Args)]
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
}
