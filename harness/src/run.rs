//! One run: asks, breaks, records. The same for simulated and real clusters, line by line.
//!
//! The rule of the loop: arrivals first, then faults that are due, then new calls; everything is recorded, the
//! record is handed to the operating system in one write, and only then acted upon. A completion recorded late
//! or a call recorded early only widens an interval: it can hide an anomaly, never invent one.

use crate::clocks::Clocks;
use crate::tally::Tally;
use cluster::{Arrival, Cluster, HarnessError};
use history::jsonl::Writer;
use history::{
    Call, Chance, Digest, Event, Fault, FaultKind, Injection, NodeId, Outcome, Phase, ProcessId, Time,
};
use nemesis::{Act, Course, Plan, Sight};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
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
    plan: Plan,
    limits: Limits,
    writer: Writer<W>,
    watcher: &'r mut dyn FnMut(Time, &Tally),
    stop: &'r AtomicBool,
    enough: Option<Arc<AtomicBool>>,
    chance: Chance,
    nodes: Vec<NodeId>,
    workers: Vec<Worker>,
    free: Vec<ProcessId>,
    tally: Tally,
    orders: Vec<Order>,
    injecting: usize,
    touched: BTreeSet<FaultKind>,
    violated: bool,
    clocks: Option<&'r mut Clocks>,
    /// When the clocks were last looked at.
    looked: Time,
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
/// How long it may wait before it looks whether a moment has come for which a fault waits.
const BLINK: Duration = Duration::from_millis(2);

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
            plan,
            limits,
            writer: Writer::new(sink).map_err(unwritable)?,
            watcher,
            stop,
            enough: None,
            chance,
            workers: processes.clone().map(|process| Worker { process, busy: false }).collect(),
            free: processes.collect(),
            tally: Tally::default(),
            orders: Vec::new(),
            injecting: 0,
            touched: BTreeSet::new(),
            violated: false,
            clocks: None,
            looked: Time::ZERO,
        })
    }

    /// The main phase ends as soon as `enough` is set; everything else goes on as always.
    #[must_use]
    pub fn until(mut self, enough: Arc<AtomicBool>) -> Run<'r, W> {
        self.enough = Some(enough);
        self
    }

    /// It also writes down what the nodes' clocks show.
    #[must_use]
    pub fn with_clocks(mut self, clocks: &'r mut Clocks) -> Run<'r, W> {
        self.clocks = Some(clocks);
        self
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
        let mut course = Course::new(std::mem::take(&mut self.plan), begin, self.chance.clone());
        self.ask_until(Phase::Main, Some(&mut course), begin + self.limits.time)?;
        course.end().into_iter().try_for_each(|act| self.act(act))?;
        if !self.violated && self.limits.healing {
            self.enter(Phase::Heal)?;
            self.heal()?;
        }
        if !self.violated && !self.stopped() {
            self.enter(Phase::Final)?;
            let now = self.cluster.now();
            self.ask_until(Phase::Final, None, now + self.limits.finale)?;
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

    /// Asks what the generator of this phase wants, and breaks what the plan wants, if there is one to follow.
    fn ask_until(
        &mut self,
        phase: Phase,
        mut course: Option<&mut Course>,
        end: Time,
    ) -> Result<(), HarnessError> {
        while self.cluster.now() < end && !self.stopped() && !self.violated && !self.has_heard_enough(phase) {
            let mut until = end;
            if let Some(course) = course.as_deref_mut() {
                until = until.min(self.due_faults(course)?);
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

    /// Records the faults that are due, and says when to look again.
    fn due_faults(&mut self, course: &mut Course) -> Result<Time, HarnessError> {
        let now = self.cluster.now();
        if course.is_waiting() || course.next() <= now {
            let (nodes, spares) = (self.cluster.nodes(), self.cluster.spares());
            let (primaries, serving) = (self.cluster.primaries(), self.cluster.serving());
            let acts = course.acts(&Sight { now, nodes, spares, primaries, serving });
            acts.into_iter().try_for_each(|act| self.act(act))?;
        }
        Ok(if course.is_waiting() { course.next().min(now + BLINK) } else { course.next() })
    }

    fn act(&mut self, act: Act) -> Result<(), HarnessError> {
        match act {
            Act::Notice(moment, node) => self.record(Event::Noticed { moment, node }),
            Act::Make(fault) => self.order_fault(fault),
            Act::Skip(fault, why) => {
                let (fault, result) = (Box::new(fault), Box::new(Injection::Skipped(why)));
                self.record(Event::Injected { fault, result })
            }
        }
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

    /// Makes the record safe, then does all that was recorded, even if something of it fails. If there can be no
    /// record, only repairs are made.
    fn obey(&mut self) -> Result<(), HarnessError> {
        let mut done = self.writer.commit().map_err(unwritable);
        let recorded = done.is_ok();
        for order in self.orders.drain(..) {
            let did = match order {
                Order::Fault(fault) if recorded || matches!(fault, Fault::Repair { .. }) => {
                    let asked = self.cluster.inject(fault);
                    self.injecting -= usize::from(asked.is_err());
                    asked
                }
                Order::Call(process, node, call) if recorded => {
                    self.cluster.invoke(process, node, call, self.limits.patience)
                }
                _ => Ok(()),
            };
            done = done.and(did);
        }
        done
    }

    /// Lets time pass until something arrives; then takes everything that has.
    fn take(&mut self, until: Time) -> Result<(), HarnessError> {
        let now = self.cluster.now();
        (self.watcher)(now, &self.tally);
        if let Some(clocks) = &mut self.clocks
            && now >= self.looked + GLANCE
        {
            self.looked = now;
            clocks.note(&self.cluster.clocks())?;
        }
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
                self.nodes = self.cluster.nodes();
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
        let obeyed = self.obey();
        let limit = self.cluster.now() + self.limits.heal;
        while self.injecting > 0 && self.cluster.now() < limit {
            self.take(limit)?;
        }
        obeyed?;
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

    fn has_heard_enough(&self, phase: Phase) -> bool {
        phase == Phase::Main && self.enough.as_ref().is_some_and(|enough| enough.load(Ordering::Relaxed))
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

fn unwritable(error: std::io::Error) -> HarnessError {
    HarnessError::new("write the history", error)
        .advise("What was recorded before is kept: `tribunal check` judges it. Is the disk full?")
}
