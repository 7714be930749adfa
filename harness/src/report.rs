//! The story of a run, for people.

use crate::again;
use crate::analyze::Judgement;
use crate::exit::Exit;
use crate::faults::{Attempt, Counts};
use crate::hearing::Heard;
use crate::store::TestFile;
use checkers::{Anomaly, Report, Verdict};
use cluster::HarnessError;
use history::FaultKind;
use history::formats::Format;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr, stdout};
use std::path::Path;
use tracing_subscriber::EnvFilter;

/// How many anomalies are told in full; all of them are in verdict.json.
const TOLD: usize = 3;
/// How many events of one anomaly are shown.
const SHOWN: usize = 24;
/// How wide a story is told.
const WIDTH: usize = 100;

/// Sends our own log lines to standard error: warnings, or what `RUST_LOG` asks for. The filesystem library
/// complains of every disk that vanishes under its node, which is what we make it do.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,fuser=off"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).try_init();
}

/// Prints to standard output. A reader that has gone away is no error.
pub fn print(text: &str) {
    let _ = stdout().write_all(text.as_bytes());
    let _ = stdout().flush();
}

/// Says what went wrong and what to do about it.
pub fn fail(error: &HarnessError, exit: Exit) -> Exit {
    let _ = writeln!(stderr(), "tribunal: {error}");
    exit
}

/// Says something that the verdict does not depend on.
pub fn warn(text: &str) {
    let _ = writeln!(stderr(), "tribunal: {text}");
}

/// What is about to happen.
pub fn banner(file: &TestFile, instead: Option<&str>, path: &Path) {
    let flaw = file.flaw.as_ref().map(|flaw| format!(" with the flaw {flaw}")).unwrap_or_default();
    let instead = instead.map(|why| format!(" (not on netns: {why})")).unwrap_or_default();
    let interval = file.nemesis_interval_ms;
    let swarm = format!("swarm: this seed breaks {}, about every {interval} ms\n", file.nemesis_list);
    let swarm = if file.swarm { swarm } else { String::new() };
    print(&format!(
        "{}{flaw} on {}{instead}: {} nodes, {} clients, workload {}, seed {}\n{swarm}kept in {}\n",
        file.system,
        file.target,
        file.nodes,
        file.concurrency,
        file.workload,
        file.seed,
        path.display()
    ));
}

/// How a run of ours ended.
pub fn story(judgement: &Judgement, file: &TestFile, path: &Path, drawn: &[String]) {
    let mut page = body(judgement);
    for (kind, why) in &file.missing {
        let _ = writeln!(page, "missing  {kind}: {why}");
    }
    if !file.again.is_empty() {
        let _ = writeln!(page, "again    tribunal {}", again::line(&file.again));
    }
    if file.target != "sim" {
        let _ = writeln!(page, "         (the same calls and faults; the timing of real processes differs)");
    }
    if !drawn.is_empty() {
        let _ = writeln!(page, "drawn    {}", drawn.join(", "));
    }
    let _ = writeln!(page, "kept in  {}", path.display());
    print(&page);
}

/// How a history of unknown origin was judged.
pub fn judgement(judgement: &Judgement) {
    print(&body(judgement));
}

/// How a history of others was judged: a line, and the story of what was not allowed.
pub fn heard(path: &Path, heard: &Heard) {
    let judgement = &heard.judgement;
    let guessed = if heard.guessed { ", guessed from its calls" } else { "" };
    let verdict = paint(judgement.verdict, &judgement.verdict.to_string().to_uppercase());
    let mut page = format!(
        "{}: {verdict} — {} ({}{guessed}), {} events\n",
        path.display(),
        heard.model,
        heard.format.map_or("logs of nodes", Format::name),
        grouped(judgement.events as u64),
    );
    let ours = heard.format == Some(Format::Jsonl);
    for report in judgement.reports.iter().filter(|report| !ours || report.verdict != Verdict::Valid) {
        wrapped(&mut page, &format!("{}: {}", report.checker, report.summary));
    }
    if let Some(torn) = &judgement.torn {
        wrapped(&mut page, torn);
    }
    if judgement.verdict == Verdict::Invalid {
        page.push('\n');
    }
    for report in &judgement.reports {
        anomalies(&mut page, report, judgement, TOLD, &|_| None);
    }
    if !heard.names.is_empty() {
        let names: Vec<String> =
            heard.names.iter().map(|(number, name)| format!("{number} is {name:?}")).collect();
        wrapped(&mut page, &format!("In the file {}.", names.join(", ")));
    }
    print(&page);
}

/// The story without anything left out, and which file shows what: by report and anomaly.
pub fn whole(judgement: &Judgement, drawn: &[(usize, usize, String)]) -> String {
    let mut page = format!("{}\n\n", judgement.verdict);
    for report in &judgement.reports {
        wrapped(&mut page, &format!("{}: {}: {}", report.checker, report.verdict, report.summary));
        for (name, value) in &report.measures {
            wrapped(&mut page, &format!("  {name}: {value}"));
        }
    }
    page.push('\n');
    for (at, report) in judgement.reports.iter().enumerate() {
        let file = |number: usize| {
            let shows = |(report, anomaly, _): &&(usize, usize, String)| (*report, *anomaly) == (at, number);
            drawn.iter().find(shows).map(|(_, _, file)| file.as_str())
        };
        anomalies(&mut page, report, judgement, usize::MAX, &file);
    }
    page
}

