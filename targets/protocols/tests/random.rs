//! Raft under random weather: a small cluster in virtual time, whose network loses, repeats, reorders and
//! delays, whose disks are slow and forget what was not synced, and whose nodes crash, pause and are cut off.
//!
//! The sound protocol keeps its invariants and never answers a read with the past, under every seed; each flaw
//! is found under some seed. The full simulator is another crate; this is the protocol's own early warning.

use history::{Call, Chance, Key, NodeId, Outcome, ProcessId, Reply, Ticket, Time, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tribunal_protocols::raft::{Invariants, Message, Raft, Record};
use tribunal_protocols::{Compaction, Effect, Flaw, Input, Options, Protocol, RequestId, Role, Watch};

const SEEDS: u64 = 200;
/// Some flaws need rare weather, and another draw anywhere brings other weather.
const HUNT: u64 = 400;
const LENGTH: Time = Time::from_secs(20);
const KEY: Key = Key(0);

#[test]
fn the_sound_protocol_is_sound_under_every_seed() {
    let (mut writes, mut reads, mut leaders) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut weather = Weather::new(seed, None);
        weather.run();
        assert_eq!(weather.found, None, "seed {seed}");
        assert!(weather.leaders > 0, "seed {seed}: never a leader");
        writes += weather.writer.acknowledged;
        reads += weather.reads;
        leaders += weather.leaders;
    }
    println!("{SEEDS} seeds, {leaders} leaders, {writes} writes and {reads} reads answered, nothing found");
    assert!(
        writes > 10_000 && reads > 10_000 && leaders > 1_000,
        "the weather was too bad to prove anything"
    );
}

