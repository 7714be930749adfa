//! Locks: one client holds a lock at a time, and writes what the lock protects only while it does.
//!
//! A client that gets a lock writes a register of the same name a few times with the fencing token that came with it, and
//! lets go. Locks are got for a time. A client that is not answered never speaks again, so what it held is to be had again
//! when that time is over, and is asked for. Some clients that got a lock stand still for twice that time, as in a pause of
//! their garbage collector, and then write as if nothing had been (Kleppmann, *How to do distributed locking*, 2016): that
//! must be refused if somebody else has written as the lock's holder meanwhile.
//!
//! If locks are got for good instead, what a dead client held stays held, and is asked for no more.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::fenced::Fenced;
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use checkers::{Leases, Linearizable};
use history::{Call, CallKind, Chance, Key, Outcome, ProcessId, Refusal, Reply, Time};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const ENTRY: Entry = Entry {
    name: "lock",
    about: "locks with leases and fencing tokens, and registers that only their holders write",
    calls: &[CallKind::Acquire, CallKind::Release, CallKind::Guarded, CallKind::Read],
    options: Options::KeysAndLease,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(Linearizable::new(Fenced::default())), Box::new(Leases)],
};

/// For how long a lock is got, if nobody says.
pub(crate) const LEASE: Duration = Duration::from_millis(500);

/// How many of a thousand holders stand still until their lease is over, and as long again.
const STAND_STILL: u16 = 200;

fn make(settings: &Settings, chance: Chance) -> Generators {
    let lease = Some(settings.lease.unwrap_or(LEASE)).filter(|lease| !lease.is_zero());
    let keys = match lease {
        Some(_) => KeyUse::USUAL,
        None => KeyUse { unknowns: 1, ..KeyUse::USUAL },
    };
    let holders = Holders { lease, ..Holders::default() };
    let main = main_phase(holders, Keys::new(settings.key_use(keys)), settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}

#[derive(Default)]
struct Holders {
    /// For how long locks are got; for good if not said.
    lease: Option<Duration>,
    /// Who wants a lock, until when he may count on it if he gets it, and until when he then stands still, if he does.
    wanted: BTreeMap<ProcessId, (Time, Option<Time>)>,
    /// Who got a lock, and has not noticed that he lost it.
    held: BTreeMap<ProcessId, Held>,
}

struct Held {
    key: Key,
    token: u64,
    until: Time,
    stands_still: Option<Time>,
}

impl Holders {
    /// Who may ask. Who stands still does not, unless everybody does.
    fn awake(&self, hand: &Hand<'_>) -> Vec<ProcessId> {
        let (free, now) = (hand.context.free, hand.context.now);
        let all = free.len() == hand.context.workers as usize;
        let stands_still = |process: &ProcessId| {
            self.held.get(process).and_then(|held| held.stands_still).is_some_and(|until| now < until)
        };
        let awake: Vec<ProcessId> = free.iter().copied().filter(|process| !stands_still(process)).collect();
        if awake.is_empty() && all { free.to_vec() } else { awake }
    }

    fn acquire(&mut self, process: ProcessId, hand: &mut Hand<'_>) -> Call {
        let until = self.lease.map_or(Time::NEVER, |lease| hand.context.now + lease);
        let stands_still =
            self.lease.filter(|_| hand.chance.permille(STAND_STILL)).map(|lease| until + lease);
        self.wanted.insert(process, (until, stands_still));
        Call::Acquire { key: hand.key(), lease_ms: self.lease.map(|lease| lease.as_millis() as u64) }
    }
}

impl Asker for Holders {
    /// Who holds a lock writes, two times out of four, reads, or lets go. Who does not wants one. Whose lease is over wants
    /// another one every other time, and else goes on as if it were not; who has stood still meanwhile writes first.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let awake = self.awake(hand);
        let process = *hand.chance.pick(&awake)?;
        let over = self.held.get(&process).is_some_and(|held| hand.context.now >= held.until);
        let woken = self.held.get_mut(&process).and_then(|held| held.stands_still.take()).is_some();
        if over && !woken && hand.chance.coin(0.5) {
            self.held.remove(&process);
        }
        let call = match self.held.get(&process) {
            None => self.acquire(process, hand),
            Some(&Held { key, token, .. }) => match hand.chance.below(4) {
                0 if !woken => Call::Release { key },
                1 if !woken => Call::Read { key },
                _ => Call::Guarded { key, value: hand.value(), token },
            },
        };
        Some((process, call))
    }

    fn hear(&mut self, process: ProcessId, call: &Call, outcome: &Outcome) {
        let wanted = self.wanted.remove(&process);
        match (call, outcome) {
            (Call::Acquire { key, .. }, Outcome::Ok(Reply::Held(token))) => {
                let (until, stands_still) = wanted.unwrap_or((Time::NEVER, None));
                let held = Held { key: *key, token: token.unwrap_or(0), until, stands_still };
                self.held.insert(process, held);
            }
            (Call::Release { .. }, Outcome::Ok(_))
            // It is somebody else's by now.
            | (Call::Release { .. } | Call::Guarded { .. }, Outcome::Fail(Refusal::NotHeld))
            | (_, Outcome::Unknown(_)) => {
                self.held.remove(&process);
            }
            _ => {}
        }
    }
}
