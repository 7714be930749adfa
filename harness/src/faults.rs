//! What was broken, fault by fault: when, whom, until when, and how we know.

use history::{Event, Fault, FaultKind, History, Injection, NodeId, Time};
use serde::Serialize;
use std::collections::BTreeMap;

/// One attempt to break something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// The index of the event that says what became of it.
    pub index: usize,
    /// When it was made, in nanoseconds since the run began; a skipped one, when it would have been.
    pub at: Time,
    /// When it was known to be in force.
    pub seen: Time,
    /// When it was repaired, or replaced by the next of its kind; nothing if it was in force to the end.
    pub until: Option<Time>,
    /// Its kind.
    pub kind: FaultKind,
    /// What it was, for people.
    pub fault: String,
    /// Whom it hit; of links, both ends.
    pub victims: Vec<NodeId>,
    /// The moment it waited for, and whom that was about.
    pub moment: Option<String>,
    /// Whether it happened: `installed`, `skipped` or `doubtful`.
    pub result: &'static str,
    /// What was observed; of one that did not happen or may not have happened, why.
    pub evidence: String,
}

/// How many attempts became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Certainly in force.
    pub installed: usize,
    /// Not made.
    pub skipped: usize,
    /// Perhaps in force.
    pub doubtful: usize,
}

/// Every attempt to break something, in the order in which it was known what became of it.
pub fn attempts(history: &History) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    // What was ordered and not yet answered, with the moment that brought it about.
    let mut ordered: Vec<(&Fault, Time, Option<String>)> = Vec::new();
    let mut moment = None;
    for (index, entry) in history.entries().iter().enumerate() {
        let noticed = moment.take();
        match &entry.event {
            Event::Noticed { moment: what, node } => moment = Some(format!("{what} {node}")),
            Event::Inject(fault) => ordered.push((fault, entry.time, noticed)),
            Event::Injected { fault, result } => {
                let order = ordered.iter().position(|(order, _, _)| *order == fault.as_ref());
                let order = order.map(|at| ordered.remove(at));
                let (at, moment) = order.map_or((entry.time, None), |(_, at, moment)| (at, moment));
                let skipped = matches!(**result, Injection::Skipped(_));
                if !skipped {
                    let over = attempts.iter_mut().filter(|attempt| attempt.is_ended_by(fault, at));
                    over.for_each(|attempt| attempt.until = Some(at));
                }
                if !fault.is_repair() {
                    attempts.push(Attempt::new(index, at, entry.time, fault, moment, result));
                }
            }
            _ => {}
        }
    }
    attempts
}

/// How many attempts of each kind became what.
pub fn counts(attempts: &[Attempt]) -> BTreeMap<FaultKind, Counts> {
    let mut counts: BTreeMap<FaultKind, Counts> = BTreeMap::new();
    for attempt in attempts {
        let counts = counts.entry(attempt.kind).or_default();
        match attempt.result {
            "installed" => counts.installed += 1,
            "skipped" => counts.skipped += 1,
            _ => counts.doubtful += 1,
        }
    }
    counts
}

impl Attempt {
    fn new(
        index: usize,
        at: Time,
        seen: Time,
        fault: &Fault,
        moment: Option<String>,
        result: &Injection,
    ) -> Attempt {
        let (result, evidence) = match result {
            Injection::Installed(evidence) => ("installed", &evidence.0),
            Injection::Skipped(why) => ("skipped", why),
            Injection::Doubtful(why) => ("doubtful", why),
        };
        Attempt {
            index,
            at,
            seen,
            until: (result == "skipped").then_some(at),
            kind: fault.kind(),
            fault: fault.to_string(),
            victims: fault.victims(),
            moment,
            result,
            evidence: evidence.clone(),
        }
    }

