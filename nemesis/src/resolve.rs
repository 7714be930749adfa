//! From an intent to a fault: naming the victims.

use crate::Intent;
use history::{Chance, Fault, Link, NodeId};

/// The fault that `intent` means for these nodes now.
///
/// # Errors
/// With the reason why it means none (nobody leads, too few nodes). It is skipped then: recorded as such, and
/// no evidence that anything was broken.
pub fn resolve(
    intent: &Intent,
    nodes: &[NodeId],
    primaries: &[NodeId],
    chance: &mut Chance,
) -> Result<Fault, String> {
    Ok(match intent {
        Intent::Partition(shape) => {
            Fault::Cut { shape: shape.name().to_owned(), links: shape.links(nodes, primaries, chance)? }
        }
        Intent::Kill(of) => Fault::Kill { nodes: of.resolve(nodes, primaries, chance)? },
        Intent::Crash(of) => Fault::Crash { nodes: of.resolve(nodes, primaries, chance)? },
        Intent::Pause(of) => Fault::Pause { nodes: of.resolve(nodes, primaries, chance)? },
        Intent::Packets { of, trouble } => {
            let links = links_of(&of.resolve(nodes, primaries, chance)?, nodes);
            if links.is_empty() {
                return Err("a single node has no links".to_owned());
            }
            Fault::Impair { links, trouble: *trouble }
        }
        Intent::Clock { of, jump_ms, rate_ppm } => Fault::Skew {
            nodes: of.resolve(nodes, primaries, chance)?,
            jump_ms: *jump_ms,
            rate_ppm: *rate_ppm,
        },
        Intent::Disk { of, illness } => {
            Fault::Sicken { nodes: of.resolve(nodes, primaries, chance)?, illness: *illness }
        }
        Intent::Repair(kind) => Fault::Repair { kind: *kind },
    })
}

/// Every link from or to one of `chosen`, ascending, each once.
fn links_of(chosen: &[NodeId], nodes: &[NodeId]) -> Vec<Link> {
    let all = nodes.iter().flat_map(|from| nodes.iter().map(|to| Link { from: *from, to: *to }));
    let touches = |link: &Link| chosen.contains(&link.from) || chosen.contains(&link.to);
    all.filter(|link| link.from != link.to && touches(link)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Selector, Shape};
    use history::{FaultKind, Illness, Trouble};

    fn resolved(intent: Intent) -> Result<Fault, String> {
        resolve(&intent, &NodeId::all(3), &[NodeId(2)], &mut Chance::new(4))
    }

    #[test]
    fn a_fault_names_its_victims() {
        assert_eq!(resolved(Intent::Kill(Selector::Primaries)), Ok(Fault::Kill { nodes: vec![NodeId(2)] }));
        assert_eq!(resolved(Intent::Pause(Selector::All)), Ok(Fault::Pause { nodes: NodeId::all(3) }));
        let cut = resolved(Intent::Partition(Shape::Isolate(Selector::Primaries))).unwrap();
        assert_eq!(cut.to_string(), "cut isolate: n1→n2 n2→n1,n3 n3→n2");
        let ill = resolved(Intent::Disk { of: Selector::Primaries, illness: Illness::Full }).unwrap();
        assert_eq!(ill.to_string(), "sicken n2: full");
        assert_eq!(resolved(Intent::Repair(FaultKind::Kill)), Ok(Fault::Repair { kind: FaultKind::Kill }));
    }

    #[test]
    fn packets_are_troubled_on_every_link_once() {
        let intent = |of| Intent::Packets { of, trouble: Trouble { loss: 200, ..Trouble::default() } };
        let links = |of| match resolved(intent(of)) {
            Ok(Fault::Impair { links, .. }) => links.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((links(Selector::One), links(Selector::All)), (4, 6));
        let alone = resolve(&intent(Selector::All), &NodeId::all(1), &[], &mut Chance::new(0));
        assert_eq!(alone, Err("a single node has no links".to_owned()));
    }

    #[test]
    fn nobody_to_break_is_said() {
        let skipped = resolve(&Intent::Kill(Selector::Primaries), &NodeId::all(3), &[], &mut Chance::new(0));
        assert_eq!(skipped, Err("nobody leads".to_owned()));
    }
}
