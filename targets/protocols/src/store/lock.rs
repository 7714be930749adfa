//! A lock. Nobody loses it but by letting go: there are no leases.

use history::{ProcessId, Refusal};
use serde::{Deserialize, Serialize};

/// One lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    holder: Option<ProcessId>,
    /// The last fencing token: each holder's is larger than all before it.
    token: u64,
}

impl Lock {
    /// Gives it to `process`, with a fencing token, if nobody holds it. Who holds it is refused as well: a client does
    /// one thing at a time, and has asked for what it has.
    pub(super) fn acquire(&mut self, process: ProcessId) -> Result<u64, Refusal> {
        if self.holder.is_some() {
            return Err(Refusal::NotHeld);
        }
        self.holder = Some(process);
        self.token += 1;
        Ok(self.token)
    }

    /// FLAW snapshot-forgets-tokens.
    pub(super) fn forget_token(&mut self) {
        self.token = 0;
    }

    pub(super) fn release(&mut self, process: ProcessId) -> Result<(), Refusal> {
        if self.holder != Some(process) {
            return Err(Refusal::NotHeld);
        }
        self.holder = None;
        Ok(())
    }
}
