//! Locks: one client holds a lock at a time, and writes what the lock protects only while it does.
//!
//! A client that gets a lock writes a register of the same name a few times with the fencing token that came with it, and
//! lets go. A client that is not answered never speaks again: what it held stays held, and that lock is asked for no more.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::fenced::Fenced;
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use checkers::Linearizable;
use history::{Call, CallKind, Chance, Key, Outcome, ProcessId, Reply};
use std::collections::BTreeMap;

pub(crate) const ENTRY: Entry = Entry {
    name: "lock",
    about: "locks with fencing tokens, and registers that only their holders write",
    calls: &[CallKind::Acquire, CallKind::Release, CallKind::Guarded, CallKind::Read],
    options: Options::Keys,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Linearizable::new(Fenced::default()))],
};

const KEYS: KeyUse = KeyUse { unknowns: 1, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Holders::default(), Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}

#[derive(Default)]
struct Holders {
    /// Who holds which lock, with which token.
    held: BTreeMap<ProcessId, (Key, u64)>,
}

impl Asker for Holders {
    /// Who holds a lock writes, two times out of four, reads, or lets go. Who does not wants one.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let process = hand.somebody();
        let call = match self.held.get(&process) {
            None => Call::Acquire { key: hand.key() },
            Some(&(key, token)) => match hand.chance.below(4) {
                0 => Call::Release { key },
                1 => Call::Read { key },
                _ => Call::Guarded { key, value: hand.value(), token },
            },
        };
        Some((process, call))
    }

    fn hear(&mut self, process: ProcessId, call: &Call, outcome: &Outcome) {
        match (call, outcome) {
            (Call::Acquire { key }, Outcome::Ok(Reply::Held(token))) => {
                self.held.insert(process, (*key, token.unwrap_or(0)));
            }
            (Call::Release { .. }, Outcome::Ok(_)) => drop(self.held.remove(&process)),
            (_, Outcome::Unknown(_)) => drop(self.held.remove(&process)),
            _ => {}
        }
    }
}
