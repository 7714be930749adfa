//! A whole run in memory: no file, no terminal. For tests and benchmarks.

use crate::analyze::{Judgement, MEMORY, Subject, judge_history};
use crate::breaking::survived;
use crate::run::{Limits, Run, Summary};
use crate::target::SPARES;
use cluster::{Abilities, Cluster, HarnessError};
use history::{Chance, FaultKind, History, jsonl};
use nemesis::{Plan, Wish, Wishes};
use protocols::catalog::{self, Visitor};
use protocols::{Compaction, Flaw, Options, Protocol};
use sim::Simulation;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use workloads::Settings;

/// A simulated cluster, asked and broken.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What it runs.
    pub protocol: &'static str,
    /// Where all chance comes from.
    pub seed: u64,
    /// The bug it has.
    pub flaw: Option<Flaw>,
    /// When nodes take snapshots.
    pub compaction: Compaction,
    /// What it is asked.
    pub workload: &'static str,
    /// Whether clients that heard nothing ask again.
    pub retry: bool,
    /// How many nodes.
    pub nodes: u16,
    /// How many more could join.
    pub spares: u16,
    /// Calls a second, all workers together.
    pub rate: f64,
    /// The length of the main phase.
    pub time: Duration,
    /// What is broken.
    pub nemesis: Vec<Wish>,
    /// How long a client waits.
    pub patience: Duration,
    /// How long a fault lasts, on average.
    pub interval: Duration,
    /// A plan to follow instead of drawing one.
    pub plan: Option<Plan>,
}

/// What came of a trial.
pub struct Outcome {
    /// How the run ended.
    pub summary: Summary,
    /// What happened.
    pub history: History,
    /// The plan that was followed.
    pub plan: Plan,
    /// How many messages the nodes sent.
    pub messages: u64,
}

impl Trial {
    /// A minute of Raft under every fault, in quick succession.
    pub fn new(seed: u64) -> Trial {
        Trial::of("raft", seed)
    }

    /// A minute of this protocol under every fault that it says it survives, in quick succession, asked by the first
    /// workload that it serves.
    pub fn of(protocol: &'static str, seed: u64) -> Trial {
        let everything = FaultKind::ALL.into_iter().map(|kind| (kind, Ok(()))).collect();
        let abilities = Abilities { calls: Vec::new(), faults: everything };
        let serves = catalog::lookup(protocol).map_or(&[][..], |entry| entry.serves);
        Trial {
            protocol,
            seed,
            flaw: None,
            compaction: Compaction::default(),
            workload: workloads::first_served(serves).map_or("register", |entry| entry.name),
            retry: false,
            nodes: 5,
            spares: SPARES,
            rate: 200.0,
            time: Duration::from_secs(60),
            nemesis: survived(protocol, &abilities),
            patience: Duration::from_secs(1),
            interval: Duration::from_millis(500),
            plan: None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If the harness itself fails.
    pub fn run(&self) -> Result<Outcome, HarnessError> {
        let outcome = catalog::visit(self.protocol, Running(self));
        outcome.unwrap_or_else(|| {
            Err(HarnessError::new(format!("run {}", self.protocol), "there is no such protocol"))
        })
    }

    fn run_as<P: Protocol>(&self) -> Result<Outcome, HarnessError> {
        let chance = Chance::new(self.seed);
        let options = Options { flaw: self.flaw, compaction: self.compaction, ..Options::default() };
        let cluster = Simulation::<P>::new(self.nodes, self.spares, options, &chance.split("cluster"));
        let mut cluster = if self.retry { cluster.insisting() } else { cluster };
        let settings = Settings { rate: Some(self.rate), time_limit: self.time, ..Settings::default() };
        let mut workload = workloads::lookup(self.workload)
            .and_then(|entry| entry.workload(&settings, self.level(), chance.split("workload")))
            .map_err(|why| HarnessError::new(format!("ask {:?}", self.workload), why))?;
        let wishes = || Wishes::new(self.nemesis.clone(), self.interval);
        let drawn = || nemesis::plan(&wishes(), self.time, chance.split("plan"));
        let plan = self.plan.clone().unwrap_or_else(drawn);
        let limits = Limits {
            concurrency: 2 * u32::from(self.nodes),
            time: self.time,
            patience: self.patience,
            heal: Duration::from_secs(15),
            finale: Duration::from_secs(60),
            healing: true,
        };
        let (mut written, stop) = (Vec::new(), AtomicBool::new(false));
        let mut watcher = |_: history::Time, _: &crate::tally::Tally| {};
        cluster.start()?;
        let run = Run::new(
            &mut cluster,
            &mut workload,
            plan.clone(),
            limits,
            &mut written,
            &mut watcher,
            &stop,
            chance.split("nemesis"),
        )?;
        let summary = run.go();
        let reading = jsonl::read(&written[..]).map_err(|error| HarnessError::new("read it back", error))?;
        Ok(Outcome { summary, history: reading.history, plan, messages: cluster.messages() })
    }

    /// What it is held against: what the protocol claims, or if it claims nothing of the kind, the most that there is.
    fn level(&self) -> Option<&'static str> {
        let claims = catalog::lookup(self.protocol).map_or(&[][..], |entry| entry.claims);
        workloads::lookup(self.workload).ok()?.level_of(claims)
    }

    /// Has what came of it judged, as a run on disk would be.
    ///
    /// # Errors
    /// If nobody knows how.
    pub fn judge(&self, outcome: &Outcome) -> Result<Judgement, HarnessError> {
        let nemesis = Wishes::new(self.nemesis.clone(), self.interval).kinds();
        let workload = self.workload.to_owned();
        let expect = self.level().map(str::to_owned);
        let subject = Subject { workload, expect, nemesis, covered: true, watched: true };
        judge_history(&outcome.history, &subject, Duration::from_secs(60), MEMORY)
    }
}

/// Runs a trial of whatever protocol it sees.
struct Running<'a>(&'a Trial);

impl Visitor for Running<'_> {
    type Out = Result<Outcome, HarnessError>;

    fn visit<P: Protocol>(self) -> Result<Outcome, HarnessError> {
        self.0.run_as::<P>()
    }
}
