//! Registers that are right: every operation takes effect at one instant. Or all but one.

use super::{Listener, Tale, gathered};
use history::{Call, Chance, Doubt, Event, History, Key, NodeId, Outcome, ProcessId, Refusal, Reply, Value};
use std::collections::BTreeMap;

/// Never to use other registers.
pub const STAY: usize = usize::MAX;

/// What kind of history.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many operations.
    pub ops: usize,
    /// How many clients are busy at once.
    pub clients: u32,
    /// How many registers are in use at once.
    pub keys: u64,
    /// After so many operations on each of them, others are used.
    pub rotate: usize,
    /// Values are drawn from this many; without, each is written once.
    pub values: Option<u64>,
    /// How many operations of a thousand end unknown.
    pub unknown: u16,
    /// Operations come in these shares: reads, writes, compare-and-sets.
    pub mix: [u64; 3],
}

enum Client {
    Idle,
    Asked(Call),
    Done(Outcome),
}

struct World<'t> {
    chance: Chance,
    tale: Tale<'t>,
    held: BTreeMap<Key, Value>,
    fresh: i64,
}

/// A history of that shape, always the same for one seed. Every register begins as nothing.
pub fn simulate(shape: Shape, seed: u64) -> History {
    gathered(|listener| tell(shape, None, seed, listener))
}

/// The same with one stale read, late in the history: these values are written to the first register one after the
/// other, and then the first of them is read.
pub fn simulate_stale(shape: Shape, values: [i64; 2], seed: u64) -> History {
    gathered(|listener| tell(shape, Some(values), seed, listener))
}

/// Tells a history of that shape, with a stale read or without, event by event.
pub fn tell<'l>(shape: Shape, stale: Option<[i64; 2]>, seed: u64, listener: &'l mut Listener<'l>) {
    let tale = Tale::new(listener);
    let mut world = World { chance: Chance::new(seed), tale, held: BTreeMap::new(), fresh: 0 };
    let mut clients: Vec<(ProcessId, Client)> =
        (0..shape.clients).map(|id| (ProcessId(id), Client::Idle)).collect();
    let (mut asked, mut next) = (0, shape.clients);
    // Calls whose clients have given up; they may still take effect.
    let mut late: Vec<Call> = Vec::new();
    while asked < shape.ops || clients.iter().any(|(_, client)| !matches!(client, Client::Idle)) {
        if world.chance.permille(20) && !late.is_empty() {
            let call = late.swap_remove(world.chance.below(late.len() as u64) as usize);
            world.apply(&call);
        }
        let (process, client) = &mut clients[world.chance.below(u64::from(shape.clients)) as usize];
        match std::mem::replace(client, Client::Idle) {
            Client::Idle if asked == shape.ops => {}
            Client::Idle => {
                if let Some(values) = stale.filter(|_| asked == shape.ops / 10 * 9) {
                    world.read_stale(values);
                }
                let first = (asked / shape.rotate.saturating_mul(shape.keys as usize)) as u64 * shape.keys;
                let call = world.call(&shape, first);
                world.tale.push(Event::Invoke { process: *process, node: NodeId(1), call: call.clone() });
                *client = Client::Asked(call);
                asked += 1;
            }
            Client::Asked(call) if world.chance.permille(shape.unknown) => {
                let outcome = Outcome::Unknown(Doubt::Timeout);
                world.tale.push(Event::Complete { process: *process, outcome });
                late.push(call);
                *process = ProcessId(next);
                next += 1;
            }
            Client::Asked(call) => *client = Client::Done(world.apply(&call)),
            Client::Done(outcome) => world.tale.push(Event::Complete { process: *process, outcome }),
        }
    }
}

impl World<'_> {
    fn read_stale(&mut self, values: [i64; 2]) {
        let (key, process) = (Key(0), ProcessId(u32::MAX - 1));
        let [first, second] = values.map(Value);
        let write = |value| (Call::Write { key, value }, Reply::Done);
        let read = (Call::Read { key }, Reply::Read(Some(first)));
        for (call, reply) in [write(first), write(second), read] {
            self.tale.push(Event::Invoke { process, node: NodeId(1), call });
            self.tale.push(Event::Complete { process, outcome: Outcome::Ok(reply) });
        }
        self.held.insert(key, second);
    }

    fn value(&mut self, shape: &Shape) -> Value {
        self.fresh += 1;
        Value(shape.values.map_or(self.fresh, |values| self.chance.below(values) as i64))
    }

    fn call(&mut self, shape: &Shape, first: u64) -> Call {
        let key = Key(first + self.chance.below(shape.keys));
        let mut draw = self.chance.below(shape.mix.iter().sum());
        for (kind, share) in shape.mix.iter().enumerate() {
            if draw < *share {
                return match kind {
                    0 => Call::Read { key },
                    1 => Call::Write { key, value: self.value(shape) },
                    _ => Call::Cas { key, expected: self.held.get(&key).copied(), new: self.value(shape) },
                };
            }
            draw -= share;
        }
        unreachable!("the draw is below the sum of the shares")
    }

    fn apply(&mut self, call: &Call) -> Outcome {
        let found = call.key().and_then(|key| self.held.get(&key).copied());
        match call {
            Call::Read { .. } => return Outcome::Ok(Reply::Read(found)),
            Call::Cas { expected, .. } if *expected != found => {
                return Outcome::Fail(Refusal::Mismatch { found });
            }
            Call::Write { key, value } | Call::Cas { key, new: value, .. } => self.held.insert(*key, *value),
            other => unreachable!("{other} is no call to a register"),
        };
        Outcome::Ok(Reply::Done)
    }
}
