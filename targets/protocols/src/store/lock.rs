//! A lock. Nobody loses it but by letting go, or because he got it for a time and that is over.
//!
//! That is judged by the store's own time, and only when somebody else asks: who is late loses nothing if nobody does. How
//! long a lease really lasts depends on the leader's clock, and the holder may be paused, or its writes be under way, when
//! it ends. What keeps holders apart all the same is the fencing token: each is larger than all before it, and what a lock
//! protects refuses those that are smaller than one it has seen ([`super::register`]).

use history::{ProcessId, Refusal, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    holder: Option<Holder>,
    /// The last fencing token: each holder's is larger than all before it.
    token: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    process: ProcessId,
    /// Until when, by the store's time, if not for good.
    until: Option<Time>,
}

impl Lock {
    /// Gives it to `process`, for good or for so long, with a fencing token, if nobody holds it. Who holds it is refused as
    /// well: a client does one thing at a time, and has asked for what it has.
    pub(super) fn acquire(
        &mut self,
        process: ProcessId,
        lease: Option<Duration>,
        now: Time,
    ) -> Result<u64, Refusal> {
        if self.holder.is_some_and(|holder| holder.until.is_none_or(|until| now < until)) {
            return Err(Refusal::NotHeld);
        }
        self.holder = Some(Holder { process, until: lease.map(|lease| now + lease) });
        self.token += 1;
        Ok(self.token)
    }

    /// FLAW snapshot-forgets-tokens.
    pub(super) fn forget_token(&mut self) {
        self.token = 0;
    }

    /// FLAW unlocked-by-anybody: whoever holds it, it is as if this one did.
    pub(super) fn pass_to(&mut self, process: ProcessId) {
        if let Some(holder) = &mut self.holder {
            holder.process = process;
        }
    }

    pub(super) fn release(&mut self, process: ProcessId) -> Result<(), Refusal> {
        if self.holder.is_none_or(|holder| holder.process != process) {
            return Err(Refusal::NotHeld);
        }
        self.holder = None;
        Ok(())
    }
}
