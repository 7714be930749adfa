//! From when to when something was broken.

use crate::faults::{self, Attempt};
use history::{FaultKind, History, Time};

/// From when to when faults of a kind were there, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Which kind.
    pub kind: FaultKind,
    /// When the first was ordered.
    pub from: f64,
    /// When the last was repaired, or the history ended.
    pub to: f64,
}

impl Episode {
    /// All of a history, by kind. What was skipped is none; what is doubtful may have been.
    pub fn all(history: &History) -> Vec<Episode> {
        let end = history.entries().last().map_or(Time::ZERO, |entry| entry.time);
        let mut attempts = faults::attempts(history);
        attempts.retain(|attempt| attempt.result != "skipped");
        attempts.sort_by_key(|attempt| (attempt.kind, attempt.at));
        let mut all: Vec<Episode> = Vec::new();
        for Attempt { kind, at, until, .. } in attempts {
            let (from, to) = (seconds(at), seconds(until.unwrap_or(end)));
            match all.last_mut() {
                Some(last) if last.kind == kind && last.to >= from => last.to = last.to.max(to),
                _ => all.push(Episode { kind, from, to }),
            }
        }
        all
    }
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::jsonl;

    #[test]
    fn an_episode_lasts_from_the_first_fault_to_the_repair() {
        let lines = [
            r#"{"tribunal_history":1}"#,
            r#"{"time":1000000000,"event":{"inject":{"kill":{"nodes":[1]}}}}"#,
            r#"{"time":1500000000,"event":{"injected":{"fault":{"kill":{"nodes":[1]}},"result":{"installed":"gone"}}}}"#,
            r#"{"time":2000000000,"event":{"inject":{"pause":{"nodes":[1]}}}}"#,
            r#"{"time":2000000001,"event":{"injected":{"fault":{"pause":{"nodes":[1]}},"result":{"skipped":"down"}}}}"#,
            r#"{"time":2500000000,"event":{"inject":{"kill":{"nodes":[3]}}}}"#,
            r#"{"time":3000000000,"event":{"inject":{"repair":{"kind":"kill"}}}}"#,
            r#"{"time":3500000000,"event":{"injected":{"fault":{"kill":{"nodes":[3]}},"result":{"installed":"gone"}}}}"#,
            r#"{"time":4000000000,"event":{"injected":{"fault":{"repair":{"kind":"kill"}},"result":{"installed":"up"}}}}"#,
            r#"{"time":5000000000,"event":{"inject":{"kill":{"nodes":[2]}}}}"#,
            r#"{"time":5000000001,"event":{"injected":{"fault":{"kill":{"nodes":[2]}},"result":{"doubtful":"?"}}}}"#,
            r#"{"time":6000000000,"event":{"phase":"done"}}"#,
        ];
        let text = lines.map(|line| format!("{line}\n")).concat();
        let history = jsonl::read(text.as_bytes()).unwrap().history;
        let kill = |from, to| Episode { kind: FaultKind::Kill, from, to };
        assert_eq!(Episode::all(&history), [kill(1.0, 3.0), kill(5.0, 6.0)]);
    }
}
