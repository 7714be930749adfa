//! The few operations that already rule out every order.
//!
//! Only relaxations are used: whatever a history allows is still allowed after a read was dropped or a change's
//! outcome was forgotten, and with it what a compare-and-set expected. So what cannot be explained afterwards
//! could not be explained before. To drop a change would be no relaxation: it turns honest reads into phantoms.

use super::meter::Meter;
use super::search::{Answer, search};
use crate::{Budget, Item, NEVER, Object, Quick};

/// How much memory one attempt may take. A history that needs more to be refuted makes no good story anyway.
const ATTEMPT: usize = 16 << 20;

/// Shrinks `items`, which no order explains up to the return at `stuck`, within `budget`. The result cannot be
/// explained either.
pub(crate) fn shrink<O: Object>(
    object: &O,
    items: &[Item<O::Action>],
    stuck: u32,
    budget: &Budget,
) -> Vec<Item<O::Action>> {
    let meter = Meter::new(&Budget { bytes: ATTEMPT.min(budget.bytes), ..*budget });
    let refuted = |items: &[Item<O::Action>]| match object.quick(items) {
        Quick::Fine(_) => false,
        Quick::Wrong(..) => true,
        Quick::Unsure => {
            object.refute(items).is_some() || matches!(search(object, items, &meter), Answer::None { .. })
        }
    };
    let mut core = items.to_vec();
    core.retain_mut(|item| {
        // Whoever was still open may or may not have done what he did later, but nothing else.
        let open = item.returned > stuck;
        item.returned = if open { NEVER } else { item.returned };
        item.invoked < stuck && !(open && object.observes(&item.action))
    });
    core = object.prune(core);
    // What is wrong is usually wrong with the last few operations.
    let mut last = 8;
    while last < core.len() && meter.time().is_ok() {
        let smaller = relaxed(object, &core, 0..core.len() - last);
        if refuted(&smaller) {
            core = smaller;
            break;
        }
        last *= 2;
    }
    let mut chunk = core.len().div_ceil(2);
    while chunk > 0 {
        let mut end = core.len();
        while end > 0 && meter.time().is_ok() {
            let begin = end.saturating_sub(chunk);
            let smaller = relaxed(object, &core, begin..end);
            if smaller != core && refuted(&smaller) {
                core = smaller;
            }
            end = begin.min(core.len());
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    core
}

/// The items with the outcomes of those in `range` forgotten.
fn relaxed<O: Object>(
    object: &O,
    items: &[Item<O::Action>],
    range: std::ops::Range<usize>,
) -> Vec<Item<O::Action>> {
    let mut relaxed = items.to_vec();
    let mut at = 0;
    relaxed.retain_mut(|item| {
        at += 1;
        !range.contains(&(at - 1)) || relax(object, item)
    });
    object.prune(relaxed)
}

/// Forgets an operation's outcome, and what it expected; whether anything is left of it.
fn relax<O: Object>(object: &O, item: &mut Item<O::Action>) -> bool {
    item.returned = NEVER;
    match object.relax(&item.action) {
        Some(action) => item.action = action,
        None => return false,
    }
    true
}
