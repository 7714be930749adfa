//! Did nodes die that nobody killed?
//!
//! A node that ends by itself has failed, whatever its clients saw: it crashed, gave up, or simply stopped.
//! Not everything that ends a process is its own doing, though. SIGKILL that we did not send is most often the
//! kernel, out of memory; SIGTERM is a person or a service manager; and a node that says that the disk is full
//! or the port taken died of its surroundings. Those make the run unknown and do not accuse.
//!
//! A node whose disk we made to fail (not only slow) may well stop: it cannot keep its word. So may one whose data we
//! damaged. Their deaths from then on are ours, as those of the killed are, and only counted. While we leave a node no more
//! memory, so is a SIGKILL, which is how the kernel enforces that; nothing else is.

use crate::checker::Sifted;
use crate::{Anomaly, Budget, Case, Checker, Report};
use history::{Event, Fault, FaultKind, History, NodeId, Phase, Pressure, Time};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Accuses a node that died by its own doing, and doubts a run in which one died of anything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deaths;

/// Signals that a process earns by what it does: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
const EARNED: [u32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// What the kernel ends a process with that has no memory left.
const SIGKILL: u32 = 9;

/// What a process says when its surroundings, and not itself, are at fault.
const SURROUNDINGS: [&str; 4] =
    ["No space left on device", "Address already in use", "Too many open files", "Cannot allocate memory"];

/// Who dies of data that we damaged is counted so.
const BY_DAMAGE: &str = "deaths by damaged data";

struct Death<'h> {
    index: usize,
    time: Time,
    node: NodeId,
    how: &'h str,
}

impl Death<'_> {
    /// Why it is our doing, if it is: the name under which such deaths are counted.
    fn excuse(&self, history: &History) -> Option<&'static str> {
        let (mut disk, mut damaged, mut squeezed) = (false, false, false);
        for entry in history.entries().iter().take(self.index) {
            match &entry.event {
                Event::Inject(fault) => match fault.as_ref() {
                    Fault::Sicken { nodes, illness } => {
                        disk |= illness.is_failure() && nodes.contains(&self.node);
                    }
                    Fault::Damage { nodes, .. } => damaged |= nodes.contains(&self.node),
                    Fault::Press { nodes, pressure: Pressure::Memory { .. } } => {
                        squeezed |= nodes.contains(&self.node);
                    }
                    _ => {}
                },
                // Only once it was made: until then it may die of what is being repaired.
                Event::Injected { fault, .. } if **fault == (Fault::Repair { kind: FaultKind::Pressure }) => {
                    squeezed = false;
                }
                _ => {}
            }
        }
        let killed = number_after(self.status(), "signal") == Some(SIGKILL);
        if disk {
            Some("deaths by a failing disk")
        } else if damaged {
            Some(BY_DAMAGE)
        } else {
            (squeezed && killed).then_some("deaths by our limit of memory")
        }
    }

    /// The last words can say anything; the status stands before them.
    fn status(&self) -> &str {
        self.how.split(';').next().unwrap_or(self.how)
    }

    /// Whether the node did it itself, as far as its exit status and last words tell.
    fn is_its_own(&self) -> bool {
        let excused = SURROUNDINGS.iter().any(|words| self.how.contains(words));
        let status = self.status();
        let earned = match number_after(status, "signal") {
            Some(signal) => EARNED.contains(&signal),
            None => number_after(status, "exit").is_some() || status.contains("panic"),
        };
        earned && !excused
    }
}

/// That nobody died by its own doing, and what those said last whose data we damaged.
fn nobody(refused: &BTreeMap<NodeId, &str>) -> String {
    let mut said = "nobody died by itself".to_owned();
    for (node, how) in refused {
        let _ = write!(said, "; {node}, whose data we damaged, ended: {how}");
    }
    said
}

