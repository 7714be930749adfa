//! A whole run in memory: no file, no terminal. For tests and benchmarks.

use crate::analyze::{Judgement, Subject, judge_history};
use crate::run::{Limits, Run, Summary};
use cluster::{Cluster, HarnessError};
use history::{Chance, FaultKind, History, jsonl};
use nemesis::Plan;
use protocols::raft::Raft;
use protocols::{Flaw, Options};
use sim::Simulation;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use workloads::Settings;

/// A simulated Raft cluster, asked for registers and broken.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Where all chance comes from.
    pub seed: u64,
    /// The bug it has.
    pub flaw: Option<Flaw>,
    /// How many nodes.
    pub nodes: u16,
    /// Calls a second, all workers together.
    pub rate: f64,
    /// The length of the main phase.
    pub time: Duration,
    /// What is broken.
    pub nemesis: Vec<FaultKind>,
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
    /// A minute of every fault, in quick succession.
    pub fn new(seed: u64) -> Trial {
        Trial {
            seed,
            flaw: None,
            nodes: 5,
            rate: 200.0,
            time: Duration::from_secs(60),
            nemesis: FaultKind::ALL.to_vec(),
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
        let chance = Chance::new(self.seed);
        let options = Options { flaw: self.flaw, ..Options::default() };
        let mut cluster = Simulation::<Raft>::new(self.nodes, options, &chance.split("cluster"));
        let settings = Settings { rate: Some(self.rate), time_limit: self.time, ops: None };
        let mut workload = workloads::lookup("register", &settings, chance.split("workload"))
            .ok_or_else(|| HarnessError::new("ask", "the register workload is gone"))?;
        let drawn = || nemesis::plan(&self.nemesis, self.interval, self.time, chance.split("plan"));
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

    /// Has what came of it judged, as a run on disk would be.
    ///
    /// # Errors
    /// If nobody knows how.
    pub fn judge(&self, outcome: &Outcome) -> Result<Judgement, HarnessError> {
        let (workload, nemesis) = ("register".to_owned(), self.nemesis.clone());
        let subject = Subject { workload, nemesis, covered: true, watched: true };
        judge_history(&outcome.history, &subject, Duration::from_secs(60))
    }
}
