//! The search that refutes: all configurations at once, event by event.
//!
//! Lowe's just-in-time linearization (*Testing for linearizability*, CCPE 29, 2017): only when an operation returns
//! must it have taken effect, and so only then is it asked in which orders the open ones may have, the returning
//! one last. What is kept is the set of configurations at one event, so memory does not grow with the history; and
//! the first return that empties the set is the earliest at which anybody could have known.
//!
//! Unknown operations may take effect any number of times here, so that only its *no* is an answer.

use super::meter::{Meter, Stop};
use super::plan::Plan;
use super::world::{NONE, World};
use crate::{Item, Model, NEVER};
use std::sync::atomic::{AtomicBool, Ordering};

/// What the refuting search found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// No order explains the return at this event.
    Stuck(u32),
    /// There may be an order.
    Open,
    /// It came to this event, when there was too little of something.
    Gone(u32, Stop),
}

/// Which of the open operations took effect, by slot, and the state.
type Configuration = (u64, u32);

/// Goes along all events. At most 64 operations may be open at once.
pub(super) fn refute<M: Model>(
    model: &M,
    items: &[Item<M::Action>],
    plan: &Plan<M::Action>,
    meter: &Meter,
    ended: &AtomicBool,
) -> Front {
    let mut walk = Walk {
        world: World::new(model, &plan.actions, meter),
        open: Vec::new(),
        doubtful: Vec::new(),
        looks: Vec::new(),
        layer: 0,
        seen: Set::new(meter),
        done: Set::new(meter),
    };
    let mut now: Vec<Configuration> = vec![(0, 0)];
    for (cursor, event) in plan.events.iter().enumerate() {
        let number = *event as usize / 2;
        let (lane, kind, item) = (plan.lanes[number], plan.kinds[number], &items[number]);
        if event % 2 == 0 {
            walk.invoke(lane, kind, item.returned);
            continue;
        }
        let outcome = walk.world.paid().and_then(|()| walk.returns(&now, lane, kind, ended));
        if let Err(stop) = outcome {
            return Front::Gone(plan.position(items, cursor), stop);
        }
        if walk.done.all.is_empty() {
            return Front::Stuck(item.returned);
        }
        std::mem::swap(&mut now, &mut walk.done.all);
        walk.open.retain(|open| open.lane != lane);
    }
    Front::Open
}

/// An open operation.
#[derive(Debug, Clone, Copy)]
struct Open {
    lane: u32,
    kind: u32,
    returned: u32,
    /// The slots of open operations of the same kind that return before it: they go first.
    before: u64,
}

/// What the open operations make of a state.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    layer: u32,
    /// The slots of those that only observe, and can.
    absorbed: u64,
    /// The slots of those that depend on the state, and can take effect.
    seen: u64,
    /// Whether some unknown operation depends on the state, and can take effect.
    doubtful: bool,
}

struct Walk<'a, M: Model> {
    world: World<'a, M>,
    open: Vec<Open>,
    /// The kinds of the unknown operations so far.
    doubtful: Vec<u32>,
    /// By state.
    looks: Vec<Look>,
    /// The number of the return that is looked at.
    layer: u32,
    seen: Set<'a>,
    done: Set<'a>,
}

/// How many configurations are expanded between two looks at the clock.
const BREATH: usize = 1 << 12;

