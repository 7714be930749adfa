//! The life of a node: recover, serve, stop.

use crate::disk::{self, Results};
use crate::doors::Listeners;
use crate::driver::Driver;
use crate::event::Event;
use crate::lease::Lease;
use crate::outbox::Outbox;
use crate::wal::{Wal, WalError};
use crate::{NodeArgs, NodeError, clients, control, peers};
use history::{Chance, Time};
use protocols::rpc::Report;
use protocols::{Flaw, Input, Protocol, Role, Status, wire};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a stop in good order may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long the last messages may take to leave.
const FLUSH: Duration = Duration::from_millis(200);
/// How many events are applied before what they asked for is performed: the size of a group commit.
const BATCH: usize = 256;

/// Runs a node with this protocol to its end.
///
/// # Errors
/// As [`crate::run`].
pub fn run<P: Protocol>(args: &NodeArgs) -> Result<(), NodeError> {
    // One thread: there is one core, and five nodes share a machine in the usual test.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(NodeError::system("start the runtime"))?;
    runtime.block_on(async {
        let mut node = Node::<P>::start(args).await?;
        let lived = node.live().await;
        node.leave().await;
        lived
    })
}

/// A node that serves.
struct Node<P: Protocol> {
    clock: Instant,
    driver: Driver<P>,
    senders: JoinSet<()>,
    events: mpsc::Receiver<Event<P::Message>>,
    results: Results,
    terminate: Signal,
    /// How it stood when it last said so in its log.
    stood: Option<Status>,
}

/// The time of day.
fn wall() -> i64 {
    let nanoseconds = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => nanoseconds(since),
        Err(before) => -nanoseconds(before.duration()),
    }
}

/// What a node waited for.
enum Woken {
    Events,
    Durable(Result<(), WalError>),
    Stop,
    Alarm,
}

impl<P: Protocol> Node<P> {
    /// Recovers what was promised, then opens the doors.
    async fn start(args: &NodeArgs) -> Result<Node<P>, NodeError> {
        let (nodes, options, clock) = (args.nodes()?, args.options()?, Instant::now());
        let terminate = signal(SignalKind::terminate());
        let terminate = terminate.map_err(NodeError::system("listen for SIGTERM"))?;
        let (wal, records) = recover::<P>(args, options.flaw)?;
        let wal = if options.flaw == Some(Flaw::NoSync) { wal.without_syncs() } else { wal };
        // Another life, other luck: a node must not repeat the draws that led to its death.
        let chance = Chance::new(args.seed).split(&format!("boot with {} records", records.len()));
        let core = P::boot(args.id, &args.founders()?, records, options, Time::ZERO, chance);

        let (jobs, results) = disk::spawn(wal)?;
        let mut senders = JoinSet::new();
        let mut queues = BTreeMap::new();
        for peer in &args.peers {
            let (queue, frames) = mpsc::channel(peers::QUEUE);
            queues.insert(peer.node, queue);
            senders.spawn(peers::deliver(*peer, frames));
        }
        let driver = Driver::new(core, args.id, Outbox::new(args.id, queues), jobs);

        let (inbox, events) = mpsc::channel(4096);
        let listeners = Listeners::open(args.listen, args.ports).await?;
        listeners.announce(&args.ready)?;
        tokio::spawn(peers::accept(listeners.peers, nodes, inbox.clone()));
        tokio::spawn(clients::accept(listeners.clients, inbox.clone()));
        let lease = Lease::begin(args.lease_ms.map(Duration::from_millis))?;
        tokio::spawn(control::accept(listeners.control, inbox, lease));
        tracing::info!("{} serves", args.id);
        Ok(Node { clock, driver, senders, events, results, terminate, stood: None })
    }

    /// Lives until it is told to stop.
    async fn live(&mut self) -> Result<(), NodeError> {
        let mut stop_by = None;
        let mut batch = Vec::new();
        while !self.has_stopped(stop_by) {
            let woken = self.wait(&mut batch, stop_by).await;
            if matches!(woken, Woken::Stop) && stop_by.is_none() {
                tracing::info!("told to stop");
                stop_by = Some(Instant::now() + FAREWELL);
            }
            self.apply(woken, &mut batch)?;
        }
        Ok(())
    }

    fn has_stopped(&self, stop_by: Option<Instant>) -> bool {
        let stopped = || self.driver.core().status().stopped && self.driver.is_idle();
        stop_by.is_some_and(|limit| Instant::now() >= limit || stopped())
    }

