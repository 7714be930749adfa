//! One run: asks, breaks, records. The same for simulated and real clusters, line by line.
//!
//! The rule of the loop: arrivals first, then faults that are due, then new calls; everything is recorded, the
//! record is handed to the operating system in one write, and only then acted upon. A completion recorded late
//! or a call recorded early only widens an interval: it can hide an anomaly, never invent one.

use crate::tally::Tally;
use cluster::{Arrival, Cluster, HarnessError};
use history::jsonl::Writer;
use history::{
    Call, Chance, Digest, Event, Fault, FaultKind, Injection, NodeId, Outcome, Phase, ProcessId, Time,
};
use nemesis::{Intent, Plan};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use workloads::{Context, Step, Workload};

/// How far a run may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many workers ask at once.
    pub concurrency: u32,
    /// How long the main phase lasts.
    pub time: Duration,
    /// How long a client waits for an answer.
    pub patience: Duration,
    /// How long repairs may take, and then again how long until somebody leads.
    pub heal: Duration,
    /// How long the finale may take.
    pub finale: Duration,
    /// Whether faults are repaired at all.
    pub healing: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It went through all its phases.
    Complete,
    /// The user stopped it.
    Interrupted,
    /// A protocol broke its own invariant; nothing after that would mean anything.
    Violated,
    /// The harness itself failed.
    Failed(HarnessError),
}

/// What is known of a run without reading its history.
#[derive(Debug, Clone)]
pub struct Summary {
    /// How it ended.
    pub ending: Ending,
    /// What happened, counted.
    pub tally: Tally,
    /// The fingerprint of the history.
    pub digest: Digest,
    /// When it ended, on the recorder's clock.
    pub end: Time,
}

/// A run under way.
pub struct Run<'r, W: Write> {
    cluster: &'r mut dyn Cluster,
    workload: &'r mut Workload,
    plan: Vec<(Time, Intent)>,
    planned: usize,
    limits: Limits,
    writer: Writer<W>,
    watcher: &'r mut dyn FnMut(Time, &Tally),
    stop: &'r AtomicBool,
    chance: Chance,
    nodes: Vec<NodeId>,
    workers: Vec<Worker>,
    free: Vec<ProcessId>,
    tally: Tally,
    orders: Vec<Order>,
    injecting: usize,
    touched: BTreeSet<FaultKind>,
    violated: bool,
}

#[derive(Clone, Copy)]
struct Worker {
    process: ProcessId,
    busy: bool,
}

/// Something recorded, to be done once the record is safe.
enum Order {
    Call(ProcessId, NodeId, Call),
    Fault(Fault),
}

/// How long the loop may wait before it looks whether the user wants it to end.
const GLANCE: Duration = Duration::from_millis(100);

