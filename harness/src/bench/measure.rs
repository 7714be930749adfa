//! One row, measured in a process of its own.

use super::corpus::{self, Real};
use super::rows::{Judge, Row, Source};
use checkers::{Budget, Checker, Verdict, catalog};
use cluster::HarnessError;
use history::History;
use history::formats::{self, Options};
use history::jsonl::ReadError;
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long judging may take, and how much memory.
const SECONDS: u64 = 60;
const BYTES: usize = 8 << 30;

/// What a short history is read and judged several times for: the fastest time counts.
const ENOUGH: Duration = Duration::from_secs(1);
const TIMES: usize = 5;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// How many events there were.
    pub events: usize,
    /// How long it took to read them from disk, in seconds.
    pub reading: f64,
    /// How much processor time that took, in seconds: one core reads.
    pub reading_processor: f64,
    /// How long it took to judge them from memory, in seconds; nothing if nobody judged.
    pub judging: Option<f64>,
    /// How much processor time that took on all cores, in seconds.
    pub processor: f64,
    /// How much memory that took beside the history, in bytes, at most.
    pub memory: u64,
    /// What the judge said.
    pub verdict: Option<String>,
    /// Verdicts that contradict the known ones: of what, and what was said.
    pub wrong: Vec<String>,
    /// How many verdicts are unknown where one is known.
    pub undecided: usize,
    /// `tribunal check` of the same file, from its start to its end.
    pub whole: Option<Whole>,
}

/// A process that read, judged and said so.
#[derive(Debug, Serialize, Deserialize)]
pub struct Whole {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How much memory it had at most, with everything, in bytes.
    pub memory: u64,
}

/// Measures a row whose history, or whose folder of histories, is at `path`.
///
/// # Errors
/// If something cannot be read or started.
pub fn measure(row: &Row, path: &Path) -> Result<Measured, HarnessError> {
    let batch = match row.source {
        Source::Corpus(_) => corpus::files(path)?,
        _ => vec![(path.to_owned(), row.verdict == Some(Verdict::Valid))],
    };
    // Another process first: what it had is told as what all children had at most, and this one is still small.
    let (whole, said) = match row.judge {
        Judge::Model(model, level) => {
            let (whole, said) = check(&batch, model, level)?;
            (Some(whole), said)
        }
        _ => (None, Vec::new()),
    };
    let (events, reading, reading_processor) = read(row, &batch)?;
    let blank = Measured {
        events,
        reading,
        reading_processor,
        judging: None,
        processor: 0.0,
        memory: 0,
        verdict: None,
        wrong: Vec::new(),
        undecided: 0,
        whole,
    };
    let judge: Box<dyn Checker> = match row.judge {
        Judge::Nobody => return Ok(blank),
        Judge::Own(judge) => judge(),
        Judge::Model(model, level) => {
            let found = catalog::lookup(model).and_then(|entry| entry.judge(level, true));
            found.map_err(|error| HarnessError::new("find a judge", error))?
        }
    };
    let histories = match row.source {
        Source::Corpus(_) => real(&batch)?,
        _ => vec![gathered(row, path, events)?],
    };
    let judged = judged(&*judge, &histories);
    let known = |real: &Real| match row.source {
        Source::Corpus(_) => Some(if real.valid { Verdict::Valid } else { Verdict::Invalid }),
        _ => row.verdict,
    };
    let (mut wrong, mut undecided) = (Vec::new(), 0);
    for (place, (real, verdict)) in histories.iter().zip(&judged.verdicts).enumerate() {
        let whole = said.get(place).cloned().unwrap_or_else(|| verdict.to_string());
        let Some(known) = known(real).map(|known| known.to_string()) else { continue };
        for verdict in [verdict.to_string(), whole] {
            if verdict == Verdict::Unknown.to_string() {
                undecided += 1;
            } else if verdict != known {
                wrong.push(format!("{}: {verdict}", real.name));
            }
        }
    }
    Ok(Measured {
        judging: Some(judged.seconds),
        processor: judged.processor,
        memory: judged.memory,
        verdict: Some(spoken(&judged.verdicts)),
        wrong,
        undecided,
        ..blank
    })
}

/// One verdict, or how often each was given.
fn spoken(verdicts: &[Verdict]) -> String {
    if let [verdict] = verdicts {
        return verdict.to_string();
    }
    let count = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let all = [Verdict::Valid, Verdict::Invalid, Verdict::Unknown].map(|verdict| (count(verdict), verdict));
    let said =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}"));
    said.collect::<Vec<_>>().join(", ")
}

/// Has the program itself check the files, from its start to its end; what it says of each.
fn check(
    batch: &[(PathBuf, bool)],
    model: &str,
    level: Option<&str>,
) -> Result<(Whole, Vec<String>), HarnessError> {
    let wrong = |why: String| HarnessError::new("check the history by a process of its own", why);
    let program = std::env::current_exe().map_err(|error| wrong(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["check", "--json", "--model", model]);
    command.args(level.iter().flat_map(|level| ["--expect", level]));
    command.args(["--memory-budget", &BYTES.to_string(), "--time-budget", &format!("{SECONDS}s")]);
    command.args(batch.iter().map(|(path, _)| path)).stdin(Stdio::null()).stderr(Stdio::inherit());
    let began = Instant::now();
    let output = command.output().map_err(|error| wrong(error.to_string()))?;
    let seconds = began.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| wrong(error.to_string()))?;
    let memory = u64::try_from(usage.max_rss()).unwrap_or(0) << 10;
    let verdict = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        line["verdict"].as_str().unwrap_or("nothing").to_owned()
    };
    let said: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(verdict).collect();
    match said.len() == batch.len() {
        true => Ok((Whole { seconds, memory }, said)),
        false => Err(wrong(format!("it ended with {} and said {} verdicts", output.status, said.len()))),
    }
}

