//! Ending in good order: a node is asked to end, does what is left to do, and goes.

use crate::Simulation;
use crate::machine::Happening;
use crate::simulation::installed;
use cluster::Arrival;
use history::{Fault, Injection, NodeId, Time};
use protocols::{Input, Protocol};
use std::time::Duration;

/// How long a node takes for that at most; then it leaves the rest undone. As the reference node has it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether nodes have gone.
const PACE: Duration = Duration::from_millis(1);

/// Nodes that were asked to end.
#[derive(Debug)]
pub struct Farewell {
    fault: Fault,
    asked: Time,
    /// Those that are still there, each in this life.
    left: Vec<(NodeId, u32)>,
    seen: Vec<String>,
    doubts: Vec<String>,
}

impl<P: Protocol> Simulation<P> {
    /// Asks nodes to end.
    pub(crate) fn terminate(&mut self, nodes: &[NodeId], fault: Fault) {
        let (mut left, mut seen, asked) = (Vec::new(), Vec::new(), self.now);
        for node in nodes.iter().copied() {
            let machine = self.machine(node);
            if std::mem::take(&mut machine.frozen) {
                self.resume(node);
            }
            let machine = self.machine(node);
            if machine.core.is_none() || machine.asleep.is_some() || machine.leaving {
                seen.push(format!("{node} is paused or already down"));
                continue;
            }
            machine.leaving = true;
            left.push((node, machine.life));
            self.drive(node, Input::Stop);
        }
        if left.is_empty() {
            let result = Injection::Skipped(seen.join(", "));
            return self.arrivals.push_back(Arrival::Injected { fault, result });
        }
        self.see_off(Farewell { fault, asked, left, seen, doubts: Vec::new() });
    }

    /// Looks who has nothing left to do, and lets it go.
    pub(crate) fn see_off(&mut self, mut farewell: Farewell) {
        let took = self.now.since(farewell.asked);
        for (node, life) in std::mem::take(&mut farewell.left) {
            let machine = &mut self.machines[usize::from(node.0 - 1)];
            if machine.life != life {
                farewell.doubts.push(format!("{node}: it ended in another way"));
            } else if machine.has_stopped() {
                machine.disk.sync();
                self.go(node);
                farewell.seen.push(format!("{node}: it ended in good order after {} ms", took.as_millis()));
            } else if took < PATIENCE {
                farewell.left.push((node, life));
            } else {
                let asleep = machine.asleep.is_some();
                machine.disk.kill(&mut self.disks);
                self.go(node);
                if asleep {
                    farewell
                        .doubts
                        .push(format!("{node}: it did not hear that it should end, and was killed"));
                } else {
                    let said = format!("{node}: it ended after {} ms, with things undone", took.as_millis());
                    farewell.seen.push(said);
                }
            }
        }
        if !farewell.left.is_empty() {
            return self.agenda.plan(self.now + PACE, Happening::Leave(Box::new(farewell)));
        }
        let Farewell { fault, seen, doubts, .. } = farewell;
        let result = match doubts.is_empty() {
            true => installed(seen.join(", ")),
            false => Injection::Doubtful([doubts, seen].concat().join(", ")),
        };
        self.arrivals.push_back(Arrival::Injected { fault, result });
    }

    /// A node goes, and comes back at once if somebody has wanted that meanwhile.
    fn go(&mut self, node: NodeId) {
        let wanted = self.machine(node).wanted_back;
        self.end(node);
        if wanted {
            self.start_node(node);
        }
    }
}
