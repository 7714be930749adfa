//! The order in which a search walks along the events of a history, and what it needs to know of each.

use crate::{Item, NEVER};
use rustc_hash::FxHashMap;

/// What is fixed before the search.
pub(super) struct Plan<A> {
    /// The events in order: item × 2 for an invocation, + 1 for a return.
    pub events: Vec<u32>,
    /// The different actions.
    pub actions: Vec<A>,
    /// By item: which of them it is.
    pub kinds: Vec<u32>,
    /// By item: the slot of one that returns, the class of one that does not.
    pub lanes: Vec<u32>,
    /// How many slots there are: as many as calls were ever open at once.
    pub slots: usize,
    /// The items of each class of equal unknown actions, by invocation.
    pub classes: Vec<Vec<u32>>,
}

impl<A: Clone + Eq + std::hash::Hash> Plan<A> {
    /// For these items, in the order of their invocation.
    pub fn of(items: &[Item<A>]) -> Plan<A> {
        let events = events(items);
        let (actions, kinds) = kinds(items);
        let lanes = vec![0; items.len()];
        let mut plan = Plan { events, actions, kinds, lanes, slots: 0, classes: Vec::new() };
        let (mut free, mut known) = (Vec::new(), FxHashMap::default());
        for event in &plan.events {
            let (number, item) = (event / 2, &items[*event as usize / 2]);
            let lane = &mut plan.lanes[number as usize];
            if event % 2 == 1 {
                free.push(*lane);
            } else if item.returned == NEVER {
                *lane = *known.entry(plan.kinds[number as usize]).or_insert(plan.classes.len() as u32);
                if *lane as usize == plan.classes.len() {
                    plan.classes.push(Vec::new());
                }
                plan.classes[*lane as usize].push(number);
            } else {
                *lane = free.pop().unwrap_or(plan.slots as u32);
                plan.slots = plan.slots.max(*lane as usize + 1);
            }
        }
        plan
    }

    /// The index in the history of the event at `cursor`.
    pub fn position(&self, items: &[Item<A>], cursor: usize) -> u32 {
        let Some(event) = self.events.get(cursor) else { return NEVER };
        let item = &items[*event as usize / 2];
        if event % 2 == 1 { item.returned } else { item.invoked }
    }
}

/// Twice the number of each item, for its invocation, and one more for its return, in the order of time.
fn events<A>(items: &[Item<A>]) -> Vec<u32> {
    let mut events = Vec::with_capacity(2 * items.len());
    // What is open, by return, the earliest last: there are few of them at any time.
    let mut open: Vec<(u32, u32)> = Vec::new();
    for (number, item) in (0u32..).zip(items) {
        while let Some((_, event)) = open.pop_if(|(returned, _)| *returned <= item.invoked) {
            events.push(event);
        }
        events.push(2 * number);
        if item.returned != NEVER {
            let at = open.partition_point(|(returned, _)| *returned > item.returned);
            open.insert(at, (item.returned, 2 * number + 1));
        }
    }
    events.extend(open.into_iter().rev().map(|(_, event)| event));
    events
}

/// The different actions of some items, and which of them each is.
fn kinds<A: Clone + Eq + std::hash::Hash>(items: &[Item<A>]) -> (Vec<A>, Vec<u32>) {
    let mut known: FxHashMap<&A, u32> = FxHashMap::default();
    known.reserve(items.len().min(64));
    let mut actions = Vec::new();
    let mut kinds = Vec::with_capacity(items.len());
    for item in items {
        // Most are known, and to look is quicker than to make room.
        let kind = known.get(&item.action).copied().unwrap_or(actions.len() as u32);
        if kind as usize == actions.len() {
            known.insert(&item.action, kind);
            actions.push(item.action.clone());
        }
        kinds.push(kind);
    }
    (actions, kinds)
}
