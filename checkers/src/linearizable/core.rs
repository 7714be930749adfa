//! The few operations that already rule out every order.
//!
//! Only relaxations are used: whatever a history allows is still allowed after a read was dropped or a change's
//! outcome was forgotten. So what cannot be explained afterwards could not be explained before. Dropping a
//! change would be none: it turns honest reads into phantoms (`CHECKERS.md` §B.7).

use super::meter::Meter;
use super::prepare::{Item, NEVER, without_unseen};
use super::search::{Answer, search};
use crate::models::register::{Action, Register};

/// Shrinks `items`, which no order explains up to the return at `stuck`, as far as `meter` allows. The result
/// cannot be explained either.
pub(crate) fn core(model: &Register, items: &[Item<Action>], stuck: u32, meter: &Meter) -> Vec<Item<Action>> {
    let mut core = items.to_vec();
    core.retain_mut(|item| item.invoked < stuck && (item.returned <= stuck || relaxed(item)));
    core = without_unseen(&core);
    let mut chunk = core.len().div_ceil(2);
    while chunk > 0 {
        let mut end = core.len();
        while end > 0 && meter.time().is_ok() {
            let begin = end.saturating_sub(chunk);
            let mut smaller = core.clone();
            let mut at = 0;
            smaller.retain_mut(|item| {
                at += 1;
                at <= begin || at > end || relaxed(item)
            });
            let smaller = without_unseen(&smaller);
            if smaller != core && matches!(search(model, &smaller, meter), Answer::None { .. }) {
                core = smaller;
            }
            end = begin.min(core.len());
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    core
}

/// Forgets an operation's outcome; whether anything is left of it.
fn relaxed(item: &mut Item<Action>) -> bool {
    item.returned = NEVER;
    item.action.left().is_some()
}
