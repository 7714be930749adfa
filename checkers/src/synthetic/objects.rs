//! Queues, sets, lists, counters and locks that are right: every operation takes effect at one instant.

use super::{Listener, Tale, gathered};
use history::{Call, Chance, Doubt, Event, History, Key, NodeId, Outcome, ProcessId, Refusal, Reply, Value};
use std::collections::{BTreeSet, VecDeque};

/// What kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Stack,
    /// The largest first.
    Largest,
    /// Elements that are added, removed and asked for.
    Elements,
    /// Elements that are only added, and read as a whole.
    Grown,
    /// Values that are appended, and read as a whole.
    List,
    /// Values that are put or appended, and read as a whole.
    Text,
    /// Counted up by one, and read.
    Counter,
    /// Counted up and down by whatever.
    Sum,
    /// Acquired and released, with fencing tokens.
    Lock,
    /// The same, but half of the time with a lease, which may be over whenever somebody else asks.
    Leased,
}

/// What kind of history.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Of what.
    pub kind: Kind,
    /// How many operations.
    pub ops: usize,
    /// How many clients are busy at once.
    pub clients: u32,
    /// How many operations of a thousand end unknown.
    pub unknown: u16,
    /// How many of a thousand only look, or take out.
    pub looks: u16,
    /// How many different elements a set has.
    pub elements: u64,
    /// Whether queues are drained now and then.
    pub drains: bool,
}

enum Client {
    Idle,
    Asked(Call),
    Done(Outcome),
}

/// The object itself.
#[derive(Default)]
struct World {
    queue: VecDeque<Value>,
    set: BTreeSet<Value>,
    count: i64,
    holder: Option<ProcessId>,
    /// Whether it may lose it.
    leased: bool,
    token: u64,
    fresh: i64,
}

/// A history of that shape, always the same for one seed.
pub fn simulate(shape: Shape, seed: u64) -> History {
    gathered(|listener| tell(shape, seed, listener))
}

/// Tells a history of that shape, event by event.
pub fn tell<'l>(shape: Shape, seed: u64, listener: &'l mut Listener<'l>) {
    let (mut chance, mut tale, mut world) = (Chance::new(seed), Tale::new(listener), World::default());
    let mut clients: Vec<(ProcessId, Client)> =
        (0..shape.clients).map(|id| (ProcessId(id), Client::Idle)).collect();
    let (mut asked, mut next) = (0, shape.clients);
    let mut late: Vec<(ProcessId, Call)> = Vec::new();
    while asked < shape.ops || clients.iter().any(|(_, client)| !matches!(client, Client::Idle)) {
        if chance.permille(100) && !late.is_empty() {
            let (process, call) = late.swap_remove(chance.below(late.len() as u64) as usize);
            world.apply(shape.kind, process, &call);
        }
        let (process, client) = &mut clients[chance.below(u64::from(shape.clients)) as usize];
        match std::mem::replace(client, Client::Idle) {
            Client::Idle if asked == shape.ops => {}
            Client::Idle => {
                let call = world.call(&shape, *process, &mut chance);
                let invoke = Event::Invoke { process: *process, node: NodeId(1), call: call.clone() };
                tale.push(invoke);
                *client = Client::Asked(call);
                asked += 1;
            }
            Client::Asked(call) if chance.permille(shape.unknown) => {
                let outcome = Outcome::Unknown(Doubt::Timeout);
                tale.push(Event::Complete { process: *process, outcome });
                late.push((*process, call));
                *process = ProcessId(next);
                next += 1;
            }
            Client::Asked(call) => *client = Client::Done(world.apply(shape.kind, *process, &call)),
            Client::Done(outcome) => tale.push(Event::Complete { process: *process, outcome }),
        }
    }
}

impl World {
    fn call(&mut self, shape: &Shape, process: ProcessId, chance: &mut Chance) -> Call {
        let (key, looks) = (Key(0), chance.permille(shape.looks));
        self.fresh += 1;
        let element = Value(chance.below(shape.elements.max(1)) as i64);
        match shape.kind {
            Kind::Fifo | Kind::Stack | Kind::Largest if looks => match shape.drains && chance.permille(200) {
                true => Call::Drain { key },
                false => Call::Dequeue { key },
            },
            // Priorities come in no order.
            Kind::Largest => Call::Enqueue { key, value: Value(self.fresh * 7919 % 1_000_003) },
            Kind::Fifo | Kind::Stack => Call::Enqueue { key, value: Value(self.fresh) },
            Kind::Elements if looks => Call::Contains { key, value: element },
            Kind::Elements if chance.permille(400) => Call::Remove { key, value: element },
            Kind::Elements => Call::Add { key, value: element },
            Kind::Grown | Kind::List | Kind::Text if looks => Call::Elements { key },
            Kind::Grown => Call::Add { key, value: element },
            Kind::Text if chance.permille(300) => Call::Write { key, value: Value(self.fresh) },
            Kind::List | Kind::Text => Call::Append { key, value: Value(self.fresh) },
            Kind::Counter | Kind::Sum if looks => Call::Count { key },
            Kind::Counter => Call::Increment { key, by: 1 },
            Kind::Sum => Call::Increment { key, by: chance.below(5) as i64 - 2 },
            Kind::Lock | Kind::Leased if self.holder == Some(process) => Call::Release { key },
            Kind::Lock => Call::Acquire { key, lease_ms: None },
            Kind::Leased => Call::Acquire { key, lease_ms: chance.permille(500).then_some(1) },
        }
    }

    fn take(&mut self, kind: Kind) -> Option<Value> {
        match kind {
            Kind::Fifo => self.queue.pop_front(),
            Kind::Stack => self.queue.pop_back(),
            _ => self.set.pop_last(),
        }
    }

    fn apply(&mut self, kind: Kind, process: ProcessId, call: &Call) -> Outcome {
        Outcome::Ok(match call {
            Call::Enqueue { value, .. } if kind == Kind::Largest => {
                self.set.insert(*value);
                Reply::Done
            }
            Call::Enqueue { value, .. } | Call::Append { value, .. } => {
                self.queue.push_back(*value);
                Reply::Done
            }
            Call::Write { value, .. } => {
                self.queue = VecDeque::from([*value]);
                Reply::Done
            }
            Call::Dequeue { .. } => Reply::Read(self.take(kind)),
            Call::Drain { .. } => Reply::List(std::iter::from_fn(|| self.take(kind)).collect()),
            Call::Add { value, .. } => {
                self.set.insert(*value);
                Reply::Done
            }
            Call::Remove { value, .. } => {
                self.set.remove(value);
                Reply::Done
            }
            Call::Contains { value, .. } => Reply::Is(self.set.contains(value)),
            Call::Elements { .. } if matches!(kind, Kind::List | Kind::Text) => {
                Reply::List(self.queue.iter().copied().collect())
            }
            Call::Elements { .. } => Reply::List(self.set.iter().copied().collect()),
            Call::Increment { by, .. } => {
                self.count += by;
                Reply::Done
            }
            Call::Count { .. } => Reply::Count(self.count),
            Call::Acquire { lease_ms, .. }
                if self.holder.is_none() || (self.leased && self.fresh % 2 == 0) =>
            {
                self.holder = Some(process);
                self.leased = lease_ms.is_some();
                self.token += 1;
                Reply::Held(Some(self.token))
            }
            Call::Release { .. } if self.holder == Some(process) => {
                self.holder = None;
                Reply::Done
            }
            _ => return Outcome::Fail(Refusal::NotHeld),
        })
    }
}