    /// All waiting is here.
    async fn wait(&mut self, batch: &mut Vec<Event<P::Message>>, stop_by: Option<Instant>) -> Woken {
        let alarm = self.driver.core().alarm().map(|at| self.clock + Duration::from_nanos(at.0));
        // Looked at first: a flood of messages must not drown the alarm.
        if alarm.is_some_and(|alarm| alarm <= Instant::now()) {
            tokio::task::yield_now().await;
            return Woken::Alarm;
        }
        let rest = async {
            tokio::select! {
                biased;
                Some(result) = self.results.recv() => Woken::Durable(result),
                Some(()) = self.terminate.recv() => Woken::Stop,
                _ = self.events.recv_many(batch, BATCH) => Woken::Events,
            }
        };
        match [alarm, stop_by].into_iter().flatten().min() {
            Some(limit) => timeout_at(limit, rest).await.unwrap_or(Woken::Alarm),
            None => rest.await,
        }
    }

    /// All thinking is here.
    fn apply(&mut self, woken: Woken, batch: &mut Vec<Event<P::Message>>) -> Result<(), NodeError> {
        let now = Time(u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX));
        match woken {
            Woken::Events => batch.drain(..).for_each(|event| self.hear(now, event)),
            Woken::Durable(result) => {
                result?;
                self.driver.durable(now);
            }
            Woken::Stop => self.driver.handle(now, Input::Stop),
            Woken::Alarm => self.driver.handle(now, Input::Wake),
        }
        self.driver.perform(now);
        self.say_how_it_stands();
        Ok(())
    }

    fn hear(&mut self, now: Time, event: Event<P::Message>) {
        match event {
            Event::Message { from, message } => self.driver.handle(now, Input::Message { from, message }),
            Event::Request { asker, ticket, call } => self.driver.request(now, asker, ticket, call),
            Event::Change(change) => self.driver.handle(now, Input::Change(change)),
            Event::Ask(answer) => {
                let core = self.driver.core();
                let (Status { role, term, leader, committed, .. }, members) = (core.status(), core.members());
                let (leads, wall_ns, monotonic_ns) = (role == Role::Leader, wall(), now.0);
                let report = Report { leads, term, leader, committed, members, wall_ns, monotonic_ns };
                let _hung_up = answer.send(report);
            }
        }
    }

    fn say_how_it_stands(&mut self) {
        let Status { role, term, leader, committed, .. } = self.driver.core().status();
        let before = self.stood.map(|stood| (stood.role, stood.term, stood.leader));
        if before != Some((role, term, leader)) {
            let leader = leader.map_or_else(|| "nobody known".to_owned(), |leader| leader.to_string());
            tracing::info!("{role:?} in term {term}, led by {leader}, committed up to {committed}");
        }
        self.stood = Some(self.driver.core().status());
    }

    /// Lets the last messages leave.
    async fn leave(self) {
        let Node { driver, mut senders, .. } = self;
        drop(driver);
        let flushed = timeout(FLUSH, async { while senders.join_next().await.is_some() {} }).await;
        let how = if flushed.is_ok() { "everything was sent" } else { "some peers could not be reached" };
        tracing::info!("goodbye; {how}");
    }
}

fn recover<P: Protocol>(args: &NodeArgs, flaw: Option<Flaw>) -> Result<(Wal, Vec<P::Record>), NodeError> {
    let doing = format!("use the data directory {}", args.data.display());
    std::fs::create_dir_all(&args.data).map_err(NodeError::system(doing))?;
    let path = args.data.join("wal");
    let open = if flaw == Some(Flaw::RotTakenForTorn) { Wal::open_cutting } else { Wal::open };
    let (wal, recovered) = open(&path)?;
    if recovered.cut > 0 {
        tracing::warn!("cut a torn tail of {} bytes from {}", recovered.cut, path.display());
    }
    tracing::info!("recovered {} records from {}", recovered.records.len(), path.display());
    let decode = |(index, bytes): (usize, &Vec<u8>)| {
        wire::decode(bytes).map_err(|why| WalError::Foreign { path: path.clone(), index, why })
    };
    let records: Result<Vec<P::Record>, WalError> =
        recovered.records.iter().enumerate().map(decode).collect();
    Ok((wal, records?))
}
