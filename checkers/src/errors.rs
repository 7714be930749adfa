//! Which errors did nobody foresee?
//!
//! A client that meets an error it does not know tells it in the system's words. These are worth a look: each may hide an
//! outcome that is known, and so weakens every other judge. Calls that ended so, by kind of call and by error, the most frequent
//! first: Jepsen's `unhandled-exceptions`, which accuses nobody either. Numbers in an error are left out, so that errors that
//! differ in an address or an identifier only are counted together.

use crate::{Budget, Checker, Report};
use history::{CallKind, Doubt, History, Op, Outcome, Refusal};
use std::collections::BTreeMap;

/// Groups errors that nobody foresaw. Never accuses anybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Errors;

/// How many groups are told.
const TOLD: usize = 20;
/// How much of an error is told, in characters.
const LENGTH: usize = 200;

impl Checker for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut calls, mut all) = (0, 0);
        let mut groups: BTreeMap<(CallKind, &str, String), (usize, usize)> = BTreeMap::new();
        for op in history.ops() {
            calls += 1;
            let Some((what, error)) = unforeseen(&op) else { continue };
            all += 1;
            let first = op.completed.unwrap_or(op.invoked);
            groups.entry((op.call.kind(), what, class(error))).or_insert((0, first)).0 += 1;
        }
        let report = match (calls, all) {
            (0, _) => Report::unknown(self.name(), "nobody called"),
            (_, 0) => Report::valid(self.name(), format!("{calls} calls, no error that nobody foresaw")),
            (_, all) => {
                let summary = format!("{all} of {calls} calls met an error that nobody foresaw");
                Report::valid(self.name(), summary)
            }
        };
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
        let report = report.measure("kinds of errors", groups.len());
        groups.iter().take(TOLD).fold(report, |report, ((kind, what, error), (count, first))| {
            report.measure(
                &format!("{} {what}: {error}", kind.name()),
                format!("{count} ×, first at event {first}"),
            )
        })
    }
}

fn unforeseen<'h>(op: &Op<'h>) -> Option<(&'static str, &'h str)> {
    match op.outcome {
        Outcome::Unknown(Doubt::Other(error)) => Some(("unknown", error)),
        Outcome::Fail(Refusal::Other(error)) => Some(("fail", error)),
        _ => None,
    }
}

/// The error without its numbers.
fn class(error: &str) -> String {
    let mut class = String::new();
    for c in error.chars().take(LENGTH) {
        match c {
            '0'..='9' if class.ends_with('#') => {}
            '0'..='9' => class.push('#'),
            c if c.is_control() => class.push(' '),
            c => class.push(c),
        }
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};
    use history::{Event, Time};

    #[test]
    fn errors_are_counted_by_what_they_say() {
        let calls = script("A add 1 ok (; B add 2 ok (; C add 3 ok (; D add 4 ok (; E add 5 ok (");
        let mut history = History::new();
        calls.entries().iter().for_each(|entry| history.push(entry.time, entry.event.clone()).unwrap());
        let reset = |port: &str| Outcome::Unknown(Doubt::Other(format!("reset by 10.0.0.1:{port}")));
        for (process, outcome) in [
            reset("7001"),
            Outcome::Fail(Refusal::Other("quota".to_owned())),
            reset("80"),
            Outcome::Unknown(Doubt::Timeout),
        ]
        .into_iter()
        .enumerate()
        {
            let process = history::ProcessId(process as u32);
            history
                .push(Time(1_000_000_000 + u64::from(process.0)), Event::Complete { process, outcome })
                .unwrap();
        }
        let report = Errors.check(&history, &Budget::default());
        assert_eq!(report.verdict, Verdict::Valid);
        assert_eq!(report.summary, "3 of 5 calls met an error that nobody foresaw");
        let told: Vec<String> =
            report.measures.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        assert_eq!(
            told,
            [
                "kinds of errors = 2",
                "add unknown: reset by #.#.#.#:# = 2 ×, first at event 5",
                "add fail: quota = 1 ×, first at event 6"
            ]
        );
        assert_eq!(Errors.check(&History::new(), &Budget::default()).verdict, Verdict::Unknown);
    }
}