/// The number that follows `word`, wherever both stand: 6 in `killed by signal: 6 (SIGABRT)`.
fn number_after(text: &str, word: &str) -> Option<u32> {
    let rest = &text[text.find(word)? + word.len()..];
    let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

impl Checker for Deaths {
    fn name(&self) -> &'static str {
        "deaths"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        // What ends after the run was over has been told to.
        let run = history.entries().iter().enumerate();
        let run = run.take_while(|(_, entry)| entry.event != Event::Phase(Phase::Done));
        let deaths = run.filter_map(|(index, entry)| match &entry.event {
            Event::Died { node, how } => Some(Death { index, time: entry.time, node: *node, how }),
            _ => None,
        });
        let (mut excused, mut unexplained) = (BTreeMap::new(), Vec::new());
        let mut refused = BTreeMap::new();
        for death in deaths {
            match death.excuse(history) {
                Some(excuse) => {
                    *excused.entry(excuse).or_insert(0) += 1;
                    if excuse == BY_DAMAGE {
                        refused.insert(death.node, death.how);
                    }
                }
                None => unexplained.push(death),
            }
        }
        let (own, other): (Vec<Death<'_>>, Vec<Death<'_>>) =
            unexplained.into_iter().partition(Death::is_its_own);
        let anomaly = |Death { index, time, node, how }: &Death<'_>| {
            let story = format!("{node} died at {time} and nobody had killed it: {how}.");
            Anomaly::new("node died", None, story, [*index])
        };
        let report = match (own.first(), other.first()) {
            (Some(first), _) => {
                let summary = format!("{} died by itself: {}", first.node, first.how);
                Report::invalid(self.name(), summary, own.iter().map(anomaly).collect())
            }
            (None, Some(first)) => Report::unknown(
                self.name(),
                format!("{} died at {}, perhaps not by its own doing: {}", first.node, first.time, first.how),
            ),
            (None, None) => Report::valid(self.name(), nobody(&refused)),
        };
        let report = report.measure("unexplained deaths", own.len() + other.len());
        excused.into_iter().fold(report, |report, (excuse, count)| report.measure(excuse, count))
    }

    fn open(&self) -> Option<Box<dyn Case + '_>> {
        let matters = |event: &Event| {
            !matches!(event, Event::Invoke { .. } | Event::Stamped { .. } | Event::Complete { .. })
        };
        Some(Box::new(Sifted::new(self, matters)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn judged(how: &str, after: Option<Phase>) -> Verdict {
        let mut history = History::new();
        history.push(Time(0), Event::Phase(Phase::Main)).unwrap();
        if let Some(phase) = after {
            history.push(Time(1), Event::Phase(phase)).unwrap();
        }
        history.push(Time(2), Event::Died { node: NodeId(3), how: how.to_owned() }).unwrap();
        Deaths.check(&history, &Budget::default()).verdict
    }

    #[test]
    fn a_crash_or_an_exit_is_the_nodes_own_doing() {
        for how in [
            "signal 6; its last words: index out of range",
            "signal 11",
            "exit status: 101",
            "exit status: 0",
        ] {
            assert_eq!(judged(how, None), Verdict::Invalid, "{how}");
        }
    }

    #[test]
    fn what_others_may_have_done_is_only_a_doubt() {
        for how in
            ["signal 9", "signal 15", "exit status: 1; its last words: No space left on device", "it runs"]
        {
            assert_eq!(judged(how, None), Verdict::Unknown, "{how}");
        }
        assert_eq!(judged("signal 9; its last words: exit 1, panic, signal 11", None), Verdict::Unknown);
    }

    #[test]
    fn a_disk_that_was_made_to_fail_excuses_its_node_and_no_other() {
        use history::Illness;
        let judged = |illness, victim| {
            let mut history = History::new();
            history.push(Time(0), Event::Phase(Phase::Main)).unwrap();
            let nodes = vec![NodeId(3)];
            history.push(Time(1), Event::Inject(Box::new(Fault::Sicken { nodes, illness }))).unwrap();
            let how = "exit status: 74; last words: cannot sync it".to_owned();
            history.push(Time(2), Event::Died { node: NodeId(victim), how }).unwrap();
            Deaths.check(&history, &Budget::default()).verdict
        };
        assert_eq!(judged(Illness::SyncErrors, 3), Verdict::Valid);
        assert_eq!(judged(Illness::SyncErrors, 2), Verdict::Invalid);
        assert_eq!(judged(Illness::SlowSyncs { delay_ms: 9 }, 3), Verdict::Invalid, "slow is no excuse");
    }

    #[test]
    fn damaged_data_excuses_whatever_follows_and_little_memory_a_sigkill_until_it_is_repaired() {
        use history::{Damage, Evidence, Injection};
        let nodes = || vec![NodeId(3)];
        let damage = Fault::Damage { nodes: nodes(), damage: Damage::FlipBit { file: None } };
        let memory = Fault::Press { nodes: nodes(), pressure: Pressure::Memory { spare_kib: 1 } };
        let cpu = Fault::Press { nodes: nodes(), pressure: Pressure::Cpu { permille: 1 } };
        let judged = |fault: &Fault, repaired: bool, how: &str| {
            let mut history = History::new();
            history.push(Time(0), Event::Phase(Phase::Main)).unwrap();
            history.push(Time(1), Event::Inject(Box::new(fault.clone()))).unwrap();
            if repaired {
                let fault = Box::new(Fault::Repair { kind: fault.kind() });
                history.push(Time(2), Event::Inject(fault.clone())).unwrap();
                let result = Box::new(Injection::Installed(Evidence("done".to_owned())));
                history.push(Time(3), Event::Injected { fault, result }).unwrap();
            }
            history.push(Time(4), Event::Died { node: NodeId(3), how: how.to_owned() }).unwrap();
            Deaths.check(&history, &Budget::default()).verdict
        };
        let (refuses, panics) = ("exit status: 65; last words: damaged at byte 9", "exit status: 101");
        let killed = "signal: 9 (SIGKILL); last words: none";
        assert_eq!(judged(&damage, false, refuses), Verdict::Valid);
        assert_eq!(judged(&damage, true, refuses), Verdict::Valid, "what it learned from bad data it keeps");
        assert_eq!(judged(&memory, false, killed), Verdict::Valid);
        assert_eq!(judged(&memory, false, panics), Verdict::Invalid, "nobody must panic for want of memory");
        assert_eq!(judged(&memory, true, killed), Verdict::Unknown, "by then it has all it wants");
        assert_eq!(judged(&cpu, false, killed), Verdict::Unknown, "slow is no excuse");
    }

    #[test]
    fn who_refuses_damaged_data_is_named_with_its_last_words() {
        use history::Damage;
        let mut history = History::new();
        history.push(Time(0), Event::Phase(Phase::Main)).unwrap();
        let damage = Fault::Damage { nodes: vec![NodeId(3)], damage: Damage::Rot { file: None } };
        history.push(Time(1), Event::Inject(Box::new(damage))).unwrap();
        for time in [2, 3] {
            let how = "exit status: 65; last words: damaged at byte 9".to_owned();
            history.push(Time(time), Event::Died { node: NodeId(3), how }).unwrap();
        }
        let report = Deaths.check(&history, &Budget::default());
        assert_eq!(report.verdict, Verdict::Valid);
        let said = "n3, whose data we damaged, ended: exit status: 65; last words: damaged at byte 9";
        assert_eq!(report.summary, format!("nobody died by itself; {said}"));
    }

    #[test]
    fn after_the_run_nodes_may_end() {
        assert_eq!(judged("signal 6", Some(Phase::Done)), Verdict::Valid);
        assert_eq!(judged("signal 6", Some(Phase::Final)), Verdict::Invalid);
        assert_eq!(Deaths.check(&History::new(), &Budget::default()).verdict, Verdict::Valid);
    }
}
