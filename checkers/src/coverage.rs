//! Did the run prove anything?
//!
//! A judge that saw nothing wrong may have seen nothing. This one never accuses; it says *unknown* when the run
//! showed too little for anybody's *valid* to mean something. Each of these is enough:
//!
//! * The run never began, or was cut short: what was to come might have shown the bug.
//! * Fewer than [`FEWEST`] calls succeeded in the main phase. Ten is not many: the point is to refuse a cluster
//!   that hardly served, not to prescribe a load, which the measures tell.
//! * Some kind of call that the workload makes never succeeded: whatever it would have shown is not shown.
//! * A fault that was to be made was never made with evidence. A run that did not break what it was told to
//!   break is not a run under that fault. Skipped and doubtful attempts do not count.
//! * Some key that was asked for in the final phase never answered. Acknowledged writes are lost for good only
//!   if they are missing after everything was repaired, and nobody has looked.
//! * Every node is down at the end. That follows from the above; it is said because it explains them.

use crate::{Budget, Checker, Report};
use history::{CallKind, Event, Fault, FaultKind, History, Injection, NodeId, Phase, Pressure};
use std::collections::{BTreeMap, BTreeSet};

/// How many calls must succeed in the main phase.
pub const FEWEST: usize = 10;

/// Says whether a run proved anything.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// The kinds of fault that were to be made.
    pub planned: Vec<FaultKind>,
    /// The kinds of call that the workload makes.
    pub calls: Vec<CallKind>,
}

/// What a run showed.
#[derive(Default)]
struct Seen {
    phases: BTreeSet<Phase>,
    /// How many calls succeeded in each phase.
    ok: BTreeMap<Phase, usize>,
    kinds: BTreeSet<CallKind>,
    /// Whether each key asked for in the final phase answered there.
    last_looks: BTreeMap<history::Key, bool>,
    /// How often each kind of fault was made, skipped, and left in doubt.
    faults: BTreeMap<FaultKind, [usize; 3]>,
    /// The last reason why a fault of the kind was not made, or not surely.
    excuses: BTreeMap<FaultKind, String>,
    nodes: BTreeSet<NodeId>,
    down: BTreeMap<NodeId, FaultKind>,
    /// The nodes that we made to die, perhaps, and by what kind of fault: its repair starts them again.
    weakened: BTreeMap<NodeId, FaultKind>,
}

impl Seen {
    fn of(history: &History) -> Seen {
        let mut seen = Seen::default();
        let mut phases = Vec::new();
        for (index, entry) in history.entries().iter().enumerate() {
            match &entry.event {
                Event::Phase(phase) => phases.push((index, *phase)),
                Event::Invoke { node, .. } => drop(seen.nodes.insert(*node)),
                Event::Injected { fault, result } => seen.injected(fault, result),
                Event::Died { node, .. } => {
                    seen.nodes.insert(*node);
                    let by = seen.weakened.get(node).copied().unwrap_or(FaultKind::Kill);
                    seen.down.insert(*node, by);
                }
                Event::Inject(fault) => seen.weakens(fault),
                Event::Stamped { .. }
                | Event::Complete { .. }
                | Event::Noticed { .. }
                | Event::Violated(_) => {}
            }
        }
        seen.phases = phases.iter().map(|(_, phase)| *phase).collect();
        let phase_at = |index| {
            let before = phases.partition_point(|(began, _)| *began <= index);
            before.checked_sub(1).map(|at| phases[at].1)
        };
        for op in history.ops() {
            if op.outcome.is_ok() {
                seen.kinds.insert(op.call.kind());
            }
            let Some(phase) = phase_at(op.invoked) else { continue };
            *seen.ok.entry(phase).or_default() += usize::from(op.outcome.is_ok());
            if phase == Phase::Final
                && let Some(key) = op.call.key()
            {
                *seen.last_looks.entry(key).or_default() |= op.outcome.is_ok();
            }
        }
        seen
    }

    /// Notes who may now die of this.
    fn weakens(&mut self, fault: &Fault) {
        let nodes = match fault {
            Fault::Sicken { nodes, illness } if illness.is_failure() => nodes,
            Fault::Damage { nodes, .. } | Fault::Press { nodes, pressure: Pressure::Memory { .. } } => nodes,
            _ => return,
        };
        self.weakened.extend(nodes.iter().map(|node| (*node, fault.kind())));
    }

