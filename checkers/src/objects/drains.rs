//! Draining a queue is taking out one thing after the other, until there is nothing left.

use crate::models::queue::{Action, Order};
use crate::{Item, NEVER};
use history::Value;

/// An instant, finer than event indexes, or [`NOT_YET`].
pub(crate) type Instant = u64;

/// After everything that happened.
pub(crate) const NOT_YET: Instant = u64::MAX;

/// When an operation was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// From when.
    pub from: Instant,
    /// Until when.
    pub to: Instant,
    /// The index of the event of its invocation.
    pub invoked: u32,
    /// The index of the event of its return.
    pub returned: u32,
}

/// What a queue was asked, one element at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// This was put in.
    Put(Value),
    /// This was taken out; or there was nothing.
    Take(Option<Value>),
    /// Something may have been taken out.
    TakeAny,
}

/// Operations on a queue, without drains.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// What, and when.
    pub all: Vec<(Deed, Span)>,
    /// Whether they demand exactly what the drains did, or less.
    pub exact: bool,
}

/// Takes drains apart. A drain beside which nothing happened is a sequence of takes. Of another the takes are
/// concurrent, which demands less than it did.
pub(crate) fn apart(items: &[Item<Action>], order: Order) -> Deeds {
    let longest = items.iter().map(|item| match &item.action {
        Action::Drain(all) => 2 * all.len() as u64 + 4,
        _ => 1,
    });
    let scale = longest.max().unwrap_or(1);
    let alone = if scale > 1 { alone(items, order) } else { Vec::new() };
    let mut deeds = Deeds { all: Vec::with_capacity(items.len()), exact: true };
    for (place, item) in items.iter().enumerate() {
        let from = u64::from(item.invoked) * scale;
        let to = if item.returned == NEVER { NOT_YET } else { u64::from(item.returned) * scale };
        let span = Span { from, to, invoked: item.invoked, returned: item.returned };
        match &item.action {
            Action::Put(value) => deeds.all.push((Deed::Put(*value), span)),
            // It need not have happened; to leave open what it took demands less.
            Action::Take(_) if item.returned == NEVER => {
                deeds.exact = false;
                deeds.all.push((Deed::TakeAny, span));
            }
            Action::Drain(_) if item.returned == NEVER => return Deeds { all: Vec::new(), exact: false },
            Action::Take(value) => deeds.all.push((Deed::Take(*value), span)),
            Action::TakeAny => deeds.all.push((Deed::TakeAny, span)),
            Action::Drain(all) => {
                let alone = alone[place];
                deeds.exact &= alone;
                let taken = all.iter().map(|value| Some(*value)).chain([None]);
                for (step, value) in (0..).zip(taken) {
                    let (from, to) = (from + 1 + 2 * step, from + 2 + 2 * step);
                    let span = if alone { Span { from, to, ..span } } else { span };
                    deeds.all.push((Deed::Take(value), span));
                }
            }
            // Anything may be missing after that, so that nothing could be demanded any more.
            Action::DrainAny => return Deeds { all: Vec::new(), exact: false },
        }
    }
    deeds
}

/// By item: whether nothing happened beside it that could make a difference to a drain.
fn alone(items: &[Item<Action>], order: Order) -> Vec<bool> {
    let mut busy_until = 0;
    let mut alone = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let next = items.get(place + 1).is_none_or(|next| item.returned < next.invoked);
        alone.push(next && (place == 0 || busy_until < item.invoked));
        // Whatever goes in meanwhile and comes out went in before, as far as a queue can tell.
        let behind = order == Order::First && matches!(item.action, Action::Put(_)) && item.returned == NEVER;
        if !behind {
            busy_until = busy_until.max(item.returned);
        }
    }
    alone
}
