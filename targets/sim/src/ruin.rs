//! What happens to a machine rather than to its process: too little of everything, and data that is not what it was.

use crate::Simulation;
use crate::simulation::installed;
use crate::throttle::Throttle;
use cluster::Arrival;
use history::{Damage, Fault, Injection, NodeId, Pressure, Time};
use protocols::Protocol;

impl<P: Protocol> Simulation<P> {
    /// When a node can act again, if it has no processor time left now. Otherwise it has a little less.
    pub(crate) fn throttled(&mut self, node: NodeId) -> Option<Time> {
        let now = self.now;
        self.machine(node).throttle.as_mut()?.step(now).err()
    }

    /// Gives a node too little of something. There is no memory here that could be short.
    pub(crate) fn press(&mut self, node: NodeId, pressure: Pressure) -> Option<String> {
        if pressure == Pressure::Freeze {
            self.pause(node)?;
            self.machine(node).frozen = true;
            return Some("it is frozen".to_owned());
        }
        let Pressure::Cpu { permille } = pressure else { return None };
        self.machine(node).throttle = Some(Throttle::new(permille));
        Some(format!("it gets {permille}‰ of its processor"))
    }

    /// Gives every node all it wants.
    pub(crate) fn relieve(&mut self) -> Injection {
        let mut seen = Vec::new();
        for node in self.ids.clone() {
            let machine = self.machine(node);
            if let Some(throttle) = machine.throttle.take() {
                seen.push(format!("{node} is free, after it had to wait {} times", throttle.waited));
            }
            if std::mem::take(&mut machine.frozen) {
                self.resume(node);
                seen.push(format!("{node} goes on"));
            }
        }
        installed(if seen.is_empty() { "no node was under pressure".to_owned() } else { seen.join(", ") })
    }

    /// Kills a node, damages its log, and starts it again.
    pub(crate) fn damage(&mut self, node: NodeId, damage: &Damage) -> Option<String> {
        let before = self.machine(node).disk.len();
        if before == 0 {
            return None;
        }
        if let Damage::Rot { .. } = damage {
            return self.rot(node);
        }
        let _was_down = self.kill(node);
        let machine = &mut self.machines[usize::from(node.0 - 1)];
        let what = match damage {
            Damage::FlipBit { .. } => {
                let at = machine.disk.flip(&mut self.disks)?;
                format!("a bit of record {at} of {before} flipped")
            }
            Damage::Truncate { permille, .. } => {
                let cut = (before * usize::from(*permille)).div_ceil(1000);
                let _rest = machine.disk.rollback(before.saturating_sub(cut));
                format!("its last {cut} of {before} records cut off")
            }
            // See `rot` and `roll_back`.
            Damage::Rot { .. } | Damage::Rollback { .. } => return None,
        };
        self.start_node(node);
        Some(what)
    }

    /// Lets a record rot, then kills the node and starts it again, so that it meets what has become of its log.
    fn rot(&mut self, node: NodeId) -> Option<String> {
        let machine = &mut self.machines[usize::from(node.0 - 1)];
        let (before, at) = (machine.disk.len(), machine.disk.rot(&mut self.disks)?);
        let _was_down = self.kill(node);
        self.start_node(node);
        Some(format!("a bit of record {at} of {before} is rotten"))
    }

    /// Gives nodes the copies that were made of their disks.
    pub(crate) fn roll_back(&mut self, copies: Vec<(NodeId, Vec<P::Record>)>, fault: Fault) {
        let mut seen = Vec::new();
        for (node, copy) in copies {
            let _was_down = self.kill(node);
            let machine = self.machine(node);
            let forgotten = machine.disk.put_back(copy);
            self.start_node(node);
            seen.push(format!("{node}: its last {forgotten} records forgotten"));
        }
        let result = if seen.is_empty() {
            Injection::Skipped("no node is named".to_owned())
        } else {
            installed(seen.join(", "))
        };
        self.arrivals.push_back(Arrival::Injected { fault, result });
    }

    /// A node finds its log damaged, and says so, and ends.
    pub(crate) fn refuse(&mut self, node: NodeId, record: usize) {
        self.machine(node).die();
        let how = format!("exit status: 65; last words: its log is damaged at record {record}");
        self.arrivals.push_back(Arrival::Died { node, how });
    }

    /// Flips back what can be flipped back: the logs of nodes that refuse theirs. Who has started without what it once
    /// knew has gone on since, and nobody can undo that.
    pub(crate) fn mend_data(&mut self) -> Injection {
        let mut seen = Vec::new();
        for node in self.ids.clone() {
            let machine = self.machine(node);
            if machine.core.is_none() && machine.disk.flip_back() {
                self.start_node(node);
                seen.push(format!("{node}, whose bit is flipped back, starts"));
            }
        }
        installed(if seen.is_empty() { "no node waits for its data".to_owned() } else { seen.join(", ") })
    }
}
