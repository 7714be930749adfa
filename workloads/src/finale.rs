//! Last looks: everything is read back when all is repaired.

use crate::asking::keys_of;
use crate::combinators::{UntilOk, until_ok};
use crate::{Context, Generator, Step};
use history::{Call, Event, Key};
use std::collections::BTreeSet;

/// Makes calls about the keys that the main phase used, until each is ok.
struct LastLooks<L> {
    keys: BTreeSet<Key>,
    looks: L,
    asking: Option<UntilOk>,
}

/// One such call about each key that was ever used. It has no bound on their number and needs none: it makes one call for
/// each hundred or so of the main phase.
pub(crate) fn look_at_each(look: fn(Key) -> Call) -> Box<dyn Generator> {
    last_looks(move |keys| keys.iter().copied().map(look).collect())
}

/// The calls that `looks` makes of all keys that were ever used.
pub(crate) fn last_looks(looks: impl Fn(&BTreeSet<Key>) -> Vec<Call> + Send + 'static) -> Box<dyn Generator> {
    Box::new(LastLooks { keys: BTreeSet::new(), looks, asking: None })
}

impl<L: Fn(&BTreeSet<Key>) -> Vec<Call> + Send> Generator for LastLooks<L> {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let LastLooks { keys, looks, asking } = self;
        asking.get_or_insert_with(|| until_ok(looks(keys))).next(context)
    }

    fn observe(&mut self, event: &Event) {
        match (&mut self.asking, event) {
            (Some(asking), _) => asking.observe(event),
            (None, Event::Invoke { call, .. }) => self.keys.extend(keys_of(call)),
            _ => {}
        }
    }
}
