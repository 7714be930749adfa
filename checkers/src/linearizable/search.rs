//! The exact search, for any model: Wing and Gong's algorithm (*Testing and Verifying Concurrent Objects*,
//! JPDC 17, 1993) with Lowe's memory (*Testing for linearizability*, CCPE 29, 2017).
//!
//! The search walks along the events of the history. It stands before the return of an operation that has not
//! taken effect yet, and tries the operations that are open there, one after the other; when that operation has
//! taken effect, it walks on. A **configuration** is where it stands, which of the open operations have taken
//! effect, how many unknown ones of each kind have, and the state. All who stand in the same configuration have
//! the same future, so none is entered twice.
//!
//! What keeps it small, none of which can change the answer:
//! * an open operation that only observes takes effect as soon as it can, and nothing else is tried;
//! * of open operations with equal actions, the one that returns first goes first;
//! * unknown operations with equal actions are counted, not told apart;
//! * an unknown operation takes effect only when something that can see its effect comes right after it.
//!
//! Many unknown operations make many configurations, because it matters how many of each kind have taken effect.
//! So the first search forgets that they take effect only once, and there are as few configurations as if there
//! were none. Its *no* is certain, and so is its *yes* if the order that it found happens to use each only once.
//! Only otherwise there is a second search, which keeps the limits.

use super::frontier::{Front, refute};
use super::meter::{Meter, Stop};
use super::plan::Plan;
use super::seen::Seen;
use super::world::{NONE, World};
use crate::{Item, Model, NEVER};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a search found out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The items taking effect in this order explain everything; unknown ones that are missing did not happen.
    Order(Vec<u32>),
    /// There is no order. What happened up to, but without, the return at `stuck` still has one.
    None {
        /// The index of the return.
        stuck: u32,
    },
    /// The budget was spent.
    Gone {
        /// Up to which event all was explained.
        reached: u32,
        /// How many configurations were entered.
        configurations: usize,
        /// What there was too little of.
        stop: Stop,
    },
}

/// Searches for an order in which `items`, sorted by invocation, explain everything.
pub(crate) fn search<M: Model>(model: &M, items: &[Item<M::Action>], meter: &Meter) -> Answer {
    Hunt::new(model, items, meter).search()
}

/// To look for so many operations' order for the first time costs no more than to look for what is wrong with them.
pub(super) const SHORT: usize = 1 << 12;

/// A search, before it begins.
pub(crate) struct Hunt<'a, M: Model> {
    model: &'a M,
    items: &'a [Item<M::Action>],
    plan: Plan<M::Action>,
    meter: &'a Meter,
}

