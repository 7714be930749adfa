//! What became of each client's last call, so that one that is sent twice is carried out once (thesis 6.3).
//!
//! A client does one thing at a time, so its last call is all that it can ever ask for again. The table is part of the
//! replicated state: every node decides alike which calls are repetitions. Sessions never expire, for a run is short.

use history::{Doubt, Outcome, ProcessId, Ticket};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// By client: the number of its last call, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    last: BTreeMap<ProcessId, (u64, Outcome)>,
}

impl Sessions {
    /// What became of this call, if it was carried out.
    pub(super) fn recall(&self, ticket: Ticket) -> Option<Outcome> {
        let (number, outcome) = self.last.get(&ticket.process)?;
        match ticket.number.cmp(number) {
            Ordering::Greater => None,
            Ordering::Equal => Some(outcome.clone()),
            // Its client has gone on since, so nobody waits for this answer.
            Ordering::Less => {
                Some(Outcome::Unknown(Doubt::Other("the answer is no longer known".to_owned())))
            }
        }
    }

    pub(super) fn remember(&mut self, ticket: Ticket, outcome: &Outcome) {
        self.last.insert(ticket.process, (ticket.number, outcome.clone()));
    }
}
