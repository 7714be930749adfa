//! Did nodes die that nobody killed?
//!
//! A node that ends by itself has failed, whatever its clients saw: it crashed, gave up, or simply stopped.
//! Not everything that ends a process is its own doing, though. SIGKILL that we did not send is most often the
//! kernel, out of memory; SIGTERM is a person or a service manager; and a node that says that the disk is full
//! or the port taken died of its surroundings. Those make the run unknown and do not accuse.
//!
//! A node whose disk we made to fail (not only slow) may well stop: it cannot keep its word. Its deaths from then on are
//! ours, as those of the killed are, and only counted.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Event, Fault, History, NodeId, Phase, Time};
use std::collections::BTreeSet;

/// Accuses a node that died by its own doing, and doubts a run in which one died of anything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deaths;

/// Signals that a process earns by what it does: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
const EARNED: [u32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// What a process says when its surroundings, and not itself, are at fault.
const SURROUNDINGS: [&str; 4] =
    ["No space left on device", "Address already in use", "Too many open files", "Cannot allocate memory"];

/// The nodes whose disks were made to fail before the event at `index`.
fn sickened(history: &History, index: usize) -> BTreeSet<NodeId> {
    let before = history.entries().iter().take(index);
    let faults = before.filter_map(|entry| match &entry.event {
        Event::Inject(fault) => Some(fault.as_ref()),
        _ => None,
    });
    let victims = faults.filter_map(|fault| match fault {
        Fault::Sicken { nodes, illness } if illness.is_failure() => Some(nodes),
        _ => None,
    });
    victims.flatten().copied().collect()
}

struct Death<'h> {
    index: usize,
    time: Time,
    node: NodeId,
    how: &'h str,
}

impl Death<'_> {
    /// Whether the node did it itself, as far as its exit status and last words tell.
    fn is_its_own(&self) -> bool {
        let excused = SURROUNDINGS.iter().any(|words| self.how.contains(words));
        // The last words can say anything; the status stands before them.
        let status = self.how.split(';').next().unwrap_or(self.how);
        let earned = match number_after(status, "signal") {
            Some(signal) => EARNED.contains(&signal),
            None => number_after(status, "exit").is_some() || status.contains("panic"),
        };
        earned && !excused
    }
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
        let ours = |death: &Death<'_>| sickened(history, death.index).contains(&death.node);
        let (excused, unexplained): (Vec<Death<'_>>, Vec<Death<'_>>) = deaths.partition(ours);
        let (own, other): (Vec<Death<'_>>, Vec<Death<'_>>) =
            unexplained.into_iter().partition(Death::is_its_own);
        let anomaly = |death: &Death<'_>| Anomaly {
            name: "node died".to_owned(),
            key: None,
            story: format!("{} died at {} and nobody had killed it: {}.", death.node, death.time, death.how),
            events: vec![death.index],
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
            (None, None) => Report::valid(self.name(), "nobody died by itself"),
        };
        let report = report.measure("unexplained deaths", own.len() + other.len());
        if excused.is_empty() { report } else { report.measure("deaths by a failing disk", excused.len()) }
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
    fn after_the_run_nodes_may_end() {
        assert_eq!(judged("signal 6", Some(Phase::Done)), Verdict::Valid);
        assert_eq!(judged("signal 6", Some(Phase::Final)), Verdict::Invalid);
        assert_eq!(Deaths.check(&History::new(), &Budget::default()).verdict, Verdict::Valid);
    }
}
