//! One element of a set to which things are only added: from some instant on it is in there.

use crate::models::set::Action;
use crate::{Flaw, Item, NEVER};

/// What bounds the instant at which the element came in; the event that says so.
#[derive(Default)]
struct Bounds {
    /// It was added no earlier than this.
    begun: Option<u32>,
    /// It was there by the return of this.
    there: Option<(u32, u32)>,
    /// It was not yet there at the invocation of this.
    missing: Option<u32>,
    /// Somebody saw it.
    seen: Option<(u32, u32)>,
}

/// Judges an element that is only added and asked for; nothing if more was done, or other elements were.
pub(crate) fn judge(items: &[Item<Action>]) -> Option<Result<(), Flaw>> {
    let mut bounds = Bounds::default();
    let mut element = None;
    let sooner = |bound: &mut Option<(u32, u32)>, item: &Item<Action>| {
        if bound.is_none_or(|(returned, _)| item.returned < returned) {
            *bound = Some((item.returned, item.invoked));
        }
    };
    for item in items {
        let value = match item.action {
            Action::Add(value) => {
                bounds.begun = Some(bounds.begun.map_or(item.invoked, |begun| begun.min(item.invoked)));
                if item.returned != NEVER {
                    sooner(&mut bounds.there, item);
                }
                value
            }
            Action::Contains(value, true) => {
                sooner(&mut bounds.seen, item);
                value
            }
            Action::Contains(value, false) => {
                bounds.missing = bounds.missing.max(Some(item.invoked));
                value
            }
            _ => return None,
        };
        if *element.get_or_insert(value) != value {
            return None;
        }
    }
    let value = element?;
    Some(match (bounds.begun, bounds.seen) {
        (None, Some((_, seen_by))) => Err(Flaw::phantom(seen_by, value)),
        (Some(begun), Some((returned, seen))) if returned < begun => Err(too_soon(seen, returned, begun)),
        _ => bounds.no_loss(),
    })
}

fn too_soon(seen: u32, returned: u32, begun: u32) -> Flaw {
    Flaw::new("future read")
        .brief(seen)
        .say(" had returned by ")
        .at(returned)
        .say(" with what was not added before ")
        .op(begun)
        .say(" was invoked.")
}

impl Bounds {
    /// Whether nobody missed it after it was there.
    fn no_loss(&self) -> Result<(), Flaw> {
        let there = [self.there, self.seen].into_iter().flatten().min();
        let (Some(missing), Some((returned, by))) = (self.missing, there) else { return Ok(()) };
        if missing < returned {
            return Ok(());
        }
        Err(Flaw::new("stale read")
            .brief(by)
            .say(" had returned by ")
            .at(returned)
            .say(", so the element was in there. Yet ")
            .op(missing)
            .say(", invoked after that, did not find it, and nobody ever removed it."))
    }
}
