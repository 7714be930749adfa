//! Did a node write what it should never write?
//!
//! A line of a node's log that matches a pattern, such as a panic, a data race or a failed assertion, is an anomaly,
//! whatever the clients saw. A log that is not there proves nothing (Jepsen's `log-file-pattern` ignores it).

use crate::{Anomaly, Budget, Checker, Report};
use history::{History, NodeId};
use regex::bytes::{Regex, RegexBuilder};

/// Judges the logs of nodes. Whoever makes it reads them: a judge does no input.
#[derive(Debug, Clone)]
pub struct LogPattern {
    /// What must not be written.
    pub pattern: Regex,
    /// Each node's log, if it could be had.
    pub logs: Vec<(NodeId, Option<String>)>,
}

/// How many lines are told for each node; further ones are counted.
const TOLD: usize = 5;
/// How many lines are told before and after each.
const AROUND: usize = 2;

impl LogPattern {
    /// Judges these logs by a regular expression. `\b`, `\d`, `\s`, `\w` and `(?i)` mean ASCII.
    ///
    /// # Errors
    /// If it is none.
    pub fn new(pattern: &str, logs: Vec<(NodeId, Option<String>)>) -> Result<LogPattern, String> {
        let built = RegexBuilder::new(pattern).unicode(false).build();
        let pattern = built.map_err(|error| format!("{pattern:?} is no pattern: {error}"))?;
        Ok(LogPattern { pattern, logs })
    }
}

impl Checker for LogPattern {
    fn name(&self) -> &'static str {
        "log pattern"
    }

    fn check(&self, _: &History, _: &Budget) -> Report {
        let (mut anomalies, mut hits, mut read, mut missing) = (Vec::new(), 0, 0, Vec::new());
        for (node, log) in &self.logs {
            let Some(log) = log else {
                missing.push(node.to_string());
                continue;
            };
            let lines: Vec<&str> = log.lines().collect();
            read += lines.len();
            let matches = (0..lines.len()).filter(|place| self.pattern.is_match(lines[*place].as_bytes()));
            for (count, place) in matches.enumerate() {
                hits += 1;
                if count < TOLD {
                    let around = &lines[place.saturating_sub(AROUND)..(place + AROUND + 1).min(lines.len())];
                    let story =
                        format!("Line {} of the log of {node}:\n  {}", place + 1, around.join("\n  "));
                    anomalies.push(Anomaly::new("forbidden line", None, story, []));
                }
            }
        }
        let doubt = match (self.logs.is_empty(), missing.as_slice()) {
            (true, _) => Some("there are no logs".to_owned()),
            (false, []) => (read == 0).then(|| "the logs are empty".to_owned()),
            (false, missing) => Some(format!("the log of {} is missing", missing.join(", "))),
        };
        let fine = format!("none of {read} lines of {} logs matches {}", self.logs.len(), self.pattern);
        Report::conclude(self.name(), anomalies, doubt, fine).measure("forbidden lines", hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn a_forbidden_line_is_told_with_its_surroundings() {
        let judge = |logs: &[Option<&str>]| {
            let logs = logs.iter().enumerate().map(|(n, log)| (NodeId(n as u16 + 1), log.map(str::to_owned)));
            let checker = LogPattern::new(r"(?i)\bPANICKED\b|data race", logs.collect()).unwrap();
            checker.check(&History::new(), &Budget::default())
        };
        assert_eq!(judge(&[Some("fine"), Some("")]).verdict, Verdict::Valid);
        assert_eq!(judge(&[Some("fine"), None]).verdict, Verdict::Unknown);
        assert_eq!(judge(&[]).verdict, Verdict::Unknown);
        assert_eq!(judge(&[Some(""), Some("")]).verdict, Verdict::Unknown);
        let report = judge(&[Some("a\nb\nc\nthread panicked at x\nd\ne\nf"), None]);
        assert_eq!(report.verdict, Verdict::Invalid);
        let story = "Line 4 of the log of n1:\n  b\n  c\n  thread panicked at x\n  d\n  e";
        assert_eq!(report.anomalies[0].story, story);
        let error = LogPattern::new("(", Vec::new()).unwrap_err();
        assert!(error.contains("is no pattern"), "{error}");
    }
}
