//! Values that were written once, among others that repeat: they cannot come back, so that from the first return of
//! somebody who wrote or saw one, until the last invocation of somebody who saw it, the register held nothing else.
//! Necessary, not sufficient; and it finds most of what is wrong with no search at all.

use super::sources::Sources;
use super::unique::{Violation, Zone};
use crate::models::register::Action;
use crate::{Item, NEVER};
use history::Value;

/// The first two things that cannot both be, if there are any.
pub(crate) fn check(sources: &Sources, items: &[Item<Action>]) -> Result<(), Violation> {
    let once =
        sources.all().filter(|(_, source)| source.writers == 1 && source.zone.first < source.zone.last);
    let mut zones: Vec<(Zone, Option<Value>)> = once.map(|(value, source)| (source.zone, value)).collect();
    zones.sort_unstable_by_key(|(zone, _)| (zone.first, zone.last));
    for pair in zones.windows(2) {
        let [(one, _), (other, _)] = [pair[0], pair[1]];
        if other.first < one.last {
            return Err(Violation::Overlap { one, other });
        }
    }
    for item in items.iter().filter(|item| item.returned != NEVER) {
        let before = zones.partition_point(|(zone, _)| zone.first < item.invoked || zone.first == 0);
        let Some((outer, value)) = before.checked_sub(1).map(|at| zones[at]) else { continue };
        if item.returned < outer.last && item.action != Action::Read(value) {
            let root = item.action.left().map(|_| item.invoked);
            let inner = Zone { first: item.returned, last: item.invoked, root };
            return Err(Violation::Within { inner, outer });
        }
    }
    Ok(())
}