impl<'a, M: Model> Hunt<'a, M> {
    /// For an order in which `items`, sorted by invocation, explain everything.
    pub fn new(model: &'a M, items: &'a [Item<M::Action>], meter: &'a Meter) -> Hunt<'a, M> {
        Hunt { model, items, plan: Plan::of(items), meter }
    }

    /// Only a first look, and only if there are few operations: an order, if one is found without trying much.
    pub fn glance(&self) -> Option<Vec<u32>> {
        let few = self.items.len() <= SHORT && self.relaxable();
        match few.then(|| self.attempt(false, 2 * self.items.len(), &AtomicBool::new(false)))?? {
            Answer::Order(order) => Some(order),
            _ => None,
        }
    }

    /// The whole search.
    pub fn search(&self) -> Answer {
        let never = AtomicBool::new(false);
        if !self.relaxable() {
            let answer = self.attempt(true, usize::MAX, &never);
            return answer.expect("an order within the limits is an order");
        }
        // Most are easy. Of the others, one search looks for an order while another looks for the return that none
        // can reach: the first to know ends both.
        let thorough = || match self.attempt(false, usize::MAX, &never) {
            None => self.attempt(true, usize::MAX, &never),
            found => found,
        };
        let Hunt { model, items, plan, meter } = self;
        match self.attempt(false, EASY + 2 * items.len(), &never) {
            None => self.attempt(true, usize::MAX, &never),
            Some(Answer::Gone { stop: Stop::Memory, .. }) if plan.slots > 64 => thorough(),
            Some(Answer::Gone { stop: Stop::Memory, .. }) => {
                let (found, refuted) = std::thread::scope(|scope| {
                    let refuter = scope.spawn(|| refute_and_tell(*model, items, plan, meter, &never));
                    let found = thorough();
                    never.store(true, Ordering::Relaxed);
                    (found, refuter.join().expect("the refuting search does not panic"))
                });
                Some(either(found, refuted, || refute(*model, items, plan, meter, &AtomicBool::new(false))))
            }
            answer => answer,
        }
        .expect("an order within the limits is an order")
    }

    /// Whether it helps to forget that unknown operations take effect only once.
    fn relaxable(&self) -> bool {
        self.model.bounded() || self.plan.classes.is_empty()
    }

    /// One search, `limited` or not; nothing if it found an order that is over the limits.
    fn attempt(&self, limited: bool, most: usize, ended: &AtomicBool) -> Option<Answer> {
        let limits = Limits { limited, most, ended };
        let mut search = Search::new(self.model, self.items, &self.plan, self.meter, limits);
        let reached = |search: &Search<'_, M>| self.plan.position(self.items, search.furthest);
        match search.run() {
            Ok(true) => (search.over == 0).then(|| Answer::Order(search.order())),
            Ok(false) => Some(Answer::None { stuck: reached(&search) }),
            Err(stop) => {
                Some(Answer::Gone { reached: reached(&search), configurations: search.entered, stop })
            }
        }
    }
}

/// Whether the refuting search, by itself, finds a return that no order explains.
#[cfg(test)]
pub(crate) fn stuck<M: Model>(model: &M, items: &[Item<M::Action>], meter: &Meter) -> bool {
    let front = refute(model, items, &Plan::of(items), meter, &AtomicBool::new(false));
    assert!(!matches!(front, Front::Gone(..)), "a budget of a minute was too little");
    matches!(front, Front::Stuck(_))
}

fn refute_and_tell<M: Model>(
    model: &M,
    items: &[Item<M::Action>],
    plan: &Plan<M::Action>,
    meter: &Meter,
    ended: &AtomicBool,
) -> Front {
    let refuted = refute(model, items, plan, meter, ended);
    if matches!(refuted, Front::Stuck(_)) {
        ended.store(true, Ordering::Relaxed);
    }
    refuted
}

/// What two searches found together; `again` refutes once more, now that all the memory is free.
fn either(found: Option<Answer>, refuted: Front, again: impl FnOnce() -> Front) -> Answer {
    let found = found.expect("an order within the limits is an order");
    let Answer::Gone { reached, configurations, stop } = found else { return found };
    let refuted = match refuted {
        Front::Gone(_, Stop::Memory) => again(),
        refuted => refuted,
    };
    match refuted {
        Front::Stuck(stuck) => Answer::None { stuck },
        Front::Gone(further, _) => Answer::Gone { reached: reached.max(further), configurations, stop },
        Front::Open => Answer::Gone { reached, configurations, stop },
    }
}

/// So many configurations are no trouble, beside two for each operation.
const EASY: usize = 1 << 14;

/// What an attempt obeys.
#[derive(Clone, Copy)]
struct Limits<'e> {
    /// Whether an unknown operation takes effect only once.
    limited: bool,
    /// How many configurations may be entered.
    most: usize,
    /// Whether somebody else knows already.
    ended: &'e AtomicBool,
}

/// One thing that could take effect next.
#[derive(Clone, Copy)]
struct Choice {
    /// The item; of a class of unknown ones, the next.
    item: u32,
    /// The state afterwards.
    after: u32,
}

/// A choice made, with what is needed to unmake it.
struct Step {
    item: u32,
    state: u32,
    cursor: u32,
    /// Whether there was nothing else to try, so that the configuration need not be remembered.
    only: bool,
    /// Where the choices of the configuration that it led to begin.
    choices: usize,
    /// Which of them is next.
    next: usize,
}