impl<'r, W: Write> Run<'r, W> {
    /// A run that has not begun. `watcher` is told how it goes, now and then; `stop` ends it early.
    ///
    /// # Errors
    /// If the history cannot be written.
    #[expect(clippy::too_many_arguments, reason = "it introduces everyone to one another")]
    pub fn new(
        cluster: &'r mut dyn Cluster,
        workload: &'r mut Workload,
        plan: Plan,
        limits: Limits,
        sink: W,
        watcher: &'r mut dyn FnMut(Time, &Tally),
        stop: &'r AtomicBool,
        chance: Chance,
    ) -> Result<Run<'r, W>, HarnessError> {
        let processes = (0..limits.concurrency).map(ProcessId);
        Ok(Run {
            nodes: cluster.nodes(),
            cluster,
            workload,
            plan: plan.0,
            planned: 0,
            limits,
            writer: Writer::new(sink).map_err(unwritable)?,
            watcher,
            stop,
            chance,
            workers: processes.clone().map(|process| Worker { process, busy: false }).collect(),
            free: processes.collect(),
            tally: Tally::default(),
            orders: Vec::new(),
            injecting: 0,
            touched: BTreeSet::new(),
            violated: false,
        })
    }

    /// Goes through all phases on a cluster that has been started. Whatever happens, what was recorded is kept.
    pub fn go(mut self) -> Summary {
        let ending = self.phases().unwrap_or_else(|error| {
            // A controlled end: what is broken is repaired as far as we still can.
            let _ = self.heal();
            Ending::Failed(error)
        });
        let kept = self.writer.commit();
        let ending = match (ending, kept) {
            (Ending::Failed(error), _) => Ending::Failed(error),
            (_, Err(error)) => Ending::Failed(unwritable(error)),
            (ending, Ok(())) => ending,
        };
        Summary { ending, digest: self.writer.digest(), end: self.cluster.now(), tally: self.tally }
    }

    fn phases(&mut self) -> Result<Ending, HarnessError> {
        self.enter(Phase::Main)?;
        let begin = self.cluster.now();
        self.ask_until(Phase::Main, begin, begin + self.limits.time)?;
        if !self.violated && self.limits.healing {
            self.enter(Phase::Heal)?;
            self.heal()?;
        }
        if !self.violated && !self.stopped() {
            self.enter(Phase::Final)?;
            let now = self.cluster.now();
            self.ask_until(Phase::Final, begin, now + self.limits.finale)?;
        }
        self.drain()?;
        if self.violated {
            return Ok(Ending::Violated);
        }
        if self.stopped() {
            return Ok(Ending::Interrupted);
        }
        self.enter(Phase::Done)?;
        Ok(Ending::Complete)
    }

    /// Asks what the generator of this phase wants, and in the main phase breaks what the plan wants.
    fn ask_until(&mut self, phase: Phase, begin: Time, end: Time) -> Result<(), HarnessError> {
        while self.cluster.now() < end && !self.stopped() && !self.violated {
            let mut until = end;
            if phase == Phase::Main {
                until = until.min(self.due_faults(begin)?);
            }
            match self.due_calls(phase)? {
                Step::Wait(time) => until = until.min(time),
                Step::Done if self.idle() && phase == Phase::Final => break,
                Step::Done | Step::Call { .. } => {}
            }
            self.obey()?;
            self.take(until)?;
        }
        Ok(())
    }

    /// Records the faults that are due, and says when the next one is.
    fn due_faults(&mut self, begin: Time) -> Result<Time, HarnessError> {
        while let Some((at, intent)) = self.plan.get(self.planned) {
            let due = begin + Duration::from_nanos(at.0);
            if due > self.cluster.now() {
                return Ok(due);
            }
            self.planned += 1;
            let resolved = nemesis::resolve(intent, &self.nodes, &self.cluster.primaries(), &mut self.chance);
            match resolved {
                Ok(fault) => self.order_fault(fault)?,
                Err(why) => {
                    let (fault, result) = (Box::new(nobody(intent)), Box::new(Injection::Skipped(why)));
                    self.record(Event::Injected { fault, result })?;
                }
            }
        }
        Ok(Time::NEVER)
    }

    /// Records the calls that are due, and says how the generator goes on.
    fn due_calls(&mut self, phase: Phase) -> Result<Step, HarnessError> {
        while !self.free.is_empty() {
            let context =
                Context { now: self.cluster.now(), free: &self.free, workers: self.limits.concurrency };
            let step = match phase {
                Phase::Main => self.workload.main.next(&context),
                _ => self.workload.finale.next(&context),
            };
            let Step::Call { process, call, node } = step else { return Ok(step) };
            let Some(at) = self.free.iter().position(|free| *free == process) else {
                return Err(HarnessError::new(
                    "ask",
                    format!("the workload calls through {process}, which is busy"),
                ));
            };
            self.free.remove(at);
            let worker = process.0 % self.limits.concurrency;
            self.workers[worker as usize].busy = true;
            let node = node.unwrap_or(self.nodes[worker as usize % self.nodes.len()]);
            self.record(Event::Invoke { process, node, call: call.clone() })?;
            self.orders.push(Order::Call(process, node, call));
        }
        Ok(Step::Wait(Time::NEVER))
    }

    fn order_fault(&mut self, fault: Fault) -> Result<(), HarnessError> {
        self.record(Event::Inject(Box::new(fault.clone())))?;
        self.touched.insert(fault.kind());
        self.injecting += 1;
        self.orders.push(Order::Fault(fault));
        Ok(())
    }

    /// Makes the record safe, then does what was recorded.
    fn obey(&mut self) -> Result<(), HarnessError> {
        self.writer.commit().map_err(unwritable)?;
        for order in self.orders.drain(..) {
            match order {
                Order::Call(process, node, call) => {
                    self.cluster.invoke(process, node, call, self.limits.patience)?;
                }
                Order::Fault(fault) => self.cluster.inject(fault)?,
            }
        }
        Ok(())
    }

    /// Lets time pass until something arrives; then takes everything that has.
    fn take(&mut self, until: Time) -> Result<(), HarnessError> {
        let now = self.cluster.now();
        (self.watcher)(now, &self.tally);
        let mut arrival = self.cluster.next(until.min(now + GLANCE))?;
        while let Some(arrived) = arrival {
            self.arrived(arrived)?;
            arrival = self.cluster.next(self.cluster.now())?;
        }
        Ok(())
    }

    fn arrived(&mut self, arrival: Arrival) -> Result<(), HarnessError> {
        match arrival {
            Arrival::Completed { process, outcome } => self.completed(process, outcome),
            Arrival::Injected { fault, result } => {
                self.injecting = self.injecting.saturating_sub(1);
                self.record(Event::Injected { fault: Box::new(fault), result: Box::new(result) })
            }
            Arrival::Died { node, how } => self.record(Event::Died { node, how }),
            Arrival::Violated(violation) => {
                self.violated = true;
                self.record(Event::Violated(Box::new(violation)))
            }
        }
    }

    fn completed(&mut self, process: ProcessId, outcome: Outcome) -> Result<(), HarnessError> {
        let worker = &mut self.workers[(process.0 % self.limits.concurrency) as usize];
        if worker.process != process || !worker.busy {
            return Err(HarnessError::new("take an outcome", format!("{process} has no call open")));
        }
        worker.busy = false;
        if outcome.is_unknown() {
            // Its call may take effect at any time: nobody may speak in its name again.
            worker.process = ProcessId(process.0 + self.limits.concurrency);
        }
        self.free.push(worker.process);
        self.record(Event::Complete { process, outcome })
    }

    /// Repairs everything that was ever touched, and waits until somebody leads again.
    fn heal(&mut self) -> Result<(), HarnessError> {
        for kind in self.touched.clone() {
            self.order_fault(Fault::Repair { kind })?;
        }
        self.obey()?;
        let limit = self.cluster.now() + self.limits.heal;
        while self.injecting > 0 && self.cluster.now() < limit {
            self.take(limit)?;
        }
        let limit = self.cluster.now() + self.limits.heal;
        while self.cluster.primaries().is_empty() && self.cluster.now() < limit && !self.violated {
            self.take(limit.min(self.cluster.now() + GLANCE))?;
        }
        Ok(())
    }

    /// Waits for calls and faults that are still open.
    fn drain(&mut self) -> Result<(), HarnessError> {
        let limit = self.cluster.now() + self.limits.patience + Duration::from_secs(1);
        while !(self.idle() && self.injecting == 0) && self.cluster.now() < limit && !self.violated {
            self.take(limit)?;
        }
        Ok(())
    }

    fn idle(&self) -> bool {
        self.free.len() == self.workers.len()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn enter(&mut self, phase: Phase) -> Result<(), HarnessError> {
        self.record(Event::Phase(phase))?;
        self.writer.commit().map_err(unwritable)
    }

    fn record(&mut self, event: Event) -> Result<(), HarnessError> {
        self.tally.count(&event);
        self.workload.main.observe(&event);
        self.workload.finale.observe(&event);
        self.writer.add(self.cluster.now(), event).map_err(unwritable)?;
        Ok(())
    }
}

/// The fault that an intent would have been, with no victim.
fn nobody(intent: &Intent) -> Fault {
    let nodes = Vec::new();
    match intent {
        Intent::Partition(shape) => Fault::Cut { shape: shape.name().to_owned(), links: Vec::new() },
        Intent::Kill(_) => Fault::Kill { nodes },
        Intent::Crash(_) => Fault::Crash { nodes },
        Intent::Pause(_) => Fault::Pause { nodes },
        Intent::Packets { trouble, .. } => Fault::Impair { links: Vec::new(), trouble: *trouble },
        Intent::Clock { jump_ms, rate_ppm, .. } => {
            Fault::Skew { nodes, jump_ms: *jump_ms, rate_ppm: *rate_ppm }
        }
        Intent::Disk { illness, .. } => Fault::Sicken { nodes, illness: *illness },
        Intent::Repair(kind) => Fault::Repair { kind: *kind },
    }
}

fn unwritable(error: std::io::Error) -> HarnessError {
    HarnessError::new("write the history", error)
        .advise("What was recorded before is kept: `tribunal check` judges it. Is the disk full?")
}