impl<M: Model> Walk<'_, M> {
    fn invoke(&mut self, lane: u32, kind: u32, returned: u32) {
        if returned != NEVER {
            self.open.push(Open { lane, kind, returned, before: 0 });
        } else if !self.doubtful.contains(&kind) {
            self.doubtful.push(kind);
        }
    }

    /// Lets the operation in `lane` return; `done` are the configurations afterwards.
    fn returns(
        &mut self,
        now: &[Configuration],
        lane: u32,
        kind: u32,
        ended: &AtomicBool,
    ) -> Result<(), Stop> {
        self.layer += 1;
        self.seen.clear();
        self.done.clear();
        let all = self.open.clone();
        for open in &mut self.open {
            let earlier = all.iter().filter(|o| o.kind == open.kind && o.returned < open.returned);
            open.before = earlier.fold(0, |slots, other| slots | 1 << other.lane);
        }
        let bit = 1 << lane;
        for (mask, state) in now {
            self.reach(*mask, *state, bit)?;
        }
        let mut at = 0;
        while at < self.seen.all.len() {
            if at.is_multiple_of(BREATH) {
                self.seen.meter.time()?;
                if ended.load(Ordering::Relaxed) {
                    return Err(Stop::Time);
                }
            }
            let (mask, state) = self.seen.all[at];
            at += 1;
            self.expand(mask, state, bit, kind)?;
        }
        Ok(())
    }

    /// Tries everything that could take effect next.
    fn expand(&mut self, mask: u64, state: u32, bit: u64, kind: u32) -> Result<(), Stop> {
        let after = self.world.step(state, kind);
        if after != NONE {
            self.reach(mask | bit, after, bit)?;
        }
        for place in 0..self.open.len() {
            let Open { lane, kind, before, .. } = self.open[place];
            let own = 1 << lane;
            if own == bit || mask & own != 0 || before & !mask != 0 || self.world.observes(kind) {
                continue;
            }
            let after = self.world.step(state, kind);
            if after != NONE {
                self.reach(mask | own, after, bit)?;
            }
        }
        for place in 0..self.doubtful.len() {
            let after = self.world.step(state, self.doubtful[place]);
            if after == NONE || after == state {
                continue;
            }
            let look = self.look(after);
            if look.doubtful || look.seen & !mask != 0 {
                self.reach(mask, after, bit)?;
            }
        }
        Ok(())
    }

    /// Comes to a configuration: all that only observe and can, do so at once.
    fn reach(&mut self, mask: u64, state: u32, bit: u64) -> Result<(), Stop> {
        let mask = mask | self.look(state).absorbed;
        if mask & bit != 0 { self.done.insert(mask & !bit, state) } else { self.seen.insert(mask, state) }
    }

    fn look(&mut self, state: u32) -> Look {
        if self.looks.len() <= state as usize {
            self.looks.resize(state as usize + 1, Look::default());
        }
        if self.looks[state as usize].layer != self.layer {
            let mut look = Look { layer: self.layer, ..Look::default() };
            for place in 0..self.open.len() {
                let Open { lane, kind, .. } = self.open[place];
                if self.world.sees(state, kind) {
                    look.seen |= 1 << lane;
                    look.absorbed |= u64::from(self.world.observes(kind)) << lane;
                }
            }
            look.doubtful =
                (0..self.doubtful.len()).any(|place| self.world.sees(state, self.doubtful[place]));
            self.looks[state as usize] = look;
        }
        self.looks[state as usize]
    }
}

/// A set of configurations, that is emptied often and costs nothing to empty.
struct Set<'m> {
    all: Vec<Configuration>,
    /// Open addressing; when it was put there, and its place in `all`.
    table: Vec<(u32, u32)>,
    round: u32,
    meter: &'m Meter,
    bytes: usize,
}

impl<'m> Set<'m> {
    fn new(meter: &'m Meter) -> Set<'m> {
        Set { all: Vec::new(), table: vec![(0, 0); 256], round: 1, meter, bytes: 0 }
    }

    fn clear(&mut self) {
        self.all.clear();
        self.round += 1;
    }

    fn insert(&mut self, mask: u64, state: u32) -> Result<(), Stop> {
        if 2 * self.all.len() >= self.table.len() {
            self.grow()?;
        }
        let mut at = self.start(mask, state);
        while self.table[at].0 == self.round {
            if self.all[self.table[at].1 as usize] == (mask, state) {
                return Ok(());
            }
            at = (at + 1) & (self.table.len() - 1);
        }
        self.table[at] = (self.round, self.all.len() as u32);
        self.all.push((mask, state));
        Ok(())
    }

    fn start(&self, mask: u64, state: u32) -> usize {
        let mixed = (mask ^ (u64::from(state) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 32) as usize ^ mixed as usize) & (self.table.len() - 1)
    }

    fn grow(&mut self) -> Result<(), Stop> {
        let places = 2 * self.table.len();
        let bytes = places * (size_of::<(u32, u32)>() + size_of::<Configuration>());
        self.meter.take(bytes - self.bytes)?;
        self.bytes = bytes;
        self.table = vec![(0, 0); places];
        for place in 0..self.all.len() {
            let (mask, state) = self.all[place];
            let mut at = self.start(mask, state);
            while self.table[at].0 == self.round {
                at = (at + 1) & (places - 1);
            }
            self.table[at] = (self.round, place as u32);
        }
        Ok(())
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.meter.give_back(self.bytes);
    }
}