fn body(judgement: &Judgement) -> String {
    let tally = &judgement.tally;
    let mut page = String::new();
    let counts = [(tally.ok, "ok"), (tally.fail, "fail"), (tally.unknown, "unknown")];
    let counts: Vec<String> =
        counts.iter().map(|(count, name)| format!("{} {name}", grouped(*count))).collect();
    let _ = writeln!(page, "\nasked    {} calls: {}", grouped(tally.calls), counts.join(", "));
    broken(&mut page, judgement);
    let _ =
        writeln!(page, "history  {} events, digest {}", grouped(judgement.events as u64), judgement.digest);
    if let Some(torn) = &judgement.torn {
        let _ = writeln!(page, "         {torn}");
    }
    let width = judgement.reports.iter().map(|report| report.checker.len()).max().unwrap_or(0);
    for report in &judgement.reports {
        let verdict = report.verdict.to_string();
        let _ = writeln!(page, "judged   {:width$}  {verdict:7}  {}", report.checker, report.summary);
    }
    let _ = writeln!(page);
    for report in &judgement.reports {
        anomalies(&mut page, report, judgement, TOLD, &|_| None);
    }
    let verdict = judgement.verdict.to_string().to_uppercase();
    let _ = writeln!(page, "{}\n", paint(judgement.verdict, &verdict));
    page
}

/// How often each kind of fault was made, and what may not have taken hold.
fn broken(page: &mut String, judgement: &Judgement) {
    let line = |(kind, counts): (&FaultKind, &Counts)| {
        let named =
            [(counts.installed, "installed"), (counts.skipped, "skipped"), (counts.doubtful, "doubtful")];
        let named = named.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = named.map(|(count, what)| format!("{count} {what}")).collect();
        format!("{kind} {}", parts.join(", "))
    };
    let kinds: Vec<String> = judgement.fault_counts.iter().map(line).collect();
    let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join("; ") };
    let _ = writeln!(page, "broken   {kinds}");
    let doubtful: Vec<&Attempt> =
        judgement.faults.iter().filter(|attempt| attempt.result == "doubtful").collect();
    for Attempt { at, fault, evidence, .. } in doubtful.iter().take(TOLD) {
        let _ = writeln!(page, "doubtful {at} {fault}: {evidence}");
    }
    if doubtful.len() > TOLD {
        let _ = writeln!(page, "         … and {} more doubtful, in verdict.json", doubtful.len() - TOLD);
    }
}

fn anomalies<'d>(
    page: &mut String,
    report: &Report,
    judgement: &Judgement,
    told: usize,
    drawn: &dyn Fn(usize) -> Option<&'d str>,
) {
    for (number, anomaly) in report.anomalies.iter().enumerate().take(told) {
        let key = anomaly.key.map(|key| format!(" on {key}")).unwrap_or_default();
        let _ = writeln!(page, "{}{key}\n", anomaly.name);
        for line in anomaly.story.lines() {
            wrapped(page, line);
        }
        if let Some(file) = drawn(number) {
            let _ = writeln!(page, "  Drawn in {file}");
        }
        let _ = writeln!(page);
        exhibits(page, anomaly, judgement);
    }
    if report.anomalies.len() > told {
        let more = report.anomalies.len() - told;
        let _ = writeln!(
            page,
            "… and {more} more found by {}, all in verdict.json or by --explain\n",
            report.checker
        );
    }
}

/// Writes a paragraph in lines that can be read.
fn wrapped(page: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count() + 1;
        let begins = width == 0 || width + length > WIDTH;
        let _ = write!(
            page,
            "{}{word}",
            if width == 0 {
                "  "
            } else if begins {
                "\n  "
            } else {
                " "
            }
        );
        width = if begins { length } else { width + length };
    }
    page.push('\n');
}

fn exhibits(page: &mut String, anomaly: &Anomaly, judgement: &Judgement) {
    let named = |index: &usize| judgement.exhibits.binary_search_by_key(index, |exhibit| exhibit.index).ok();
    let shown: Vec<usize> = anomaly.events.iter().filter_map(named).collect();
    for at in shown.iter().take(SHOWN) {
        let exhibit = &judgement.exhibits[*at];
        let _ = writeln!(page, "  {:>7}  {:>9}  {}", exhibit.index, exhibit.at, exhibit.event);
    }
    if shown.len() > SHOWN {
        let _ = writeln!(page, "  … and {} more events", shown.len() - SHOWN);
    }
    if !shown.is_empty() {
        let _ = writeln!(page);
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn paint(verdict: Verdict, text: &str) -> String {
    if !stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()) {
        return text.to_owned();
    }
    let colour = match verdict {
        Verdict::Valid => 32,
        Verdict::Unknown => 33,
        Verdict::Invalid => 31,
    };
    format!("\x1b[1;{colour}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_told_in_lines_that_can_be_read() {
        let mut page = String::new();
        wrapped(&mut page, &"word ".repeat(50));
        assert!(page.lines().count() == 3 && page.lines().all(|line| line.len() <= WIDTH + 2), "{page}");
        assert_eq!(page.split_whitespace().count(), 50);
    }

    #[test]
    fn large_numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
