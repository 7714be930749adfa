//! Who takes part: an administrator at work.

use crate::machine::Happening;
use crate::simulation::Simulation;
use cluster::{Arrival, Chore, Operator};
use history::{Fault, FaultKind};
use protocols::{Input, Protocol};
use std::time::Duration;

/// How often the administrator looks.
const PACE: Duration = Duration::from_millis(20);

impl<P: Protocol> Simulation<P> {
    /// Whether such faults can be made.
    ///
    /// # Errors
    /// If not: why.
    pub(crate) fn can(&self, kind: FaultKind) -> Result<(), String> {
        if kind == FaultKind::Members && self.ids.len() == self.founders.len() {
            return Err("there is no node that could join".to_owned());
        }
        Ok(())
    }

    /// The administrator is told what to do next; what it was at is left.
    pub(crate) fn assign(&mut self, fault: &Fault) {
        self.look_at_members();
        if let Some(before) = self.operator.take() {
            let result =
                before.result(&self.staff, self.now).unwrap_or_else(|| before.superseded(&self.staff));
            self.arrivals.push_back(Arrival::Injected { fault: before.fault().clone(), result });
        }
        self.assigned += 1;
        self.operator = Operator::new(fault, self.founders.len(), self.now);
        self.administer(self.assigned);
    }

    /// The administrator looks how things stand, and does what there is to do.
    pub(crate) fn administer(&mut self, assignment: u64) {
        if assignment != self.assigned {
            return;
        }
        self.look_at_members();
        let Some(operator) = self.operator.take() else { return };
        for chore in operator.chores(&mut self.staff) {
            match chore {
                Chore::Employ(node) => self.start_node(node),
                Chore::Dismiss(node) => self.dismiss(node),
                Chore::Wish(change) => {
                    for leader in cluster::Cluster::primaries(self) {
                        self.drive(leader, Input::Change(change));
                    }
                }
            }
        }
        match operator.result(&self.staff, self.now) {
            Some(result) => {
                self.arrivals.push_back(Arrival::Injected { fault: operator.fault().clone(), result });
            }
            None => {
                self.operator = Some(operator);
                self.agenda.plan(self.now + PACE, Happening::Administer { assignment });
            }
        }
    }

    /// Every node that runs says who it knows to belong to the system.
    fn look_at_members(&mut self) {
        let said = self.machines.iter().filter(|machine| machine.asleep.is_none());
        let said: Vec<_> = said.filter_map(|machine| machine.core.as_ref()?.members()).collect();
        said.into_iter().for_each(|said| self.staff.hear(said));
    }
}
