//! Could every value that was seen have come from anywhere? The cheapest necessary condition, with the clearest
//! stories, for registers whose values repeat.

use super::by_value::ByValue;
use super::unique::{Violation, Zone};
use crate::models::register::Action;
use crate::{Item, NEVER};
use history::Value;

/// What is known of a value.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    /// How many wrote it.
    pub writers: u32,
    /// When the first of them began.
    begun: u32,
    /// From the first return of somebody who wrote or saw it to the last invocation of one: if it was written once, the
    /// register held it in between.
    pub zone: Zone,
}

/// What is known of all values.
pub(crate) struct Sources {
    /// What was there in the beginning.
    start: Option<Value>,
    initial: Source,
    others: ByValue<Source>,
}

/// Who saw what; or the first operation that saw a value that nobody had begun to write when it returned.
pub(crate) fn check(initial: Option<Value>, items: &[Item<Action>]) -> Result<Sources, Violation> {
    let mut sources = Sources::of(initial, items);
    for item in items.iter().filter(|item| item.returned != NEVER) {
        let Some(saw) = item.action.saw() else { continue };
        let source = sources.find(saw).ok_or(Violation::Unwritten { seen_by: item.invoked })?;
        if item.returned < source.begun {
            return Err(Violation::Disordered { later: item.returned, earlier: source.begun });
        }
        source.zone.first = source.zone.first.min(item.returned);
        source.zone.last = source.zone.last.max(item.invoked);
    }
    Ok(sources)
}

impl Sources {
    fn of(start: Option<Value>, items: &[Item<Action>]) -> Sources {
        let left = || items.iter().filter_map(|item| item.action.left().map(|left| (left, item)));
        let nothing = Zone { first: NEVER, last: 0, root: None };
        let mut initial = Source { writers: 1, begun: 0, zone: Zone { first: 0, ..nothing } };
        let blank = Source { writers: 0, begun: NEVER, zone: nothing };
        let mut others = ByValue::new(left().map(|(left, _)| left), items.len(), blank);
        for (left, item) in left() {
            if Some(left) == start {
                initial.writers += 1;
                continue;
            }
            let source = others.known(left);
            if source.writers == 0 {
                source.begun = item.invoked;
                source.zone = Zone { first: item.returned, last: item.invoked, root: Some(item.invoked) };
            }
            source.writers += 1;
        }
        Sources { start, initial, others }
    }

    /// Nothing if nobody wrote it.
    fn find(&mut self, saw: Option<Value>) -> Option<&mut Source> {
        match saw {
            saw if saw == self.start => Some(&mut self.initial),
            Some(value) => self.others.find(value),
            None => None,
        }
        .filter(|source| source.writers > 0)
    }

    /// Everything that is known.
    pub fn all(&self) -> impl Iterator<Item = (Option<Value>, Source)> {
        let others = self.others.all().map(|(value, source)| (Some(value), source));
        std::iter::once((self.start, self.initial)).chain(others)
    }
}