    fn injected(&mut self, fault: &Fault, result: &Injection) {
        if let Fault::Kill { nodes }
        | Fault::Terminate { nodes }
        | Fault::Crash { nodes, .. }
        | Fault::Start { nodes } = fault
        {
            self.nodes.extend(nodes);
        }
        let made = matches!(result, Injection::Installed(_));
        if let (true, Fault::Members { join, leave }) = (made, fault) {
            self.nodes.extend(join);
            self.nodes.retain(|node| !leave.contains(node));
        }
        if !fault.is_repair() {
            let place = match result {
                Injection::Installed(_) => 0,
                Injection::Skipped(_) => 1,
                Injection::Doubtful(_) => 2,
            };
            self.faults.entry(fault.kind()).or_default()[place] += 1;
            if !made {
                self.excuses.insert(fault.kind(), result.to_string());
            }
        }
        match fault {
            Fault::Kill { nodes } | Fault::Terminate { nodes } | Fault::Crash { nodes, .. } if made => {
                self.down.extend(nodes.iter().map(|node| (*node, fault.kind())));
            }
            Fault::Start { nodes } if made => self.down.retain(|node, _| !nodes.contains(node)),
            Fault::Repair { kind } if made => self.down.retain(|_, by| by != kind),
            _ => {}
        }
    }

    fn count(&self, phase: Phase) -> usize {
        self.ok.get(&phase).copied().unwrap_or(0)
    }
}

impl Coverage {
    /// Why the run proves nothing, the most telling reason first.
    fn doubts(&self, seen: &Seen) -> Vec<String> {
        let mut doubts = Vec::new();
        if !seen.phases.contains(&Phase::Main) {
            doubts.push("the run never began: there is no main phase".to_owned());
            return doubts;
        }
        if !seen.nodes.is_empty() && seen.nodes.iter().all(|node| seen.down.contains_key(node)) {
            doubts.push(format!("all {} nodes were down and were not started again", seen.nodes.len()));
        }
        match seen.count(Phase::Main) {
            0 => doubts.push("nothing succeeded in the main phase".to_owned()),
            few if few < FEWEST => doubts.push(format!(
                "only {few} calls succeeded in the main phase; fewer than {FEWEST} prove nothing"
            )),
            _ => {}
        }
        for kind in self.calls.iter().filter(|kind| !seen.kinds.contains(kind)) {
            doubts.push(format!("no {kind} ever succeeded"));
        }
        for kind in self.planned.iter().filter(|kind| seen.faults.get(kind).is_none_or(|made| made[0] == 0)) {
            let why = seen.excuses.get(kind).map_or("it was never tried".to_owned(), String::clone);
            doubts.push(format!("{kind} was planned and never certainly happened ({why})"));
        }
        self.doubt_the_end(seen, &mut doubts);
        doubts
    }

    fn doubt_the_end(&self, seen: &Seen, doubts: &mut Vec<String>) {
        let silent: Vec<_> = seen.last_looks.iter().filter(|(_, answered)| !**answered).collect();
        if !seen.phases.contains(&Phase::Done) {
            doubts.push("the run was cut short".to_owned());
        } else if !seen.phases.contains(&Phase::Final) {
            doubts.push("there was no final phase: nobody looked at what was left".to_owned());
        } else if seen.count(Phase::Final) == 0 {
            doubts.push("nothing succeeded in the final phase: nobody saw what was left".to_owned());
        } else if let Some((key, _)) = silent.first() {
            doubts.push(format!(
                "{} of {} keys never answered in the final phase, such as {key}",
                silent.len(),
                seen.last_looks.len()
            ));
        }
    }
}

