//! How far stored data may rot: in a minority of the nodes, over a whole run.

use crate::selector::minority;
use history::{Damage, Fault, NodeId};
use std::collections::BTreeSet;

/// The nodes whose data has rotted. A node that finds its log damaged never comes back, so they are counted over the whole
/// run and not at a time: whoever else falls, as soon as it is repaired a quorum is left.
#[derive(Debug, Default)]
pub(crate) struct Rotten(BTreeSet<NodeId>);

impl Rotten {
    /// The fault, with those victims only that leave a quorum; `nodes` are the members now.
    ///
    /// # Errors
    /// If it would leave none, with the reason.
    pub(crate) fn spare(&mut self, fault: Fault, nodes: &[NodeId]) -> Result<Fault, String> {
        match fault {
            Fault::Damage { nodes: mut victims, damage: damage @ Damage::Rot { .. } } => {
                let most = minority(nodes.len());
                victims.retain(|node| self.0.contains(node) || self.0.len() < most && self.0.insert(*node));
                if victims.is_empty() {
                    return Err(format!("no more than {most} of {} nodes may rot in one run", nodes.len()));
                }
                Ok(Fault::Damage { nodes: victims, damage })
            }
            Fault::Members { join, leave } => {
                let stays = |node: &&NodeId| !leave.contains(node);
                let rotten = self.0.iter().filter(|node| nodes.contains(node)).filter(stays).count();
                let size = nodes.iter().filter(stays).count() + join.len();
                if !leave.is_empty() && rotten > minority(size) {
                    return Err(format!("{rotten} of the {size} nodes that remained would be rotten"));
                }
                Ok(Fault::Members { join, leave })
            }
            fault => Ok(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::Chance;

    fn rot(nodes: &[u16]) -> Fault {
        let nodes = nodes.iter().copied().map(NodeId).collect();
        Fault::Damage { nodes, damage: Damage::Rot { file: None } }
    }

    #[test]
    fn a_minority_rots_again_and_again_and_nobody_else_ever() {
        for size in 1..=7 {
            let (nodes, mut rotten, mut hit) = (NodeId::all(size), Rotten::default(), BTreeSet::new());
            let mut chance = Chance::new(u64::from(size));
            for _ in 0..200 {
                let mut victims = nodes.clone();
                chance.shuffle(&mut victims);
                victims.truncate(chance.between(1, u64::from(size)) as usize);
                let fault = Fault::Damage { nodes: victims.clone(), damage: Damage::Rot { file: None } };
                match rotten.spare(fault, &nodes) {
                    Ok(fault) => {
                        assert!(fault.victims().iter().all(|node| victims.contains(node)));
                        hit.extend(fault.victims());
                    }
                    Err(why) => assert!(victims.iter().all(|node| !hit.contains(node)), "{why}"),
                }
            }
            assert_eq!(hit.len(), usize::from(size - 1) / 2, "of {size} nodes {hit:?} have rotted");
        }
    }

    #[test]
    fn other_damage_and_other_faults_are_let_through() {
        let mut rotten = Rotten::default();
        for fault in [
            Fault::Damage { nodes: NodeId::all(3), damage: Damage::FlipBit { file: None } },
            Fault::Kill { nodes: NodeId::all(3) },
        ] {
            assert_eq!(rotten.spare(fault.clone(), &NodeId::all(3)), Ok(fault));
        }
    }

    #[test]
    fn no_member_leaves_without_whom_the_rotten_would_be_too_many() {
        let (nodes, mut rotten) = (NodeId::all(5), Rotten::default());
        let mut change = |join: &[u16], leave: &[u16]| {
            let [join, leave] = [join, leave].map(|nodes| nodes.iter().copied().map(NodeId).collect());
            rotten.spare(Fault::Members { join, leave }, &nodes).is_ok()
        };
        assert!(change(&[], &[4]));
        assert_eq!(rotten.spare(rot(&[1, 2]), &nodes), Ok(rot(&[1, 2])));
        let mut change = |join: &[u16], leave: &[u16]| {
            let [join, leave] = [join, leave].map(|nodes| nodes.iter().copied().map(NodeId).collect());
            rotten.spare(Fault::Members { join, leave }, &nodes).is_ok()
        };
        assert!(!change(&[], &[4]), "two of four are no minority");
        assert!(change(&[], &[1]) && change(&[6], &[4]) && change(&[6], &[]));
        assert!(rotten.spare(rot(&[3]), &nodes).is_err());
    }
}
