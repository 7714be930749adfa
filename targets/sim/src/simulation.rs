//! The simulated cluster.

use crate::World;
use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::machine::{Happening, Machine};
use crate::network::Network;
use cluster::{Abilities, Arrival, Cluster, HarnessError, Operator, Redirect, Staff};
use history::{
    Call, Chance, Damage, Doubt, Evidence, Fault, FaultKind, Illness, Injection, Link, MessageKind, NodeId,
    Outcome, ProcessId, Refusal, Ticket, Time, Unsynced, Violation,
};
use protocols::{Effect, Flaw, Input, Options, Protocol, RequestId, Watch};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How many nodes one request may visit, at most.
const HOPS: u64 = 1 << 16;

/// More than this never happens at one instant, not even when a node wakes from a long pause.
const MOST_AT_ONCE: u32 = 1_000_000;

/// A cluster of `P` in one thread and virtual time.
pub struct Simulation<P: Protocol> {
    pub(crate) now: Time,
    pub(crate) agenda: Agenda<Happening<P>>,
    pub(crate) machines: Vec<Machine<P>>,
    // Every node that there is, and those with whom the cluster began.
    pub(crate) ids: Vec<NodeId>,
    pub(crate) founders: Vec<NodeId>,
    pub(crate) staff: Staff,
    pub(crate) operator: Option<Operator>,
    // How often the administrator was told what to do.
    pub(crate) assigned: u64,
    network: Network<(NodeId, NodeId, P::Message)>,
    world: World,
    options: Options,
    insists: bool,
    calls: BTreeMap<u64, Open>,
    called: u64,
    pub(crate) arrivals: VecDeque<Arrival>,
    watch: P::Watch,
    violated: bool,
    // How many things have happened at this instant.
    at_once: u32,
    boots: Chance,
    pub(crate) disks: Chance,
    naps: Chance,
    // Scratch, kept for its memory.
    effects: Vec<Effect<P::Message, P::Record>>,
    ready: Vec<Effect<P::Message, P::Record>>,
}

struct Open {
    process: ProcessId,
    call: Call,
    redirect: Redirect,
    hop: u64,
    /// How the last attempt ended, while the client waits before the next.
    turned_away: Option<Outcome>,
}

