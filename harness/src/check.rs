//! `tribunal check`: judges recorded runs again, and histories of others.

use crate::analyze::{self, Judgement, Subject};
use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::hearing::{self, Heard, Terms};
use crate::progress::Counter;
use crate::report;
use crate::store::Store;
use crate::{evidence, gallery};
use checkers::Verdict;
use checkers::catalog::{self, Beside, Needs};
use cluster::HarnessError;
use history::History;
use history::formats::{Format, Options};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Judges run directories and histories, one after the other.
pub fn check(args: &CheckArgs) -> Exit {
    report::start_logging();
    let mut worst = Exit::Valid;
    for path in &args.files {
        let exit = judge(args, path).unwrap_or_else(|(error, exit)| {
            if args.json {
                report::print(&format!("{}\n", json!({"file": path, "error": error.to_string()})));
            }
            report::fail(&error, exit)
        });
        worst = worst.worse(exit);
    }
    worst
}

type Judged = Result<Exit, (HarnessError, Exit)>;

fn judge(args: &CheckArgs, path: &Path) -> Judged {
    let usage = |error| (error, Exit::Usage);
    let found = path
        .metadata()
        .map_err(|error| usage(HarnessError::new(format!("check {}", path.display()), error)))?;
    let store = match found.is_dir() {
        true => Store { path: path.to_owned() },
        false => Store { path: path.parent().unwrap_or(path).to_owned() },
    };
    if args.model.as_deref().is_some_and(|model| needs(model) == Needs::Logs) {
        return hear_logs(args, path);
    }
    let history = if found.is_dir() { store.history() } else { path.to_owned() };
    // A test.json says nothing about other files that lie beside it.
    let ours = args.format.is_none() && history.file_name() == store.history().file_name();
    let file = if ours { store.test().map_err(usage)? } else { None };
    // What is to be expected is a level of the workload if one is named, else of a model.
    let of_model = args.model.is_some() || (args.expect.is_some() && args.workload.is_none());
    if of_model || (file.is_none() && args.workload.is_none()) {
        return hear(args, path, &history);
    }
    let mut subject = file.as_ref().map_or_else(Subject::unknown, Subject::of);
    if let Some(workload) = &args.workload {
        subject.workload.clone_from(workload);
        subject.expect.clone_from(&args.expect);
    }
    let (judgement, whole) =
        analyze::analyze_and_keep(&history, &subject, args.time_budget, args.memory_budget).map_err(usage)?;
    if file.is_some()
        && let Err(error) = store.write_json("verdict.json", &judgement)
    {
        report::warn(&error.to_string());
    }
    match (&file, args.json) {
        (_, true) => report::print(&format!("{}\n", json!({"file": path, "judgement": judgement}))),
        (Some(file), false) => report::story(&judgement, file, &store.path, &[]),
        (None, false) => report::judgement(&judgement),
    }
    explain(args, path, &judgement, || Ok(Some(whole)))?;
    Ok(judgement.verdict.into())
}

/// What the judge of a model must have. Of one that is not there, its lookup will say so.
fn needs(model: &str) -> Needs {
    catalog::lookup(model).map_or(Needs::History, |entry| entry.needs)
}

/// Logs without a history.
fn hear_logs(args: &CheckArgs, path: &Path) -> Judged {
    let usage = |error| (error, Exit::Usage);
    let logs = evidence::logs(path, args.memory_budget).map_err(usage)?;
    let terms = Terms { beside: Beside { logs, ..terms(args)?.beside }, ..terms(args)? };
    let model = args.model.as_deref().unwrap_or_default();
    let heard = hearing::hear_logs(path, model, &terms).map_err(usage)?;
    match args.json {
        true => report::print(&format!("{}\n", line(path, &heard))),
        false => report::heard(path, &heard),
    }
    explain(args, path, &heard.judgement, || Ok(None))?;
    Ok(heard.judgement.verdict.into())
}

/// How files are to be heard, from what was typed.
fn terms(args: &CheckArgs) -> Result<Terms, (HarnessError, Exit)> {
    let records = args.records.as_deref().map(evidence::records).transpose();
    let records = records.map_err(|error| (error, Exit::Usage))?.unwrap_or_default();
    Ok(Terms {
        format: args.format,
        model: args.model.clone(),
        expect: args.expect.clone(),
        options: Options { initial: args.initial, nil_is_unknown: args.nil_is_unknown },
        beside: Beside { records, logs: Vec::new(), pattern: args.pattern.clone() },
        time: args.time_budget,
        bytes: args.memory_budget,
    })
}

/// A history without a run around it.
fn hear(args: &CheckArgs, path: &Path, history: &Path) -> Judged {
    let terms = terms(args)?;
    let mut counter = Counter::new(path);
    let heard = hearing::hear(history, &terms, |events| counter.tick(events));
    counter.clear();
    let heard = heard.map_err(|error| (error, Exit::Usage))?;
    match args.json {
        true => report::print(&format!("{}\n", line(path, &heard))),
        false => report::heard(path, &heard),
    }
    explain(args, path, &heard.judgement, || match heard.format {
        Some(format) => hearing::whole(history, format, &terms),
        None => Ok(None),
    })?;
    Ok(heard.judgement.verdict.into())
}

/// What a program wants to know of a history, in one line.
fn line(path: &Path, heard: &Heard) -> serde_json::Value {
    let Judgement { verdict, reports, events, torn, exhibits, .. } = &heard.judgement;
    json!({
        "file": path,
        "verdict": verdict,
        "format": heard.format.map(Format::name),
        "model": heard.model,
        "guessed": heard.guessed,
        "events": events,
        "skipped": heard.skipped,
        "torn": torn,
        "reports": reports,
        "exhibits": exhibits,
        "names": heard.names,
    })
}

/// Writes the story to a file of its own, and what was not allowed as pictures beside it.
fn explain(
    args: &CheckArgs,
    path: &Path,
    judgement: &Judgement,
    history: impl FnOnce() -> Result<Option<History>, HarnessError>,
) -> Result<(), (HarnessError, Exit)> {
    let Some(directory) = &args.explain else { return Ok(()) };
    let failed = |error| (error, Exit::Harness);
    let name = path.to_string_lossy().trim_matches(['/', '.']).replace('/', "-");
    let invalid = judgement.verdict == Verdict::Invalid;
    let history = if invalid { history().map_err(failed)? } else { None };
    let drawn = match &history {
        Some(history) => gallery::draw(&judgement.reports, history, directory, &format!("{name}-")),
        None => Ok(Vec::new()),
    };
    let story = report::whole(judgement, &drawn.map_err(failed)?);
    let file: PathBuf = directory.join(format!("{name}.txt"));
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(&file, story));
    written.map_err(|error| failed(HarnessError::new(format!("write {}", file.display()), error)))
}
