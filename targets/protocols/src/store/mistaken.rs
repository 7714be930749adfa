//! Locks and leases with a mistake in them.

use super::{Reading, Store};
use crate::Flaw;
use history::{Call, Outcome, Ticket, Time};

impl Store {
    /// Carries out a call as [`Store::apply`] does, with this mistake. `own` is what the clock of this node shows.
    pub fn apply_mistaken(
        &mut self,
        flaw: Option<Flaw>,
        own: Time,
        (ticket, call): (Ticket, &Call),
        at: Option<Reading>,
    ) -> Outcome {
        match (flaw, call) {
            // FLAW retry-applied-twice: each entry is a call of its own.
            (Some(Flaw::RetryAppliedTwice), _) => {
                self.hear(at);
                self.carry_out(ticket, call)
            }
            // FLAW lock-without-fencing: it is a write like any other.
            (Some(Flaw::LockWithoutFencing), &Call::Guarded { key, value, .. }) => {
                self.apply(ticket, &Call::Write { key, value }, at)
            }
            // FLAW unlocked-by-anybody: it is let go, whoever has it.
            (Some(Flaw::UnlockedByAnybody), Call::Release { key }) => {
                if let Some(lock) = self.locks.get_mut(key) {
                    lock.pass_to(ticket.process);
                }
                self.apply(ticket, call, at)
            }
            // FLAW lease-by-own-clock: it is now what this node's clock shows, whatever the log says.
            (Some(Flaw::LeaseByOwnClock), _) => {
                self.apply(ticket, call, at.map(|_| Reading { reign: 0, time: own }))
            }
            // FLAW lease-by-any-clock: it is what the leader's clock shows, whoever leads.
            (Some(Flaw::LeaseByAnyClock), _) => {
                self.apply(ticket, call, at.map(|at| Reading { reign: 0, ..at }))
            }
            _ => self.apply(ticket, call, at),
        }
    }
}