impl<P: Protocol> Simulation<P> {
    /// A cluster of `nodes` nodes, all down, in the world of the seed, and `spares` more that may join it later.
    pub fn new(nodes: u16, spares: u16, options: Options, chance: &Chance) -> Simulation<P> {
        let world = World::draw(&mut chance.split("world"));
        let (ids, founders) = (NodeId::all(nodes + spares), NodeId::all(nodes));
        let mut clocks = chance.split("clocks");
        let mut clock = || {
            let shown = Time(clocks.below(3_600_000_000_000));
            let drift = clocks.between(0, 2 * u64::from(world.drift));
            Clock::new(shown, (1_000_000 + drift - u64::from(world.drift)) as u32)
        };
        Simulation {
            now: Time::ZERO,
            agenda: Agenda::new(),
            machines: ids.iter().map(|id| Machine::new(*id, clock())).collect(),
            network: Network::new(ids.len(), world, chance.split("network")),
            staff: Staff::new(&founders, ids[usize::from(nodes)..].to_vec()),
            operator: None,
            assigned: 0,
            ids,
            founders,
            world,
            options,
            insists: false,
            calls: BTreeMap::new(),
            called: 0,
            arrivals: VecDeque::new(),
            watch: P::Watch::default(),
            violated: false,
            at_once: 0,
            boots: chance.split("boots"),
            disks: chance.split("disks"),
            naps: chance.split("naps"),
            effects: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// Clients send a call again if they heard nothing.
    #[must_use]
    pub fn insisting(self) -> Simulation<P> {
        Simulation { insists: true, ..self }
    }

    /// The weather of this run.
    pub fn world(&self) -> World {
        self.world
    }

    /// How many messages nodes have sent to one another.
    pub fn messages(&self) -> u64 {
        self.network.sent
    }

    /// How many things have happened or will: the work of the run.
    pub fn steps(&self) -> u64 {
        self.agenda.planned()
    }

    pub(crate) fn machine(&mut self, node: NodeId) -> &mut Machine<P> {
        &mut self.machines[usize::from(node.0 - 1)]
    }

    /// It is now `time`. A core that makes endless work for itself without letting time pass would stop the
    /// simulation; on a real machine it would burn a processor.
    fn pass(&mut self, time: Time) {
        self.at_once = if time > self.now { 0 } else { self.at_once + 1 };
        self.now = self.now.max(time);
        if self.at_once == MOST_AT_ONCE {
            self.violated = true;
            self.arrivals.push_back(Arrival::Violated(Violation {
                property: "progress".to_owned(),
                source: "a core does finite work for each input".to_owned(),
                story: format!(
                    "{MOST_AT_ONCE} things happened at one instant, {time}, and there was no end to it"
                ),
            }));
        }
    }

    fn happen(&mut self, happening: Happening<P>) {
        let node = match &happening {
            Happening::Deliver { to, .. } | Happening::Ask { to, .. } => Some(*to),
            Happening::Synced { node, .. } => Some(*node),
            _ => None,
        };
        if let Some(asleep) = node.and_then(|node| self.machine(node).asleep.as_mut()) {
            // The kernel takes it; the process will find it when it wakes.
            asleep.push(happening);
            return;
        }
        if let Some(later) = node.and_then(|node| self.throttled(node)) {
            return self.agenda.plan(later, happening);
        }
        match happening {
            Happening::Deliver { to, from, message } => self.drive(to, Input::Message { from, message }),
            Happening::Ask { to, id } => self.asked(to, id),
            Happening::Answer { id, outcome } => self.answered(id, outcome),
            Happening::GiveUp { call } => self.give_up(call),
            Happening::Wake { node, life } => self.wake(node, life),
            Happening::Synced { node, life } => self.synced(node, life),
            Happening::Boot { node, life } => self.boot(node, life),
            Happening::Rollback { copies, fault } => self.roll_back(copies, *fault),
            Happening::Leave(farewell) => self.see_off(*farewell),
            Happening::Administer { assignment } => self.administer(assignment),
        }
    }

    /// Tells a core what happened, and does what it wants.
    pub(crate) fn drive(&mut self, node: NodeId, input: Input<P::Message>) {
        let now = self.now;
        let mut effects = std::mem::take(&mut self.effects);
        let machine = self.machine(node);
        let Some(core) = machine.core.as_mut() else { return };
        core.handle(machine.clock.read(now), input, &mut effects);
        self.effects = effects;
        self.watch(node);
        self.flush(node);
        self.rearm(node);
    }

    /// Performs what may be performed, in order.
    fn flush(&mut self, node: NodeId) {
        let mut effects = std::mem::take(&mut self.effects);
        let mut ready = std::mem::take(&mut self.ready);
        let flaw = self.options.flaw;
        let machine = self.machine(node);
        let life = machine.life;
        let was_syncing = machine.is_syncing();
        let syncs = machine.take(&mut effects, &mut ready, flaw);
        let illness = machine.illness.filter(|_| syncs && !was_syncing);
        self.effects = effects;
        if syncs && !was_syncing {
            let slowness = match illness {
                Some(Illness::SlowSyncs { delay_ms }) => Duration::from_millis(u64::from(delay_ms)),
                _ => Duration::ZERO,
            };
            let takes = self.disks.exponential(self.world.sync_mean) + Duration::from_micros(20);
            self.agenda.plan(self.now + takes + slowness, Happening::Synced { node, life });
        }
        self.perform(node, ready);
        if let Some(illness) = illness.filter(|illness| illness.fails_writing()) {
            self.fail(node, illness);
        }
    }

    /// A disk refused what a node wanted to keep. As the real one it stops: nobody knows what reached the disk.
    fn fail(&mut self, node: NodeId, illness: Illness) {
        let machine = &mut self.machines[usize::from(node.0 - 1)];
        machine.disk.kill(&mut self.disks);
        machine.failed = true;
        self.end(node);
        let how = format!("exit status: 74; last words: its disk is ill: {illness}");
        self.arrivals.push_back(Arrival::Died { node, how });
    }

    fn perform(&mut self, node: NodeId, mut ready: Vec<Effect<P::Message, P::Record>>) {
        for effect in ready.drain(..) {
            match effect {
                // To itself: at once, but after what is being done now.
                Effect::Send { to, message } if to == node => {
                    self.agenda.plan(self.now, Happening::Deliver { to, from: node, message });
                }
                Effect::Send { to, message } => self.post(node, to, message),
                Effect::Reply { id, outcome } => {
                    self.machine(node).asked.remove(&id);
                    let at = self.network.send_client(self.now);
                    self.agenda.plan(at, Happening::Answer { id, outcome });
                }
                Effect::Persist(_) | Effect::Rewrite(_) => unreachable!("records go to the disk"),
            }
        }
        self.ready = ready;
    }

    fn post(&mut self, from: NodeId, to: NodeId, message: P::Message) {
        let (kind, hold) = (|| MessageKind::of(&message), || (from, to, message.clone()));
        let arrivals = self.network.send(self.now, Link { from, to }, kind, hold);
        match arrivals {
            [Some(first), Some(second)] => {
                self.agenda.plan(first, Happening::Deliver { to, from, message: message.clone() });
                self.agenda.plan(second, Happening::Deliver { to, from, message });
            }
            [Some(at), None] | [None, Some(at)] => {
                self.agenda.plan(at, Happening::Deliver { to, from, message })
            }
            [None, None] => {}
        }
    }

    /// Plans a wake for the core's alarm. An alarm that moves further away, as most do, plans nothing: the
    /// wake that is already planned finds out.
    fn rearm(&mut self, node: NodeId) {
        let now = self.now;
        let machine = self.machine(node);
        let Some(alarm) = machine.core.as_ref().and_then(Protocol::alarm) else { return };
        let due = machine.clock.when(alarm).max(now);
        if machine.wake.is_none_or(|planned| due < planned) {
            machine.wake = Some(due);
            let life = machine.life;
            self.agenda.plan(due, Happening::Wake { node, life });
        }
    }

    fn wake(&mut self, node: NodeId, life: u32) {
        let now = self.now;
        let machine = self.machine(node);
        if machine.life != life || machine.wake != Some(now) {
            return;
        }
        machine.wake = None;
        if machine.asleep.is_some() {
            return;
        }
        let due = machine.core.as_ref().and_then(Protocol::alarm);
        if due.is_some_and(|alarm| machine.clock.read(now) >= alarm) {
            if let Some(later) = self.throttled(node) {
                self.machine(node).wake = Some(later);
                return self.agenda.plan(later, Happening::Wake { node, life });
            }
            self.drive(node, Input::Wake);
        } else {
            self.rearm(node);
        }
    }

    fn synced(&mut self, node: NodeId, life: u32) {
        if self.machine(node).life != life {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        self.machine(node).synced(&mut ready);
        self.perform(node, ready);
        self.flush(node);
    }

    fn watch(&mut self, node: NodeId) {
        if self.violated {
            return;
        }
        let state = self.machines[usize::from(node.0 - 1)].core.as_ref();
        if let Err(violation) = self.watch.observe(node, state) {
            self.violated = true;
            self.arrivals.push_back(Arrival::Violated(*violation));
        }
    }

    fn boot(&mut self, node: NodeId, life: u32) {
        let (now, options, founders) = (self.now, self.options, self.founders.clone());
        let chance = Chance::new(self.boots.bits());
        let machine = self.machine(node);
        if machine.life != life || machine.core.is_some() {
            return;
        }
        machine.starting = false;
        let disk = match machine.disk.recover() {
            Ok(disk) => disk,
            // FLAW rot-taken-for-torn: what was promised before it was damaged is cut off.
            Err(record) if options.flaw == Some(Flaw::RotTakenForTorn) => machine.disk.rollback(record),
            Err(record) => return self.refuse(node, record),
        };
        let machine = self.machine(node);
        machine.core = Some(P::boot(node, &founders, disk, options, machine.clock.read(now), chance));
        self.watch(node);
        self.rearm(node);
    }

    fn asked(&mut self, to: NodeId, id: RequestId) {
        let number = id.0 / HOPS;
        let Some(open) = self.calls.get_mut(&number) else { return };
        open.turned_away = None;
        let (call, ticket) = (open.call.clone(), Ticket { process: open.process, number });
        if self.machine(to).core.is_none() {
            let at = self.network.send_client(self.now);
            let outcome = Outcome::Fail(Refusal::Unreachable);
            return self.agenda.plan(at, Happening::Answer { id, outcome });
        }
        self.machine(to).asked.insert(id);
        self.drive(to, Input::Request { id, ticket, call });
    }

    fn answered(&mut self, id: RequestId, outcome: Outcome) {
        let call = id.0 / HOPS;
        let Some(open) = self.calls.get_mut(&call).filter(|open| open.hop == id.0 % HOPS) else { return };
        let Some((to, pause)) = open.redirect.next(&outcome).filter(|_| open.hop + 1 < HOPS) else {
            let outcome = open.redirect.conclude(outcome);
            return self.complete(call, outcome);
        };
        open.hop += 1;
        open.turned_away = Some(outcome);
        let id = RequestId(call * HOPS + open.hop);
        let at = self.network.send_client(self.now) + pause;
        self.agenda.plan(at, Happening::Ask { to, id });
    }

    /// The client's patience is at its end. What was turned away and is not sent yet is not in doubt for that.
    fn give_up(&mut self, call: u64) {
        let Some(open) = self.calls.get(&call) else { return };
        let turned_away = open.turned_away.clone().filter(|_| self.insists);
        let last = turned_away.unwrap_or(Outcome::Unknown(Doubt::Timeout));
        let outcome = open.redirect.conclude(last);
        self.complete(call, outcome);
    }

    fn complete(&mut self, call: u64, outcome: Outcome) {
        if let Some(open) = self.calls.remove(&call) {
            self.arrivals.push_back(Arrival::Completed { process: open.process, outcome });
        }
    }

    /// Ends a process; its clients see their connections break.
    pub(crate) fn end(&mut self, node: NodeId) {
        self.machine(node).die();
        for id in std::mem::take(&mut self.machine(node).asked) {
            let at = self.network.send_client(self.now);
            self.agenda.plan(at, Happening::Answer { id, outcome: Outcome::Unknown(Doubt::Disconnected) });
        }
        self.watch(node);
    }

    pub(crate) fn start_node(&mut self, node: NodeId) {
        let machine = self.machine(node);
        machine.life += 1;
        (machine.failed, machine.starting) = (false, true);
        let life = machine.life;
        let takes = self.boots.span(Duration::from_millis(5), Duration::from_millis(50));
        self.agenda.plan(self.now + takes, Happening::Boot { node, life });
    }

    pub(crate) fn resume(&mut self, node: NodeId) {
        let Some(missed) = self.machine(node).asleep.take() else { return };
        // Which it notices first, that time has passed or that messages have come, is chance.
        if self.naps.coin(0.5) {
            self.drive(node, Input::Wake);
        }
        for happening in missed {
            self.happen(happening);
        }
        self.rearm(node);
    }

    fn apply(&mut self, fault: &Fault) -> Injection {
        match fault {
            Fault::Cut { links, .. } => {
                self.network.cut(links);
                installed(format!("{} links carry nothing", links.len()))
            }
            Fault::Impair { links, trouble } => {
                self.network.impair(links, *trouble);
                installed(format!("{} links impaired", links.len()))
            }
            Fault::Kill { nodes } => self.each(nodes, "is down already", |sim, node| sim.kill(node)),
            Fault::Terminate { .. } => {
                Injection::Skipped("who is asked to end takes its time elsewhere".to_owned())
            }
            Fault::Crash { nodes, unsynced } => {
                self.each(nodes, "is down already", |sim, node| sim.crash(node, *unsynced))
            }
            Fault::Start { nodes } => self.each(nodes, "runs already", |sim, node| sim.revive(node)),
            Fault::Pause { nodes } => {
                self.each(nodes, "is down or paused already", |sim, node| sim.pause(node))
            }
            Fault::Resume { nodes } => self.each(nodes, "is not paused", |sim, node| sim.awaken(node)),
            Fault::Skew { nodes, jump_ms, rate_ppm } => {
                let jump = u64::try_from(*jump_ms).unwrap_or(0) * 1_000_000;
                self.each(nodes, "", |sim, node| {
                    let (now, clock) = (sim.now, &mut sim.machine(node).clock);
                    let before = clock.read(now);
                    clock.skew(now, jump, *rate_ppm);
                    let ahead = clock.read(now).since(before).as_secs_f64();
                    sim.replan(node);
                    let rate = f64::from(*rate_ppm) / 1e6;
                    Some(format!("its clock is {ahead:.3} s further ahead and runs at {rate:.3}"))
                })
            }
            Fault::Sicken { nodes, illness } => self.each(nodes, "", |sim, node| {
                sim.machine(node).illness = Some(*illness);
                Some(format!("its disk is ill: {illness}"))
            }),
            Fault::Press { nodes, pressure } => {
                self.each(nodes, "cannot be pressed so", |sim, node| sim.press(node, *pressure))
            }
            Fault::Damage { nodes, damage } => {
                self.each(nodes, "has nothing on its disk, or nothing that could rot", |sim, node| {
                    sim.damage(node, damage)
                })
            }
            Fault::Members { .. } => Injection::Skipped("members change elsewhere".to_owned()),
            Fault::Repair { kind } => self.repair(*kind),
        }
    }

    fn each(
        &mut self,
        nodes: &[NodeId],
        otherwise: &str,
        mut act: impl FnMut(&mut Self, NodeId) -> Option<String>,
    ) -> Injection {
        let (mut done, mut left) = (Vec::new(), Vec::new());
        for node in nodes {
            match act(self, *node) {
                Some(seen) => done.push(format!("{node}: {seen}")),
                None => left.push(format!("{node} {otherwise}")),
            }
        }
        if done.is_empty() { Injection::Skipped(left.join(", ")) } else { installed(done.join(", ")) }
    }

    pub(crate) fn kill(&mut self, node: NodeId) -> Option<String> {
        let machine = &mut self.machines[usize::from(node.0 - 1)];
        if machine.core.is_none() && !machine.starting {
            return None;
        }
        machine.disk.kill(&mut self.disks);
        self.end(node);
        Some("its process is gone".to_owned())
    }

    /// A node that left is stopped for good, unless it is wanted again.
    pub(crate) fn dismiss(&mut self, node: NodeId) {
        // If it was down, it stays down, whatever brought it down.
        self.machine(node).failed = false;
        let _was_down = self.kill(node);
    }

    fn crash(&mut self, node: NodeId, unsynced: Option<Unsynced>) -> Option<String> {
        let machine = &mut self.machines[usize::from(node.0 - 1)];
        if machine.core.is_none() && !machine.starting {
            return None;
        }
        let damage = machine.disk.crash(unsynced, &mut self.disks);
        self.end(node);
        let (lost, torn, stranded) = (damage.lost, damage.torn, damage.stranded);
        Some(format!("its power is gone, {lost} unsynced records lost, {torn} torn, {stranded} out of reach"))
    }

    fn revive(&mut self, node: NodeId) -> Option<String> {
        let machine = self.machine(node);
        let records = machine.disk.len();
        if machine.leaving {
            machine.wanted_back = true;
            return Some("starts as soon as it has ended".to_owned());
        }
        if machine.core.is_some() {
            return None;
        }
        self.start_node(node);
        Some(format!("starts with {records} records"))
    }

    pub(crate) fn pause(&mut self, node: NodeId) -> Option<String> {
        let machine = self.machine(node);
        if machine.core.is_none() || machine.asleep.is_some() {
            return None;
        }
        machine.asleep = Some(Vec::new());
        Some("it stands still".to_owned())
    }

    fn awaken(&mut self, node: NodeId) -> Option<String> {
        let machine = self.machine(node);
        machine.asleep.as_ref().filter(|_| !machine.frozen)?;
        self.resume(node);
        Some("it goes on".to_owned())
    }

    fn repair(&mut self, kind: FaultKind) -> Injection {
        let nodes = self.staff.employed();
        let named = |fault: fn(Vec<NodeId>) -> Fault| fault(nodes.clone());
        match kind {
            FaultKind::Partition => self.network.join(),
            FaultKind::Packets => {
                let seen = self.network.told_apart().map(|count| format!(", {count} messages were meant"));
                for (from, to, message) in self.network.clear() {
                    self.post(from, to, message);
                }
                return installed(format!("every link is free{}", seen.unwrap_or_default()));
            }
            FaultKind::Kill | FaultKind::Crash => return self.apply(&named(|nodes| Fault::Start { nodes })),
            FaultKind::Pause => return self.apply(&named(|nodes| Fault::Resume { nodes })),
            FaultKind::Disk => return self.cure(),
            FaultKind::Pressure => return self.relieve(),
            FaultKind::Damage => return self.mend_data(),
            FaultKind::Members => return Injection::Skipped("members change elsewhere".to_owned()),
            FaultKind::Clock => {
                return self.apply(&Fault::Skew { nodes, jump_ms: 0, rate_ppm: 1_000_000 });
            }
        }
        installed("every link is free".to_owned())
    }

    /// Makes every disk well, and starts the nodes that had stopped because of theirs.
    fn cure(&mut self) -> Injection {
        let mut seen = vec!["every disk is well".to_owned()];
        for node in self.ids.clone() {
            let machine = self.machine(node);
            machine.illness = None;
            let failed = machine.failed;
            if failed
                && self.staff.employs(node)
                && let Some(revived) = self.revive(node)
            {
                seen.push(format!("{node}, which had stopped: {revived}"));
            }
        }
        installed(seen.join(", "))
    }

    /// A clock changed: the wake that was planned by it is void.
    fn replan(&mut self, node: NodeId) {
        self.machine(node).wake = None;
        self.rearm(node);
    }
}

/// It happened.
pub(crate) fn installed(seen: String) -> Injection {
    Injection::Installed(Evidence(seen))
}

impl<P: Protocol> Cluster for Simulation<P> {
    fn nodes(&self) -> Vec<NodeId> {
        self.staff.employed()
    }

    fn spares(&self) -> Vec<NodeId> {
        self.staff.spares()
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            calls: P::ENTRY.serves.to_vec(),
            faults: FaultKind::ALL.into_iter().map(|kind| (kind, self.can(kind))).collect(),
        }
    }

    fn primaries(&self) -> Vec<NodeId> {
        self.machines.iter().filter(|machine| machine.leads()).map(|machine| machine.id).collect()
    }

    fn serving(&self) -> Vec<NodeId> {
        self.machines.iter().filter(|machine| machine.core.is_some()).map(|machine| machine.id).collect()
    }

    fn now(&self) -> Time {
        self.now
    }

    fn start(&mut self) -> Result<(), HarnessError> {
        self.founders.clone().into_iter().for_each(|node| self.start_node(node));
        let limit = Time::from_secs(60);
        while self.primaries().is_empty() && !self.violated {
            let Some((time, happening)) = self.agenda.next(limit) else {
                return Err(HarnessError::new("start the cluster", "nobody leads after 60 virtual seconds"));
            };
            self.pass(time);
            self.happen(happening);
        }
        Ok(())
    }

    fn invoke(
        &mut self,
        process: ProcessId,
        node: NodeId,
        call: Call,
        patience: Duration,
    ) -> Result<(), HarnessError> {
        let number = self.called;
        self.called += 1;
        let mut redirect = Redirect::new(node);
        // What a node says of itself no other can say.
        if self.insists && !call.is_about_the_node() {
            redirect = redirect.insisting(self.staff.employed());
        }
        self.calls.insert(number, Open { process, call, redirect, hop: 0, turned_away: None });
        let at = self.network.send_client(self.now);
        self.agenda.plan(at, Happening::Ask { to: node, id: RequestId(number * HOPS) });
        self.agenda.plan(self.now + patience, Happening::GiveUp { call: number });
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<(), HarnessError> {
        if fault.kind() == FaultKind::Members {
            self.assign(&fault);
            return Ok(());
        }
        if let Fault::Terminate { nodes } = &fault {
            self.terminate(&nodes.clone(), fault);
            return Ok(());
        }
        if let Fault::Damage { nodes, damage: Damage::Rollback { after_ms } } = &fault {
            let copies = nodes.iter().map(|node| (*node, self.machine(*node).disk.copy())).collect();
            let at = self.now + Duration::from_millis(u64::from(*after_ms));
            self.agenda.plan(at, Happening::Rollback { copies, fault: Box::new(fault) });
            return Ok(());
        }
        let result = self.apply(&fault);
        self.arrivals.push_back(Arrival::Injected { fault, result });
        Ok(())
    }

    fn next(&mut self, until: Time) -> Result<Option<Arrival>, HarnessError> {
        loop {
            if let Some(arrival) = self.arrivals.pop_front() {
                return Ok(Some(arrival));
            }
            // After a violation nothing that follows would mean anything.
            let next = if self.violated { None } else { self.agenda.next(until) };
            let Some((time, happening)) = next else {
                self.now = self.now.max(until);
                return Ok(None);
            };
            self.pass(time);
            self.happen(happening);
        }
    }

    fn stop(&mut self) -> Result<(), HarnessError> {
        for node in self.ids.clone() {
            self.machine(node).die();
        }
        Ok(())
    }
}
