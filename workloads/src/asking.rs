//! The calls of a main phase: what every workload does alike.

use crate::combinators::{limit, stagger, time_limit};
use crate::keys::Keys;
use crate::{Context, Generator, Settings, Step};
use history::{Call, Chance, Event, Key, Mop, Outcome, ProcessId, Time, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What one workload asks.
pub(crate) trait Asker: Send {
    /// Who asks what now; nobody anything if it has to wait for an answer first.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)>;

    /// An answer came.
    fn hear(&mut self, _: ProcessId, _: &Call, _: &Outcome) {}
}

/// What an asker draws from.
pub(crate) struct Hand<'h> {
    pub(crate) keys: &'h mut Keys,
    pub(crate) chance: &'h mut Chance,
    pub(crate) context: &'h Context<'h>,
    last_value: &'h mut i64,
}

impl Hand<'_> {
    /// A key in use.
    pub(crate) fn key(&mut self) -> Key {
        self.keys.draw(self.context.workers, self.chance)
    }

    /// A key in use that is none of these, if there is one.
    pub(crate) fn key_but(&mut self, busy: &BTreeSet<Key>) -> Option<Key> {
        self.keys.draw_but(busy, self.context.workers, self.chance)
    }

    /// A value that was never written: so a read names the very write that it saw, and a checker can tell in linear
    /// time what it would otherwise have to search for.
    pub(crate) fn value(&mut self) -> Value {
        *self.last_value += 1;
        Value(*self.last_value)
    }

    /// Somebody who has nothing to do.
    pub(crate) fn somebody(&mut self) -> ProcessId {
        *self.chance.pick(self.context.free).expect("somebody is free")
    }
}

/// The main phase of a workload: as fast and as long as the settings say.
pub(crate) fn main_phase(
    asker: impl Asker + 'static,
    keys: Keys,
    settings: &Settings,
    chance: &Chance,
) -> Box<dyn Generator> {
    let asking = Asking { asker, keys, chance: chance.split("calls"), open: BTreeMap::new(), last_value: 0 };
    let asking = limit(settings.ops.unwrap_or(u64::MAX), asking);
    Box::new(time_limit(settings.time_limit, stagger(settings.rate, chance.split("pauses"), asking)))
}

struct Asking<A> {
    asker: A,
    keys: Keys,
    chance: Chance,
    open: BTreeMap<ProcessId, Call>,
    last_value: i64,
}

impl<A: Asker> Generator for Asking<A> {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let Asking { asker, keys, chance, last_value, .. } = self;
        let Some((process, call)) = asker.ask(&mut Hand { keys, chance, context, last_value }) else {
            return Step::Wait(Time::NEVER);
        };
        self.open.insert(process, call.clone());
        Step::Call { process, call, node: None }
    }

    fn observe(&mut self, event: &Event) {
        let Event::Complete { process, outcome } = event else { return };
        let Some(call) = self.open.remove(process) else { return };
        if outcome.is_unknown() {
            keys_of(&call).for_each(|key| self.keys.doubt(key));
        }
        self.asker.hear(*process, &call, outcome);
    }
}

/// The keys that a call is about.
pub(crate) fn keys_of(call: &Call) -> impl Iterator<Item = Key> + '_ {
    let mops = if let Call::Txn { mops } = call { mops.as_slice() } else { &[] };
    let of_mop = |mop: &Mop| match mop {
        Mop::Read { key } | Mop::Write { key, .. } | Mop::Append { key, .. } | Mop::Send { key, .. } => {
            Some(*key)
        }
        Mop::Poll => None,
    };
    call.key().into_iter().chain(mops.iter().filter_map(of_mop))
}