#[test]
fn who_missed_ten_thousand_entries_is_brought_a_snapshot_through_loss() {
    let second = |weather: &Weather, seconds| weather.now + Duration::from_secs(seconds);
    for seed in 0..3 {
        let mut weather = Weather::new(seed, None);
        weather.options.compaction = Compaction { chunk: 4000, ..Compaction::default() };
        weather.agenda.retain(|_, happening| matches!(happening, Happening::Boot(_)));
        weather.run_until(Time::from_secs(3));
        let nodes = weather.nodes.clone();
        let leader = *nodes.iter().find(|node| weather.machines[node].led).expect("somebody leads");
        let absent = *nodes.iter().find(|node| **node != leader).expect("and somebody does not");
        weather.crash(absent);
        weather.agenda.retain(|_, happening| !matches!(happening, Happening::Boot(_)));
        for number in 0..10_500 {
            let key = Key(1 + number % 50);
            weather.request(leader, Call::Write { key, value: Value(number as i64) });
            weather.run_until(weather.now + Duration::from_micros(500));
        }
        let committed = |weather: &Weather, node| {
            weather.machines[&node].core.as_ref().map(|core| core.status().committed).expect("it runs")
        };
        weather.run_until(second(&weather, 1));
        assert!(committed(&weather, leader) > 10_000, "seed {seed}: {}", committed(&weather, leader));
        weather.loss = 300;
        weather.boot(absent);
        weather.run_until(second(&weather, 10));
        assert_eq!(weather.found, None, "seed {seed}");
        let core = weather.machines[&absent].core.as_ref().expect("it runs");
        assert!(core.log().base().index > 9_000, "seed {seed}: its log begins after {:?}", core.log().base());
        assert!(core.status().committed > 10_000, "seed {seed}: {:?}", core.status());
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..10 {
        let [mut one, mut two] = [Weather::new(seed, None), Weather::new(seed, None)];
        one.run();
        two.run();
        assert_eq!((one.steps, one.reads, one.writer.issued), (two.steps, two.reads, two.writer.issued));
    }
}

#[test]
fn every_flaw_is_found_under_some_seed() {
    let mut missed = Vec::new();
    // Nobody joins or leaves here.
    let members = Flaw::LearnersCount..=Flaw::RemovedLeaderCounts;
    let here = |flaw: &Flaw| {
        flaw.protocols() == ["raft"] && !members.contains(flaw) && *flaw != Flaw::SnapshotForgetsMembers
    };
    // Clocks are true here, so a lease must be as good as a quorum, and what is persisted is durable whatever
    // a node does to its log: these two are for those who simulate clocks and disks.
    let others_see = [Flaw::LeaseReads, Flaw::NoSync];
    // Nobody sends a call again, locks, asks for ids, watches, has an account, asks who leads, or asks anything but reads
    // and writes of registers.
    let nobody_asks = [
        Flaw::RetryAppliedTwice,
        Flaw::SnapshotForgetsSessions,
        Flaw::SnapshotForgetsTokens,
        Flaw::LockWithoutFencing,
        Flaw::UnlockedByAnybody,
        Flaw::LeaseByOwnClock,
        Flaw::LeaseByAnyClock,
        Flaw::SnapshotForgetsIds,
        Flaw::SnapshotForgetsChanges,
        Flaw::SnapshotForgetsAccounts,
        Flaw::ClaimsBeforeElected,
        Flaw::CasComparesOld,
        Flaw::UnchangedEndsTransaction,
        Flaw::OwnAppendsUnseen,
        Flaw::FirstWriteStays,
        Flaw::FirstPageOnly,
        Flaw::GrowthHides,
        Flaw::ListByCall,
        Flaw::CounterStopsAtZero,
        Flaw::Overdraws,
        Flaw::IdsWrap,
        Flaw::TokenGoesWithLock,
        Flaw::SpilledFirst,
        Flaw::StampsOfSignedBytes,
    ];
    for flaw in Flaw::ALL.iter().copied().filter(here) {
        let elsewhere = others_see.contains(&flaw) || nobody_asks.contains(&flaw);
        let hunt = if elsewhere { HUNT / 10 } else { HUNT };
        let finds: Vec<(u64, String)> = (0..hunt)
            .filter_map(|seed| {
                let mut weather = Weather::new(seed, Some(flaw));
                weather.run();
                weather.found.map(|found| (seed, found))
            })
            .take(3)
            .collect();
        let seeds: Vec<u64> = finds.iter().map(|(seed, _)| *seed).collect();
        println!("{:27} {seeds:?} {}", flaw.name(), finds.first().map_or("-", |(_, found)| found));
        if finds.is_empty() != elsewhere {
            missed.push(flaw.name());
        }
    }
    assert!(missed.is_empty(), "in {HUNT} seeds, not found or found without a cause: {missed:?}");
}

/// A cluster, its weather and its clients.
struct Weather {
    chance: Chance,
    now: Time,
    agenda: BTreeMap<(Time, u64), Happening>,
    scheduled: u64,
    nodes: Vec<NodeId>,
    machines: BTreeMap<NodeId, Machine>,
    options: Options,
    watch: Invariants,
    /// The longest pause between two writes, in milliseconds: a busy client hides some faults, an idle one others.
    idle: u64,
    /// The usual delay of a message, at most, in milliseconds.
    latency: u64,
    /// The longest pause between two faults, in milliseconds.
    peace: u64,
    /// How many of a thousand leaders are cut off as soon as they are elected.
    spite: u16,
    /// Links that carry nothing, by sender and receiver.
    cut: Vec<(NodeId, NodeId)>,
    /// Out of a thousand.
    loss: u16,
    writer: Writer,
    /// What each read under way must not fall below.
    floors: BTreeMap<(NodeId, RequestId), i64>,
    reads: u64,
    leaders: u64,
    requests: u64,
    steps: u64,
    found: Option<String>,
}

/// One node's computer: the disk survives, the rest does not.
#[derive(Default)]
struct Machine {
    core: Option<Raft>,
    disk: Vec<Record>,
    /// Effects not performed yet; a Persist at the front is being written.
    queue: VecDeque<Effect<Message, Record>>,
    /// How many effects of the queue are covered by the sync under way.
    syncing: usize,
    boots: u64,
    asleep_until: Time,
    led: bool,
}

/// Writes 1, 2, 3, … one after another, so what is read can only rise.
#[derive(Default)]
struct Writer {
    issued: i64,
    under_way: Option<(NodeId, RequestId)>,
    acknowledged: i64,
    /// No later read may return less.
    floor: i64,
}

enum Happening {
    Deliver { from: NodeId, to: NodeId, message: Message },
    Wake { node: NodeId, boot: u64 },
    Synced { node: NodeId, boot: u64 },
    Boot(NodeId),
    Write,
    GiveUp(NodeId, RequestId),
    Read,
    Isolate(NodeId),
    Trouble,
}

/// Every third seed knows no snapshots, every third takes many, the others keep a few entries.
fn compaction(seed: u64) -> Compaction {
    match seed % 6 {
        0 | 3 => Compaction::default(),
        1 => Compaction { every: 5, keep: 0, chunk: 11 },
        4 => Compaction { every: 5, keep: 0, chunk: 1000 },
        _ => Compaction { every: 20, keep: 10, chunk: 1000 },
    }
}

impl Weather {
    fn new(seed: u64, flaw: Option<Flaw>) -> Weather {
        let chance = Chance::new(seed);
        let nodes = NodeId::all(if seed.is_multiple_of(2) { 3 } else { 5 });
        let spiteful = seed % 32 >= 16;
        let mut weather = Weather {
            chance,
            now: Time::ZERO,
            agenda: BTreeMap::new(),
            scheduled: 0,
            machines: nodes.iter().map(|&node| (node, Machine::default())).collect(),
            nodes,
            options: Options { flaw, compaction: compaction(seed), ..Options::default() },
            watch: Invariants::default(),
            idle: if seed % 4 < 2 { 30 } else { 1000 },
            latency: if seed % 8 < 4 { 4 } else { 80 },
            // Figure 8 needs leaders that fall one after another, and little else.
            peace: if spiteful {
                4000
            } else if seed % 16 < 8 {
                600
            } else {
                200
            },
            spite: if spiteful { 600 } else { 0 },
            cut: Vec::new(),
            loss: 0,
            writer: Writer::default(),
            floors: BTreeMap::new(),
            reads: 0,
            leaders: 0,
            requests: 0,
            steps: 0,
            found: None,
        };
        for node in weather.nodes.clone() {
            weather.after(0, Happening::Boot(node));
        }
        weather.after(0, Happening::Write);
        weather.after(0, Happening::Read);
        weather.after(2000, Happening::Trouble);
        weather
    }

    fn after(&mut self, millis: u64, happening: Happening) {
        let micros = millis * 1000 + self.chance.below(1000);
        self.at(self.now + Duration::from_micros(micros), happening);
    }

    fn at(&mut self, time: Time, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((time, self.scheduled), happening);
    }

    fn run(&mut self) {
        self.run_until(LENGTH);
    }

    fn run_until(&mut self, end: Time) {
        while let Some(next) = self.agenda.first_entry() {
            if next.key().0 > end || self.found.is_some() {
                return;
            }
            let ((time, _), happening) = next.remove_entry();
            self.now = time;
            self.steps += 1;
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver { from, to, message } => {
                if let Some(awake) = self.asleep(to) {
                    self.at(awake, Happening::Deliver { from, to, message });
                } else {
                    self.input(to, Input::Message { from, message });
                }
            }
            Happening::Wake { node, boot } if self.machines[&node].boots == boot => {
                if let Some(awake) = self.asleep(node) {
                    self.at(awake, Happening::Wake { node, boot });
                } else {
                    self.input(node, Input::Wake);
                    self.set_alarm(node);
                }
            }
            Happening::Synced { node, boot } if self.machines[&node].boots == boot => self.synced(node),
            Happening::Wake { .. } | Happening::Synced { .. } => {}
            Happening::Boot(node) => self.boot(node),
            Happening::Write => self.write(),
            Happening::GiveUp(node, id) => {
                if self.writer.under_way == Some((node, id)) {
                    self.writer.under_way = None;
                }
            }
            Happening::Read => self.read(),
            Happening::Isolate(node) => self.isolate(&[node]),
            Happening::Trouble => self.trouble(),
        }
    }

    fn asleep(&self, node: NodeId) -> Option<Time> {
        Some(self.machines[&node].asleep_until).filter(|&until| until > self.now)
    }

    fn machine(&mut self, node: NodeId) -> &mut Machine {
        self.machines.get_mut(&node).expect("every node has a machine")
    }

    fn boot(&mut self, node: NodeId) {
        let chance = self.chance.split("node").split(&format!("{node} {}", self.now.0));
        let (nodes, options, now) = (self.nodes.clone(), self.options, self.now);
        let machine = self.machine(node);
        if machine.core.is_none() {
            let disk = machine.disk.clone();
            machine.core = Some(Raft::boot(node, &nodes, disk, options, now, chance));
            self.look(node);
            self.set_alarm(node);
        }
    }

    fn crash(&mut self, node: NodeId) {
        let machine = self.machine(node);
        machine.core = None;
        machine.queue.clear();
        machine.syncing = 0;
        machine.boots += 1;
        machine.led = false;
        self.look(node);
        if self.writer.under_way.is_some_and(|(asked, _)| asked == node) {
            self.writer.under_way = None;
        }
        self.floors.retain(|(asked, _), _| *asked != node);
        let down = self.chance.between(1, 400);
        self.after(down, Happening::Boot(node));
    }

    fn look(&mut self, node: NodeId) {
        let state = self.machines[&node].core.as_ref();
        if let Err(violation) = self.watch.observe(node, state) {
            self.found.get_or_insert(format!("{}: {}", violation.property, violation.story));
        }
        let leads = state.is_some_and(|raft| raft.status().role == Role::Leader);
        self.leaders += u64::from(leads && !self.machines[&node].led);
        if leads && !self.machines[&node].led && self.chance.permille(self.spite) {
            let soon = self.chance.below(40);
            self.after(soon, Happening::Isolate(node));
        }
        self.machine(node).led = leads;
    }

    fn input(&mut self, node: NodeId, input: Input<Message>) {
        let now = self.now;
        let machine = self.machine(node);
        let Some(core) = &mut machine.core else { return };
        let mut out = Vec::new();
        core.handle(now, input, &mut out);
        machine.queue.extend(out);
        self.look(node);
        self.perform(node);
    }

    /// Performs effects up to the next Persist, and starts writing that.
    fn perform(&mut self, node: NodeId) {
        loop {
            let boot = self.machines[&node].boots;
            let machine = self.machine(node);
            if machine.syncing > 0 {
                return;
            }
            match machine.queue.front() {
                None => return,
                Some(Effect::Persist(_) | Effect::Rewrite(_)) => {
                    machine.syncing = machine.queue.len();
                    let slow = self.chance.below(4);
                    self.after(slow, Happening::Synced { node, boot });
                    return;
                }
                Some(_) => {}
            }
            match machine.queue.pop_front() {
                Some(Effect::Send { to, message }) if to == node => {
                    self.input(node, Input::Message { from: node, message });
                }
                Some(Effect::Send { to, message }) => self.send(node, to, message),
                Some(Effect::Reply { id, outcome }) => self.answered(node, id, &outcome),
                Some(Effect::Persist(_) | Effect::Rewrite(_)) | None => {}
            }
        }
    }

    /// One sync covers every Persist that was in the queue when it began.
    fn synced(&mut self, node: NodeId) {
        let machine = self.machine(node);
        let covered: Vec<_> = machine.queue.drain(..machine.syncing).collect();
        machine.syncing = 0;
        let mut rest = Vec::new();
        for effect in covered {
            match effect {
                Effect::Persist(record) => machine.disk.push(record),
                Effect::Rewrite(records) => machine.disk = records,
                other => rest.push(other),
            }
        }
        for effect in rest.into_iter().rev() {
            machine.queue.push_front(effect);
        }
        self.perform(node);
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        if self.cut.contains(&(from, to)) || self.chance.permille(self.loss) {
            return;
        }
        for _ in 0..=u8::from(self.chance.permille(20)) {
            let late = if self.chance.permille(50) { 150 } else { self.latency };
            let late = self.chance.below(late);
            self.after(late, Happening::Deliver { from, to, message: message.clone() });
        }
    }

    fn set_alarm(&mut self, node: NodeId) {
        let boot = self.machines[&node].boots;
        let alarm = self.machines[&node].core.as_ref().and_then(Raft::alarm);
        if let Some(alarm) = alarm {
            // An alarm may move while it waits, so it is looked at again soon.
            let soon = self.now + Duration::from_millis(5);
            self.at(alarm.clamp(self.now + Duration::from_micros(10), soon), Happening::Wake { node, boot });
        }
    }

    fn request(&mut self, node: NodeId, call: Call) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        if let Call::Write { .. } = call {
            self.writer.under_way = Some((node, id));
        } else {
            self.floors.insert((node, id), self.writer.floor);
        }
        let ticket = Ticket { process: ProcessId(id.0 as u32), number: 1 };
        self.input(node, Input::Request { id, ticket, call });
        id
    }

    /// Somebody who can be asked: mostly one who believes to lead.
    fn whom(&mut self) -> Option<NodeId> {
        let up = |node: &&NodeId| self.machines[node].core.is_some() && self.asleep(**node).is_none();
        let up: Vec<NodeId> = self.nodes.iter().filter(up).copied().collect();
        let leads = |node: &NodeId| self.machines[node].led;
        let leaders: Vec<NodeId> = up.iter().copied().filter(leads).collect();
        let among = if leaders.is_empty() || self.chance.permille(100) { up } else { leaders };
        self.chance.pick(&among).copied()
    }

    fn write(&mut self) {
        let pause = self.chance.below(self.idle);
        self.after(pause, Happening::Write);
        if self.writer.under_way.is_none()
            && let Some(node) = self.whom()
        {
            self.writer.issued += 1;
            let id = self.request(node, Call::Write { key: KEY, value: Value(self.writer.issued) });
            self.after(200, Happening::GiveUp(node, id));
        }
    }

    fn read(&mut self) {
        let pause = self.chance.below(30);
        self.after(pause, Happening::Read);
        if let Some(node) = self.whom() {
            self.request(node, Call::Read { key: KEY });
        }
    }

    fn answered(&mut self, node: NodeId, id: RequestId, outcome: &Outcome) {
        if let Some(floor) = self.floors.remove(&(node, id)) {
            if let Outcome::Ok(Reply::Read(value)) = outcome {
                let value = value.map_or(0, |value| value.0);
                self.reads += 1;
                self.writer.floor = self.writer.floor.max(value);
                if value < floor {
                    self.found.get_or_insert(format!("stale read: {node} read {value} after {floor}"));
                }
            }
        } else if self.writer.under_way == Some((node, id)) {
            self.writer.under_way = None;
            if outcome.is_ok() {
                self.writer.acknowledged += 1;
                self.writer.floor = self.writer.floor.max(self.writer.issued);
            }
        }
    }

    /// Something breaks, or is mended.
    fn trouble(&mut self) {
        let pause = self.chance.below(self.peace);
        self.after(pause, Happening::Trouble);
        let nodes = self.nodes.clone();
        let node = *self.chance.pick(&nodes).expect("there are nodes");
        match self.chance.below(10) {
            0 | 1 => self.crash(node),
            2 => nodes.iter().for_each(|&node| self.crash(node)),
            3 => {
                let millis = self.chance.below(900);
                let until = self.now + Duration::from_millis(millis);
                self.machine(node).asleep_until = until;
            }
            4 => self.isolate(&[node]),
            5 => {
                let leads = |node: &&NodeId| self.machines[node].led;
                let leader = nodes.iter().find(leads).copied().unwrap_or(node);
                self.isolate(&[leader]);
            }
            6 => {
                let other = *self.chance.pick(&nodes).expect("there are nodes");
                self.isolate(&[node, other]);
            }
            7 => self.loss = self.chance.below(300) as u16,
            _ => (self.cut, self.loss) = (Vec::new(), 0),
        }
    }

    fn isolate(&mut self, some: &[NodeId]) {
        let apart = |a: &NodeId, b: &NodeId| some.contains(a) != some.contains(b);
        let links = self.nodes.iter().flat_map(|&a| self.nodes.iter().map(move |&b| (a, b)));
        self.cut = links.filter(|(a, b)| apart(a, b)).collect();
    }
}