/// How many events are read from disk in how many seconds, and how many of the processor's: the best of a few times.
fn read(row: &Row, batch: &[(PathBuf, bool)]) -> Result<(usize, f64, f64), HarnessError> {
    let (mut events, mut best, mut least) = (0, f64::MAX, f64::MAX);
    let begun = Instant::now();
    for time in 0..TIMES {
        if time > 1 && begun.elapsed() > ENOUGH {
            break;
        }
        let (began, used) = (Instant::now(), processor());
        events = 0;
        for (path, _) in batch {
            scan(row, path, |entry| {
                black_box(entry);
                events += 1;
                Ok(())
            })?;
        }
        best = best.min(began.elapsed().as_secs_f64());
        least = least.min(processor() - used);
    }
    Ok((events, best, least))
}

fn scan(
    row: &Row,
    path: &Path,
    mut hear: impl FnMut(history::Entry) -> Result<(), history::Malformed>,
) -> Result<(), HarnessError> {
    let wrong = |why: String| HarnessError::new(format!("read {}", path.display()), why);
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let format = match row.source {
        Source::Corpus(_) => {
            let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
            formats::Format::detect(&bytes).ok_or_else(|| wrong("it is in no known format".to_owned()))?
        }
        _ => row.format,
    };
    let source = BufReader::with_capacity(1 << 18, file);
    let scanned = formats::scan(format, source, &Options::default(), |line, entry| {
        hear(entry).map_err(|source| ReadError::Malformed { line, source })
    });
    scanned.map(drop).map_err(|error| wrong(error.to_string()))
}

/// The history of so many events. It lies where it came: what a growing one left behind would be there for the judges,
/// and not be counted.
fn gathered(row: &Row, path: &Path, events: usize) -> Result<Real, HarnessError> {
    let mut history = History::new();
    history.reserve(events);
    scan(row, path, |entry| history.push(entry.time, entry.event))?;
    Ok(Real { name: row.name.to_owned(), history, valid: row.verdict == Some(Verdict::Valid) })
}

fn real(batch: &[(PathBuf, bool)]) -> Result<Vec<Real>, HarnessError> {
    let one = |(path, valid): &(PathBuf, bool)| {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| HarnessError::new(format!("read {name}"), error))?;
        corpus::read(&name, &bytes, *valid)
    };
    batch.iter().map(one).collect()
}

struct Judged {
    seconds: f64,
    processor: f64,
    memory: u64,
    verdicts: Vec<Verdict>,
}

/// Judges everything a few times.
fn judged(judge: &dyn Checker, histories: &[Real]) -> Judged {
    let mut judged = Judged { seconds: f64::MAX, processor: f64::MAX, memory: 0, verdicts: Vec::new() };
    let begun = Instant::now();
    for _ in 0..TIMES {
        let before = trough();
        let (began, used) = (Instant::now(), processor());
        let budget = || Budget::new(Duration::from_secs(SECONDS), BYTES);
        judged.verdicts =
            histories.iter().map(|real| judge.check(&real.history, &budget()).verdict).collect();
        judged.seconds = judged.seconds.min(began.elapsed().as_secs_f64());
        judged.processor = judged.processor.min(processor() - used);
        judged.memory = judged.memory.max(status("VmHWM").saturating_sub(before));
        if begun.elapsed() > ENOUGH {
            break;
        }
    }
    judged
}

/// The memory of this process now, and from now on its most is counted anew.
fn trough() -> u64 {
    let _ = fs::write("/proc/self/clear_refs", "5");
    status("VmRSS")
}

/// A figure of this process, in bytes.
fn status(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).map_or(0, |kib: u64| kib << 10)
}

/// The processor time of this process so far, in seconds.
fn processor() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    usage.map_or(0.0, |usage| seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{rows, write};
    use checkers::Linearizable;

    /// What is measured of the row with this word in its name, judged by nobody else, if its verdict were this.
    fn of(word: &str, verdict: Option<Verdict>) -> Measured {
        let row = rows::all().into_iter().find(|row| row.name.contains(word)).expect("there is such a row");
        let judge = Judge::Own(|| Box::new(Linearizable::default()));
        let row = Row { judge, verdict, ..row };
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("history.jsonl");
        write(&row, &file).expect("the disk takes it");
        measure(&row, &file).expect("it can be read")
    }

    #[test]
    fn a_wrong_verdict_is_told() {
        let right = of("862", Some(Verdict::Invalid));
        assert_eq!((right.verdict.as_deref(), right.wrong.len(), right.events), (Some("invalid"), 0, 1730));
        assert!(right.judging.is_some_and(|seconds| seconds > 0.0) && right.reading > 0.0);
        let wrong = of("862", Some(Verdict::Valid));
        assert!(wrong.wrong[0].ends_with(": invalid"), "{:?}", wrong.wrong);
        assert_eq!(of("862", None).wrong, [""; 0], "nobody knows");
    }

    #[test]
    fn names_are_names() {
        let rows = rows::all();
        let mut names: Vec<&str> = rows.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
        for row in &rows {
            if let Judge::Model(model, level) = row.judge {
                let found = catalog::lookup(model).and_then(|entry| entry.judge(level, true));
                assert!(found.is_ok(), "{}", row.name);
            }
        }
    }
}