impl Checker for Coverage {
    fn name(&self) -> &'static str {
        "coverage"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let seen = Seen::of(history);
        let doubts = self.doubts(&seen);
        let (main, last) = (seen.count(Phase::Main), seen.count(Phase::Final));
        let mut report = match doubts.is_empty() {
            true => {
                let made: usize = seen.faults.values().map(|made| made[0]).sum();
                Report::valid(
                    self.name(),
                    format!("{main} successes in the main phase, {made} faults, {last} final successes"),
                )
            }
            false => Report::unknown(self.name(), doubts.join("; ")),
        };
        report =
            report.measure("successes in the main phase", main).measure("successes in the final phase", last);
        for (kind, [made, skipped, doubtful]) in &seen.faults {
            let name = format!("{kind} faults");
            report = report.measure(&name, format!("{made} made, {skipped} skipped, {doubtful} doubtful"));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use history::{Call, Doubt, Evidence, Key, Outcome, ProcessId, Reply, Time};

    /// A run, written down step by step.
    #[derive(Clone)]
    struct Run {
        history: History,
        process: u32,
    }

    impl Run {
        fn new() -> Run {
            Run { history: History::new(), process: 0 }
        }

        fn event(mut self, event: Event) -> Run {
            self.history.push(Time(self.history.len() as u64), event).unwrap();
            self
        }

        fn phase(self, phase: Phase) -> Run {
            self.event(Event::Phase(phase))
        }

        fn read(mut self, key: u64, ok: bool) -> Run {
            self.process += 1;
            let process = ProcessId(self.process);
            let node = NodeId(1 + (self.process % 3) as u16);
            let outcome = match ok {
                true => Outcome::Ok(Reply::Read(None)),
                false => Outcome::Unknown(Doubt::Timeout),
            };
            let run = self.event(Event::Invoke { process, node, call: Call::Read { key: Key(key) } });
            run.event(Event::Complete { process, outcome })
        }

        fn reads(self, count: usize) -> Run {
            (0..count).fold(self, |run, i| run.read(i as u64, true))
        }

        fn fault(self, fault: Fault, result: Injection) -> Run {
            self.event(Event::Injected { fault: Box::new(fault), result: Box::new(result) })
        }

        fn good_end(self) -> Run {
            self.phase(Phase::Heal).phase(Phase::Final).reads(3).phase(Phase::Done)
        }

        fn judged(&self, planned: &[FaultKind]) -> (Verdict, String) {
            let coverage = Coverage { planned: planned.to_vec(), calls: vec![CallKind::Read] };
            let report = coverage.check(&self.history, &Budget::default());
            (report.verdict, report.summary)
        }

        fn doubted(&self, planned: &[FaultKind], why: &str) {
            let (verdict, summary) = self.judged(planned);
            assert_eq!(verdict, Verdict::Unknown);
            assert!(summary.contains(why), "{summary}");
        }
    }

    fn installed() -> Injection {
        Injection::Installed(Evidence("seen".to_owned()))
    }

    fn main() -> Run {
        Run::new().phase(Phase::Main)
    }

    #[test]
    fn an_ordinary_run_proves_something() {
        assert_eq!(main().reads(10).good_end().judged(&[]).0, Verdict::Valid);
        let kill = Fault::Kill { nodes: vec![NodeId(1)] };
        let run = main().reads(10).fault(kill, installed()).good_end();
        assert_eq!(run.judged(&[FaultKind::Kill]).0, Verdict::Valid);
    }

    #[test]
    fn a_run_that_never_began_or_was_cut_short_proves_nothing() {
        Run::new().doubted(&[], "never began");
        Run::new().reads(20).doubted(&[], "never began");
        main().reads(20).doubted(&[], "cut short");
        main().reads(20).phase(Phase::Heal).phase(Phase::Final).reads(3).doubted(&[], "cut short");
        main().reads(20).phase(Phase::Done).doubted(&[], "no final phase");
    }

    #[test]
    fn too_few_successes_prove_nothing() {
        main().read(0, false).good_end().doubted(&[], "nothing succeeded in the main phase");
        main().reads(9).good_end().doubted(&[], "only 9 calls");
        assert_eq!(main().reads(10).read(3, false).good_end().judged(&[]).0, Verdict::Valid);
    }

    #[test]
    fn every_kind_of_call_must_succeed() {
        let run = main().reads(20).good_end();
        let coverage = Coverage { planned: vec![], calls: vec![CallKind::Read, CallKind::Cas] };
        let report = coverage.check(&run.history, &Budget::default());
        assert_eq!((report.verdict, report.summary.as_str()), (Verdict::Unknown, "no cas ever succeeded"));
    }

    #[test]
    fn a_planned_fault_must_really_happen() {
        let cut = || Fault::Cut { shape: "halves".to_owned(), links: vec![] };
        let planned = [FaultKind::Partition];
        main().reads(20).good_end().doubted(&planned, "never tried");
        let skipped = Injection::Skipped("no leader".to_owned());
        main().reads(20).fault(cut(), skipped.clone()).good_end().doubted(&planned, "skipped: no leader");
        let doubtful = Injection::Doubtful("no answer".to_owned());
        main().reads(20).fault(cut(), doubtful).good_end().doubted(&planned, "doubtful: no answer");
        let repair = Fault::Repair { kind: FaultKind::Partition };
        main().reads(20).fault(repair, installed()).good_end().doubted(&planned, "never tried");
        let run = main().reads(20).fault(cut(), skipped).fault(cut(), installed()).good_end();
        assert_eq!(run.judged(&planned).0, Verdict::Valid);
    }

    #[test]
    fn the_final_phase_must_answer_for_every_key() {
        let end = main().reads(20).phase(Phase::Heal).phase(Phase::Final);
        end.clone().phase(Phase::Done).doubted(&[], "nothing succeeded in the final phase");
        end.clone()
            .read(0, true)
            .read(7, false)
            .phase(Phase::Done)
            .doubted(&[], "1 of 2 keys never answered");
        let again = end.read(7, false).read(7, true).phase(Phase::Done);
        assert_eq!(again.judged(&[]).0, Verdict::Valid);
    }

    #[test]
    fn all_nodes_killed_and_never_started_again_is_unknown() {
        let nodes = || NodeId::all(3);
        for end in [Fault::Kill { nodes: nodes() }, Fault::Terminate { nodes: nodes() }] {
            let run = main().reads(20).fault(end, installed());
            let silent = run.clone().phase(Phase::Final).read(0, false).phase(Phase::Done);
            silent.doubted(&[FaultKind::Kill], "all 3 nodes were down");
            let repair = Fault::Repair { kind: FaultKind::Kill };
            assert_eq!(
                run.fault(repair, installed()).good_end().judged(&[FaultKind::Kill]).0,
                Verdict::Valid
            );
        }
    }
}
