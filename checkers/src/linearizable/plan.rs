//! The order in which a search walks along the events of a history, and what it needs to know of each.

use crate::{Item, NEVER};
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

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

impl<A: Clone + Eq + Hash> Plan<A> {
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
fn kinds<A: Clone + Eq + Hash>(items: &[Item<A>]) -> (Vec<A>, Vec<u32>) {
    let mut actions: Vec<A> = Vec::new();
    let mut kinds = Vec::with_capacity(items.len());
    // Open addressing: the number of an action plus one, or zero.
    let mut table = vec![0u32; 128];
    for item in items {
        if 2 * actions.len() >= table.len() {
            table = vec![0; 4 * table.len()];
            for (number, action) in (1..).zip(&actions) {
                let (Ok(at) | Err(at)) = find(&table, &actions, action);
                table[at] = number;
            }
        }
        let kind = match find(&table, &actions, &item.action) {
            Ok(at) => table[at] - 1,
            Err(at) => {
                actions.push(item.action.clone());
                table[at] = actions.len() as u32;
                table[at] - 1
            }
        };
        kinds.push(kind);
    }
    (actions, kinds)
}

/// Where the number of an action stands, or has its place.
fn find<A: Eq + Hash>(table: &[u32], actions: &[A], action: &A) -> Result<usize, usize> {
    let mut hasher = FxHasher::default();
    action.hash(&mut hasher);
    let mut at = hasher.finish() as usize & (table.len() - 1);
    loop {
        match table[at] {
            0 => return Err(at),
            number if actions[number as usize - 1] == *action => return Ok(at),
            _ => at = (at + 1) & (table.len() - 1),
        }
    }
}