    /// Whether a later fault or repair ends it: starting ends kills and power cuts, and what replaces what was wrong
    /// before ends that. Cuts add up.
    fn is_ended_by(&self, fault: &Fault, at: Time) -> bool {
        let all_hit = || self.victims.iter().all(|victim| fault.victims().contains(victim));
        let down = matches!(self.kind, FaultKind::Kill | FaultKind::Crash);
        let hit = match fault {
            Fault::Repair { kind: FaultKind::Kill | FaultKind::Crash } => down,
            Fault::Repair { kind } => *kind == self.kind,
            Fault::Start { .. } => down && all_hit(),
            Fault::Resume { .. } => self.kind == FaultKind::Pause && all_hit(),
            Fault::Skew { .. } | Fault::Sicken { .. } | Fault::Press { .. } => {
                self.kind == fault.kind() && all_hit()
            }
            Fault::Impair { .. } => self.kind == FaultKind::Packets && all_hit(),
            Fault::Members { .. } => self.kind == FaultKind::Members,
            Fault::Cut { .. }
            | Fault::Kill { .. }
            | Fault::Terminate { .. }
            | Fault::Crash { .. }
            | Fault::Pause { .. }
            | Fault::Damage { .. } => false,
        };
        self.until.is_none() && self.at < at && hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::{Evidence, Moment};

    fn nodes(nodes: &[u16]) -> Vec<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    fn seen() -> Injection {
        Injection::Installed(Evidence("seen".to_owned()))
    }

    fn history(events: Vec<Event>) -> History {
        let mut history = History::new();
        for (at, event) in events.into_iter().enumerate() {
            history.push(Time(at as u64 * 10), event).unwrap();
        }
        history
    }

    fn inject(fault: &Fault) -> Event {
        Event::Inject(Box::new(fault.clone()))
    }

    fn injected(fault: &Fault, result: Injection) -> Event {
        Event::Injected { fault: Box::new(fault.clone()), result: Box::new(result) }
    }

    #[test]
    fn every_attempt_is_told_from_its_order_to_its_repair() {
        let (kill, pause) = (Fault::Kill { nodes: nodes(&[2]) }, Fault::Pause { nodes: nodes(&[1, 3]) });
        let (start, nobody) = (Fault::Start { nodes: nodes(&[1, 2]) }, Fault::Kill { nodes: vec![] });
        let told = attempts(&history(vec![
            Event::Noticed { moment: Moment::NewLeader, node: NodeId(2) },
            inject(&kill),
            inject(&pause),
            injected(&kill, seen()),
            injected(&pause, Injection::Doubtful("no answer".to_owned())),
            injected(&nobody, Injection::Skipped("nobody leads".to_owned())),
            inject(&start),
            injected(&start, seen()),
        ]));
        let [killed, paused, skipped] = told.as_slice() else { panic!("{told:#?}") };
        assert_eq!((killed.at, killed.seen, killed.until), (Time(10), Time(30), Some(Time(60))));
        assert_eq!(killed.moment.as_deref(), Some("new-leader n2"));
        assert_eq!((killed.index, killed.result, killed.evidence.as_str()), (3, "installed", "seen"));
        assert_eq!((paused.at, paused.until, paused.moment.as_deref()), (Time(20), None, None));
        assert_eq!((paused.result, paused.victims.clone()), ("doubtful", nodes(&[1, 3])));
        assert_eq!((skipped.result, skipped.evidence.as_str()), ("skipped", "nobody leads"));
        let kills = Counts { installed: 1, skipped: 1, doubtful: 0 };
        let pauses = Counts { doubtful: 1, ..Counts::default() };
        assert_eq!(counts(&told), BTreeMap::from([(FaultKind::Kill, kills), (FaultKind::Pause, pauses)]));
    }

    #[test]
    fn a_fault_ends_when_another_takes_its_place_or_its_kind_is_repaired() {
        let skew = |jump_ms| Fault::Skew { nodes: nodes(&[1]), jump_ms, rate_ppm: 1 };
        let (there, back, other) =
            (skew(5), skew(-5), Fault::Skew { nodes: nodes(&[2]), jump_ms: 1, rate_ppm: 1 });
        let repair = |kind| Fault::Repair { kind };
        let made = |fault: &Fault| [inject(fault), injected(fault, seen())];
        let events = [there, other, back, repair(FaultKind::Disk), repair(FaultKind::Clock)];
        let told = attempts(&history(events.iter().flat_map(made).collect()));
        let untils: Vec<Option<Time>> = told.iter().map(|attempt| attempt.until).collect();
        assert_eq!(untils, [Some(Time(40)), Some(Time(80)), Some(Time(80))]);
    }

    #[test]
    fn a_killed_controller_leaves_faults_that_never_ended() {
        let cut = Fault::Cut { shape: "halves".to_owned(), links: vec![] };
        let told = attempts(&history(vec![inject(&cut), injected(&cut, seen()), inject(&cut)]));
        assert_eq!((told.len(), told[0].until), (1, None));
    }
}
