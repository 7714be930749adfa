//! From an intent to faults: naming the victims.

use crate::intent::{FAST, SLOW};
use crate::{Intent, Selector, Turnover};
use history::{Chance, Fault, Link, NodeId};
use std::time::Duration;

/// A cluster as far as anyone can see it at some moment.
#[derive(Debug, Clone, Copy)]
pub struct View<'v> {
    /// Its members.
    pub nodes: &'v [NodeId],
    /// Those that could join it, the best first.
    pub spares: &'v [NodeId],
    /// Those that lead.
    pub primaries: &'v [NodeId],
    /// The one that an awaited moment is about.
    pub subject: Option<NodeId>,
}

/// Faults, with how long after the beginning each is due, ascending; the first is due at once.
pub type Series = Vec<(Duration, Fault)>;

/// The faults that `intent` means for this cluster now: one, unless it is a series by itself. The victims of a series
/// are the same from its beginning to its end.
///
/// # Errors
/// With the reason why it means none (nobody leads, too few nodes). It is skipped then: recorded as such, and
/// no evidence that anything was broken.
pub fn resolve(intent: &Intent, view: &View<'_>, chance: &mut Chance) -> Result<Series, String> {
    let mut whom = |of: &Selector| of.resolve(view, chance);
    let fault = match intent {
        Intent::Partition(shape) => {
            Fault::Cut { shape: shape.name().to_owned(), links: shape.links(view, chance)? }
        }
        Intent::Kill(of) => Fault::Kill { nodes: whom(of)? },
        Intent::Terminate(of) => Fault::Terminate { nodes: whom(of)? },
        Intent::Crash(of) => Fault::Crash { nodes: whom(of)?, unsynced: None },
        Intent::PowerCut { of, unsynced } => Fault::Crash { nodes: whom(of)?, unsynced: Some(*unsynced) },
        Intent::Pause(of) => Fault::Pause { nodes: whom(of)? },
        Intent::Packets { of, trouble } => {
            let links = links_of(&whom(of)?, view.nodes);
            if links.is_empty() {
                return Err("a single node has no links".to_owned());
            }
            Fault::Impair { links, trouble: *trouble }
        }
        Intent::Clock { of, jump_ms, rate_ppm } => {
            Fault::Skew { nodes: whom(of)?, jump_ms: *jump_ms, rate_ppm: *rate_ppm }
        }
        Intent::Disk { of, illness } => Fault::Sicken { nodes: whom(of)?, illness: *illness },
        Intent::Pressure { of, pressure } => Fault::Press { nodes: whom(of)?, pressure: *pressure },
        Intent::Damage { of, damage } => Fault::Damage { nodes: whom(of)?, damage: damage.clone() },
        Intent::Members(turnover) => resolve_turnover(turnover, view, chance)?,
        Intent::Repair(kind) => Fault::Repair { kind: *kind },
        Intent::Restart { of, times, down_ms, up_ms } => {
            return Ok(restarts(&whom(of)?, *times, *down_ms, *up_ms));
        }
        Intent::Strobe { of, jump_ms, every_ms, times } => {
            return Ok(strobe(&whom(of)?, *jump_ms, *every_ms, *times));
        }
    };
    Ok(vec![(Duration::ZERO, fault)])
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn restarts(nodes: &[NodeId], times: u32, down_ms: u32, up_ms: u32) -> Series {
    let (down, round) = (u64::from(down_ms), u64::from(down_ms) + u64::from(up_ms));
    let one = |time: u64| {
        [
            (millis(time * round), Fault::Kill { nodes: nodes.to_vec() }),
            (millis(time * round + down), Fault::Start { nodes: nodes.to_vec() }),
        ]
    };
    (0..u64::from(times)).flat_map(one).collect()
}

fn strobe(nodes: &[NodeId], jump_ms: i64, every_ms: u32, times: u32) -> Series {
    let (every, last) = (u64::from(every_ms), times.saturating_sub(1));
    let skew = |jump_ms, rate_ppm| Fault::Skew { nodes: nodes.to_vec(), jump_ms, rate_ppm };
    let one = |time: u32| {
        // Whoever forgets the repair finds the time of day where it was, and going on at its pace.
        let back = if time == last { 1_000_000 } else { SLOW };
        let at = u64::from(time) * 2 * every;
        [(millis(at), skew(jump_ms, FAST)), (millis(at + every), skew(jump_ms.saturating_neg(), back))]
    };
    (0..times).flat_map(one).collect()
}

/// A cluster of fewer than three survives nobody's fall, and we do not make it so.
const FEWEST: usize = 3;

fn resolve_turnover(turnover: &Turnover, view: &View<'_>, chance: &mut Chance) -> Result<Fault, String> {
    let joins = !matches!(turnover, Turnover::Shrink(_));
    let join: Vec<NodeId> = view.spares.iter().copied().take(usize::from(joins)).collect();
    if joins && join.is_empty() {
        return Err("no node is left that could join".to_owned());
    }
    let size = view.nodes.len();
    let leave = match turnover {
        Turnover::Grow => Vec::new(),
        Turnover::Shrink(_) if size <= FEWEST => {
            return Err(format!("there are only {size} nodes, and fewer than {FEWEST} would prove nothing"));
        }
        Turnover::Shrink(of) | Turnover::Replace(of) => {
            of.resolve(view, chance)?.into_iter().take(1).collect()
        }
    };
    Ok(Fault::Members { join, leave })
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
    use crate::Shape;
    use history::{FaultKind, Illness, Trouble};

    fn series(intent: &Intent) -> Result<Series, String> {
        let view = View {
            spares: &[history::NodeId(9)],
            nodes: &NodeId::all(3),
            primaries: &[NodeId(2)],
            subject: None,
        };
        resolve(intent, &view, &mut Chance::new(4))
    }

    fn resolved(intent: Intent) -> Result<Fault, String> {
        series(&intent).map(|mut series| match series.as_mut_slice() {
            [(Duration::ZERO, fault)] => fault.clone(),
            other => panic!("{other:?}"),
        })
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
        let lonely =
            View { spares: &[history::NodeId(9)], nodes: &[NodeId(1)], primaries: &[], subject: None };
        let alone = resolve(&intent(Selector::All), &lonely, &mut Chance::new(0));
        assert_eq!(alone, Err("a single node has no links".to_owned()));
    }

    #[test]
    fn members_come_from_the_spares_and_are_never_too_few() {
        let leads = || Selector::Primaries;
        let (join, leave) = (vec![NodeId(9)], vec![NodeId(2)]);
        let grown = Fault::Members { join: join.clone(), leave: Vec::new() };
        assert_eq!(resolved(Intent::Members(Turnover::Grow)), Ok(grown));
        let replaced = Fault::Members { join, leave: leave.clone() };
        assert_eq!(resolved(Intent::Members(Turnover::Replace(leads()))), Ok(replaced));
        let too_few = resolved(Intent::Members(Turnover::Shrink(leads()))).unwrap_err();
        assert!(too_few.contains("only 3 nodes"), "{too_few}");
        let view = View { nodes: &NodeId::all(4), spares: &[], primaries: &[NodeId(2)], subject: None };
        let four = |turnover| resolve(&Intent::Members(turnover), &view, &mut Chance::new(0));
        let shrunk = vec![(Duration::ZERO, Fault::Members { join: Vec::new(), leave })];
        assert_eq!(four(Turnover::Shrink(leads())), Ok(shrunk));
        assert_eq!(four(Turnover::Grow), Err("no node is left that could join".to_owned()));
    }

    #[test]
    fn nobody_to_break_is_said() {
        let view =
            View { spares: &[history::NodeId(9)], nodes: &NodeId::all(3), primaries: &[], subject: None };
        let skipped = resolve(&Intent::Kill(Selector::Primaries), &view, &mut Chance::new(0));
        assert_eq!(skipped, Err("nobody leads".to_owned()));
    }

    #[test]
    fn a_crash_loop_kills_and_starts_the_same_nodes_again_and_again() {
        let intent = Intent::Restart { of: Selector::Minority, times: 3, down_ms: 100, up_ms: 200 };
        let series = series(&intent).unwrap();
        let times: Vec<u128> = series.iter().map(|(after, _)| after.as_millis()).collect();
        assert_eq!(times, [0, 100, 300, 400, 600, 700]);
        assert_eq!(intent.span(), millis(900));
        let Fault::Kill { nodes } = &series[0].1 else { panic!("{series:?}") };
        for pair in series.chunks(2) {
            assert_eq!(pair[0].1, Fault::Kill { nodes: nodes.clone() });
            assert_eq!(pair[1].1, Fault::Start { nodes: nodes.clone() });
        }
    }

    #[test]
    fn a_strobed_clock_goes_there_and_back_and_ends_where_it_was() {
        let intent = Intent::Strobe { of: Selector::One, jump_ms: 500, every_ms: 50, times: 4 };
        let series = series(&intent).unwrap();
        let skews: Vec<(u64, i64, u32)> = series
            .iter()
            .map(|(after, fault)| match fault {
                Fault::Skew { jump_ms, rate_ppm, .. } => (after.as_millis() as u64, *jump_ms, *rate_ppm),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(skews[..2], [(0, 500, FAST), (50, -500, SLOW)]);
        assert_eq!(skews[7], (350, -500, 1_000_000));
        assert_eq!(skews.iter().map(|(_, jump, _)| jump).sum::<i64>(), 0);
        assert_eq!(intent.span(), millis(400));
    }
}
