//! Changing who takes part in a cluster: what an administrator does, wherever the cluster runs.

use history::{Change, Injection, Membership, NodeId, Time};
use history::{Evidence, Fault, FaultKind};
use std::collections::BTreeSet;
use std::time::Duration;

/// An administrator with one thing to do. It looks at what the system says of its own members and wishes for what
/// is missing, all of it and again and again: what may be done at once is the system's to decide, and a leader that
/// fell took its wishes with it. It is done when the system says so.
///
/// A node that joins is started before it is added, with an empty disk if it was never there. A node that leaves is
/// stopped when the system says that it does not belong to it any more, and not before: until then its vote may be
/// needed. It keeps its disk, and comes back with it if it is ever wanted again; a node that was once known
/// never begins anew under the same name, for it would have forgotten whom it voted for.
#[derive(Debug)]
pub struct Operator {
    fault: Fault,
    goal: Goal,
    /// How many nodes the cluster had at first.
    size: usize,
    deadline: Time,
}

#[derive(Debug)]
enum Goal {
    Change { join: Vec<NodeId>, leave: Vec<NodeId> },
    Size,
}

/// What an administrator wants done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// Start this node.
    Employ(NodeId),
    /// Stop this node; the system no longer needs it.
    Dismiss(NodeId),
    /// Ask whoever leads for this.
    Wish(Change),
}

/// The nodes that there are, and what is known of them.
#[derive(Debug, Default)]
pub struct Staff {
    /// Those that are meant to run.
    employed: BTreeSet<NodeId>,
    /// Those that may be, in the order in which they are wanted.
    spares: Vec<NodeId>,
    /// What the system said last of its members.
    seen: Membership,
}

impl Staff {
    /// A cluster with these members, and these nodes that may join it later.
    pub fn new(members: &[NodeId], spares: Vec<NodeId>) -> Staff {
        let seen = Membership { voters: members.to_vec(), ..Membership::default() };
        Staff { employed: members.iter().copied().collect(), spares, seen }
    }

    /// Those that are meant to run, in order.
    pub fn employed(&self) -> Vec<NodeId> {
        self.employed.iter().copied().collect()
    }

    /// Whether this node is meant to run.
    pub fn employs(&self, node: NodeId) -> bool {
        self.employed.contains(&node)
    }

    /// Those that may join, the best first: who was never there before who left.
    pub fn spares(&self) -> Vec<NodeId> {
        self.spares.clone()
    }

    /// A node says who belongs to the system. Whoever knows the latest is right.
    pub fn hear(&mut self, said: Membership) {
        if said.version > self.seen.version {
            self.seen = said;
        }
    }

    fn employ(&mut self, node: NodeId) {
        self.spares.retain(|spare| *spare != node);
        self.employed.insert(node);
    }

    fn dismiss(&mut self, node: NodeId) {
        self.employed.remove(&node);
        self.spares.push(node);
    }

    fn knows(&self, node: NodeId) -> bool {
        self.seen.voters.contains(&node) || self.seen.learners.contains(&node)
    }
}

impl Operator {
    /// How long a change may take.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// How long it may take to come back to the size that the cluster had.
    const REPAIRING: Duration = Duration::from_secs(10);

    /// An administrator who is to make this fault at `now`, in a cluster that had `size` nodes at first; `None` if
    /// this is not the business of one.
    pub fn new(fault: &Fault, size: usize, now: Time) -> Option<Operator> {
        let (goal, patience) = match fault {
            Fault::Members { join, leave } => {
                (Goal::Change { join: join.clone(), leave: leave.clone() }, Self::PATIENCE)
            }
            Fault::Repair { kind: FaultKind::Members } => (Goal::Size, Self::REPAIRING),
            _ => return None,
        };
        Some(Operator { fault: fault.clone(), goal, size, deadline: now + patience })
    }

    /// What it is to make.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// What is to be done now.
    pub fn chores(&self, staff: &mut Staff) -> Vec<Chore> {
        let (join, leave) = match &self.goal {
            Goal::Change { join, leave } => (join.clone(), leave.clone()),
            Goal::Size => self.towards_size(staff),
        };
        let mut chores = Vec::new();
        for node in join {
            if !staff.employs(node) {
                staff.employ(node);
                chores.push(Chore::Employ(node));
            }
            if !staff.knows(node) {
                chores.push(Chore::Wish(Change::Add(node)));
            }
        }
        for node in leave {
            if staff.knows(node) {
                chores.push(Chore::Wish(Change::Remove(node)));
            } else if staff.employs(node) {
                staff.dismiss(node);
                chores.push(Chore::Dismiss(node));
            }
        }
        chores
    }

    /// Whose coming and going brings the cluster back to its size.
    fn towards_size(&self, staff: &Staff) -> (Vec<NodeId>, Vec<NodeId>) {
        let Membership { voters, learners, .. } = &staff.seen;
        let mut join: Vec<NodeId> = voters.iter().chain(learners).copied().collect();
        let mut leave: Vec<NodeId> =
            staff.employed.iter().copied().filter(|node| !staff.knows(*node)).collect();
        if join.len() > self.size {
            join.sort_unstable();
            leave.extend(join.pop());
        } else if join.len() < self.size {
            // Who is already on its way goes on.
            let next = leave.pop().or_else(|| staff.spares.first().copied());
            join.extend(next);
        }
        (join, leave)
    }