struct Search<'a, M: Model> {
    world: World<'a, M>,
    items: &'a [Item<M::Action>],
    plan: &'a Plan<M::Action>,
    meter: &'a Meter,
    limits: Limits<'a>,
    /// How many more unknown operations took effect than there were.
    over: usize,
    /// The classes of unknown operations that see something.
    seers: Vec<usize>,
    /// The configuration: the next event, the calls by slot, which of them are open, which took effect, how many of each
    /// class were invoked and took effect, and the state.
    cursor: usize,
    open: Vec<u32>,
    busy: Vec<u64>,
    taken: Vec<u64>,
    invoked: Vec<u32>,
    used: Vec<u32>,
    state: u32,
    steps: Vec<Step>,
    choices: Vec<Choice>,
    /// The configurations that need not be entered again, and behind which event there are none of them.
    seen: Seen<'a>,
    beyond: usize,
    /// How many configurations were entered in which there was something to choose.
    entered: usize,
    key: Vec<u64>,
    scratch: Vec<(u32, u32)>,
    waiting: Vec<u32>,
    furthest: usize,
}

/// How many steps pass between two looks at the clock.
const BREATH: u32 = 1 << 12;

impl<'a, M: Model> Search<'a, M> {
    fn new(
        model: &'a M,
        items: &'a [Item<M::Action>],
        plan: &'a Plan<M::Action>,
        meter: &'a Meter,
        limits: Limits<'a>,
    ) -> Search<'a, M> {
        let (words, classes) = (plan.slots.div_ceil(64), plan.classes.len());
        let stride = 1 + words + if limits.limited { classes.div_ceil(2) } else { 0 };
        Search {
            world: World::new(model, &plan.actions, meter),
            items,
            plan,
            meter,
            limits,
            over: 0,
            seers: (0..classes)
                .filter(|class| !model.overwrites(&items[plan.classes[*class][0] as usize].action))
                .collect(),
            cursor: 0,
            open: vec![0; plan.slots],
            busy: vec![0; words],
            taken: vec![0; words],
            invoked: vec![0; classes],
            used: vec![0; classes],
            state: 0,
            steps: Vec::with_capacity(items.len().min(SHORT) + 1),
            choices: Vec::with_capacity(items.len().min(SHORT) + 1),
            seen: Seen::new(stride, meter),
            beyond: 0,
            entered: 0,
            key: Vec::new(),
            scratch: Vec::new(),
            waiting: Vec::new(),
            furthest: 0,
        }
    }

    /// Whether there is an order; the steps are that order then.
    fn run(&mut self) -> Result<bool, Stop> {
        let mut breath: u32 = 0;
        self.walk();
        let root = Step { item: 0, state: 0, cursor: 0, only: true, choices: 0, next: 0 };
        self.steps.push(root);
        self.offer();
        while self.cursor < self.plan.events.len() {
            if breath.is_multiple_of(BREATH) {
                self.meter.time()?;
                self.world.paid()?;
                if self.limits.ended.load(Ordering::Relaxed) {
                    return Err(Stop::Time);
                }
            }
            if self.entered > self.limits.most {
                return Err(Stop::Memory);
            }
            breath = breath.wrapping_add(1);
            let Some(step) = self.steps.last_mut() else { return Ok(false) };
            let Some(choice) = self.choices.get(step.next).copied() else {
                if !step.only {
                    self.close()?;
                }
                self.undo();
                continue;
            };
            step.next += 1;
            self.make(choice, false);
            if self.enter()? {
                self.offer();
            } else {
                self.undo();
            }
        }
        Ok(true)
    }

    fn order(&self) -> Vec<u32> {
        self.steps.iter().skip(1).map(|step| step.item).collect()
    }

    /// Lets a choice take effect, and walks on as far as that allows.
    fn make(&mut self, choice: Choice, only: bool) {
        let (item, state, cursor, choices) =
            (choice.item, self.state, self.cursor as u32, self.choices.len());
        self.steps.push(Step { item, state, cursor, only, choices, next: choices });
        self.flip(choice.item, true);
        self.state = choice.after;
        self.walk();
    }

    /// Unmakes the last choice, and all that was tried after it.
    fn undo(&mut self) {
        let Some(step) = self.steps.pop() else { return };
        self.choices.truncate(step.choices);
        if self.steps.is_empty() {
            return;
        }
        while self.cursor > step.cursor as usize {
            self.cursor -= 1;
            let event = self.plan.events[self.cursor];
            let (item, lane) = (event / 2, self.plan.lanes[event as usize / 2] as usize);
            if event % 2 == 1 {
                self.open[lane] = item;
                self.busy[lane / 64] |= 1 << (lane % 64);
                self.taken[lane / 64] |= 1 << (lane % 64);
            } else if self.items[item as usize].returned == NEVER {
                self.invoked[lane] -= 1;
            } else {
                self.busy[lane / 64] &= !(1 << (lane % 64));
            }
        }
        self.flip(step.item, false);
        self.state = step.state;
    }

    fn flip(&mut self, item: u32, on: bool) {
        let lane = self.plan.lanes[item as usize] as usize;
        match (self.items[item as usize].returned == NEVER, on) {
            (true, true) => {
                self.over += usize::from(self.used[lane] >= self.invoked[lane]);
                self.used[lane] += 1;
            }
            (true, false) => {
                self.used[lane] -= 1;
                self.over -= usize::from(self.used[lane] >= self.invoked[lane]);
            }
            (false, _) => self.taken[lane / 64] ^= 1 << (lane % 64),
        }
    }

    /// Walks to the next return of an operation that has not taken effect.
    fn walk(&mut self) {
        while let Some(event) = self.plan.events.get(self.cursor) {
            let (item, lane) = (event / 2, self.plan.lanes[*event as usize / 2] as usize);
            if event % 2 == 1 {
                if self.taken[lane / 64] & (1 << (lane % 64)) == 0 {
                    break;
                }
                self.taken[lane / 64] ^= 1 << (lane % 64);
                self.busy[lane / 64] ^= 1 << (lane % 64);
            } else if self.items[item as usize].returned == NEVER {
                self.invoked[lane] += 1;
            } else {
                self.open[lane] = item;
                self.busy[lane / 64] |= 1 << (lane % 64);
            }
            self.cursor += 1;
        }
        self.furthest = self.furthest.max(self.cursor);
    }

    /// Whether this configuration is to be entered.
    fn enter(&mut self) -> Result<bool, Stop> {
        let enter = match self.comes_back() {
            true => {
                self.describe();
                self.seen.insert(&self.key)?
            }
            false if self.cursor > self.beyond => true,
            false => {
                self.describe();
                !self.seen.contains(&self.key)
            }
        };
        self.entered += usize::from(enter);
        Ok(enter)
    }

    /// Remembers that there is no way on from this configuration.
    fn close(&mut self) -> Result<(), Stop> {
        if !self.comes_back() {
            self.describe();
            self.seen.insert(&self.key)?;
            self.beyond = self.beyond.max(self.cursor);
        }
        Ok(())
    }

    /// Whether a way may come back to a configuration that it went through: then all are remembered as they are entered. If
    /// not, it is enough to remember those that came to nothing, and in an easy history there are few of them.
    fn comes_back(&self) -> bool {
        !self.limits.limited && !self.plan.classes.is_empty()
    }

    /// Writes down the configuration.
    fn describe(&mut self) {
        self.key.clear();
        self.key.push(((self.cursor as u64) << 32) | u64::from(self.state));
        self.key.extend_from_slice(&self.taken);
        if self.limits.limited {
            let pair = |two: &[u32]| u64::from(two[0]) | (u64::from(*two.get(1).unwrap_or(&0)) << 32);
            self.key.extend(self.used.chunks(2).map(pair));
        }
    }

    /// Gathers the open calls that have not taken effect.
    fn gather_waiting(&self, waiting: &mut Vec<u32>) {
        waiting.clear();
        for (word, (busy, taken)) in self.busy.iter().zip(&self.taken).enumerate() {
            let mut left = busy & !taken;
            while left != 0 {
                waiting.push(self.open[64 * word + left.trailing_zeros() as usize]);
                left &= left - 1;
            }
        }
    }

    /// How many of a class of unknown operations may still take effect.
    fn left(&self, class: usize) -> u32 {
        if self.limits.limited { self.invoked[class] - self.used[class] } else { self.invoked[class] }
    }

    /// The next of a class of unknown operations, if one is left.
    fn next(&self, class: usize) -> Option<u32> {
        let items = &self.plan.classes[class];
        (self.left(class) > 0).then(|| items[(self.used[class] as usize).min(items.len() - 1)])
    }

    /// Lists what could take effect in this configuration, the most promising first. What only observes does so before: to
    /// wait with it gains nothing.
    fn offer(&mut self) {
        let mut next = std::mem::take(&mut self.scratch);
        while self.absorb(&mut next) {}
        self.order_choices(&mut next);
        self.choices.extend(next.iter().map(|(item, after)| Choice { item: *item, after: *after }));
        self.scratch = next;
    }

    fn kind(&self, item: u32) -> u32 {
        self.plan.kinds[item as usize]
    }

    /// Lets those of the open calls take effect that only observe, and can; whether there were any. If not, `next` is filled
    /// with those that could take effect, and the states afterwards.
    fn absorb(&mut self, next: &mut Vec<(u32, u32)>) -> bool {
        next.clear();
        let (state, steps) = (self.state, self.steps.len());
        let mut waiting = std::mem::take(&mut self.waiting);
        self.gather_waiting(&mut waiting);
        for item in &waiting {
            let kind = self.kind(*item);
            let after = self.world.step(state, kind);
            if after == NONE {
                continue;
            }
            match self.world.observes(kind) {
                true => self.make(Choice { item: *item, after: state }, true),
                false => next.push((*item, after)),
            }
        }
        self.waiting = waiting;
        self.steps.len() > steps
    }

    /// Puts what could take effect into order, and adds what else could: who returns first comes first, of equal ones only he,
    /// and whoever may never return comes last.
    fn order_choices(&mut self, next: &mut Vec<(u32, u32)>) {
        next.sort_unstable_by_key(|(item, _)| self.items[*item as usize].returned);
        let mut at = 0;
        while at < next.len() {
            let kind = self.kind(next[at].0);
            if next[..at].iter().any(|(other, _)| self.kind(*other) == kind) {
                next.remove(at);
            } else {
                at += 1;
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        for class in 0..self.used.len() {
            let Some(item) = self.next(class) else { continue };
            let after = self.world.step(self.state, self.kind(item));
            if after != NONE && after != self.state && self.is_seen(after, item, &waiting) {
                next.push((item, after));
            }
        }
        self.waiting = waiting;
    }

    /// Whether something that could come right after the unknown `item` would see the state that it left.
    fn is_seen(&mut self, after: u32, item: u32, waiting: &[u32]) -> bool {
        if waiting.iter().any(|other| self.world.sees(after, self.plan.kinds[*other as usize])) {
            return true;
        }
        let another = !self.limits.limited || self.left(self.plan.lanes[item as usize] as usize) > 1;
        (0..self.seers.len()).any(|at| {
            let other = self.next(self.seers[at]);
            other.is_some_and(|other| {
                (other != item || another) && self.world.sees(after, self.plan.kinds[other as usize])
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;

    /// An object of another kind than the checkers have yet: it counts, and tells how far.
    struct Counter;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    enum Count {
        Add,
        Read(u32),
    }

    impl Model for Counter {
        type State = u32;
        type Action = Count;

        fn initial(&self) -> u32 {
            0
        }

        fn step(&self, state: &u32, action: &Count) -> Option<u32> {
            match action {
                Count::Add => Some(state + 1),
                Count::Read(seen) => (seen == state).then_some(*state),
            }
        }

        fn observes(&self, action: &Count) -> bool {
            *action != Count::Add
        }
    }

    /// Three additions whose outcome is unknown, and then a read.
    fn read_after_three_doubts(seen: u32) -> Answer {
        let add = |invoked| Item { action: Count::Add, invoked, returned: NEVER };
        let read = Item { action: Count::Read(seen), invoked: 3, returned: 4 };
        let meter = Meter::new(&Budget::default());
        search(&Counter, &[add(0), add(1), add(2), read], &meter)
    }

    #[test]
    fn equal_unknown_operations_take_effect_one_after_the_other() {
        assert_eq!(read_after_three_doubts(0), Answer::Order(vec![3]));
        assert_eq!(read_after_three_doubts(2), Answer::Order(vec![0, 1, 3]));
        assert_eq!(read_after_three_doubts(3), Answer::Order(vec![0, 1, 2, 3]));
    }
}