    /// What became of it by `now`; `None` if it goes on.
    pub fn result(&self, staff: &Staff, now: Time) -> Option<Injection> {
        if self.is_done(staff) {
            return Some(Injection::Installed(Evidence(format!("the system says: {}", staff.seen))));
        }
        (now >= self.deadline).then(|| self.abandoned(staff, "in time"))
    }

    /// What became of it, now that something else is to be done.
    pub fn superseded(&self, staff: &Staff) -> Injection {
        self.abandoned(staff, "before the next change")
    }

    fn abandoned(&self, staff: &Staff, when: &str) -> Injection {
        Injection::Doubtful(format!("the system did not agree {when}; it says: {}", staff.seen))
    }

    fn is_done(&self, staff: &Staff) -> bool {
        match &self.goal {
            Goal::Change { join, leave } => {
                join.iter().all(|node| staff.seen.voters.contains(node))
                    && leave.iter().all(|node| !staff.knows(*node) && !staff.employs(*node))
            }
            Goal::Size => {
                let all = staff.employed.iter().all(|node| staff.knows(*node));
                all && staff.seen.learners.is_empty()
                    && staff.seen.voters.len() == self.size
                    && staff.seen.voters.iter().all(|node| staff.employs(*node))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system that does every wish at once.
    fn obliging(operator: &Operator, staff: &mut Staff) -> Vec<Chore> {
        let mut all = Vec::new();
        for _ in 0..20 {
            let chores = operator.chores(staff);
            for chore in &chores {
                let mut after = staff.seen.clone();
                after.version += 1;
                match chore {
                    Chore::Wish(Change::Add(node)) => after.voters.push(*node),
                    Chore::Wish(Change::Remove(node)) => after.voters.retain(|known| known != node),
                    Chore::Employ(_) | Chore::Dismiss(_) => continue,
                }
                staff.hear(after);
            }
            all.extend(chores);
            if operator.result(staff, Time::ZERO).is_some() {
                return all;
            }
        }
        panic!("it never ends: {all:?}");
    }

    fn staff() -> Staff {
        Staff::new(&NodeId::all(3), vec![NodeId(4), NodeId(5)])
    }

    fn operator(fault: &Fault) -> Operator {
        Operator::new(fault, 3, Time::ZERO).unwrap()
    }

    #[test]
    fn a_node_runs_before_it_joins_and_until_it_has_left() {
        let (two, four, mut staff) = (NodeId(2), NodeId(4), staff());
        let replace = operator(&Fault::Members { join: vec![four], leave: vec![two] });
        let chores = obliging(&replace, &mut staff);
        let wishes = [Chore::Wish(Change::Add(four)), Chore::Wish(Change::Remove(two))];
        assert_eq!(chores, [Chore::Employ(four), wishes[0], wishes[1], Chore::Dismiss(two)]);
        assert_eq!(staff.employed(), [NodeId(1), NodeId(3), four]);
        assert_eq!(staff.spares(), [NodeId(5), two], "who was there before comes last");
    }

    #[test]
    fn a_repair_brings_the_size_back_from_anywhere() {
        for (join, leave) in
            [(vec![4, 5], vec![]), (vec![], vec![1]), (vec![4], vec![1, 2]), (vec![], vec![])]
        {
            let (mut staff, nodes) = (staff(), |nodes: Vec<u16>| nodes.into_iter().map(NodeId).collect());
            obliging(&operator(&Fault::Members { join: nodes(join), leave: nodes(leave) }), &mut staff);
            obliging(&operator(&Fault::Repair { kind: FaultKind::Members }), &mut staff);
            assert_eq!((staff.seen.voters.len(), staff.employed.len()), (3, 3));
        }
    }

    #[test]
    fn a_repair_dismisses_who_never_got_in_and_keeps_who_did() {
        let mut staff = staff();
        let grow = operator(&Fault::Members { join: vec![NodeId(4)], leave: vec![] });
        grow.chores(&mut staff);
        assert!(matches!(grow.result(&staff, Time::from_secs(9)), Some(Injection::Doubtful(_))));
        obliging(&operator(&Fault::Repair { kind: FaultKind::Members }), &mut staff);
        assert_eq!(staff.employed(), NodeId::all(3));
    }

    #[test]
    fn nothing_is_believed_but_what_the_system_says() {
        let mut staff = staff();
        let shrink = operator(&Fault::Members { join: vec![], leave: vec![NodeId(3)] });
        assert_eq!(shrink.chores(&mut staff), [Chore::Wish(Change::Remove(NodeId(3)))]);
        assert_eq!(shrink.result(&staff, Time::ZERO), None);
        let old = Membership { version: 0, voters: NodeId::all(2), learners: Vec::new() };
        staff.hear(old);
        assert_eq!(shrink.chores(&mut staff), [Chore::Wish(Change::Remove(NodeId(3)))]);
    }
}
