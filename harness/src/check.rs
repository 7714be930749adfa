//! `tribunal check`: judges a recorded run again.

use crate::analyze::{self, Subject};
use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::report;
use crate::store::Store;
use cluster::HarnessError;

/// Judges a run directory or a history.
pub fn check(args: &CheckArgs) -> Exit {
    report::start_logging();
    judge(args).unwrap_or_else(|(error, exit)| report::fail(&error, exit))
}

fn judge(args: &CheckArgs) -> Result<Exit, (HarnessError, Exit)> {
    let usage = |error| (error, Exit::Usage);
    let found = args
        .run
        .metadata()
        .map_err(|error| usage(HarnessError::new(format!("check {}", args.run.display()), error)))?;
    let (store, history) = if found.is_dir() {
        let store = Store { path: args.run.clone() };
        let history = store.history();
        (store, history)
    } else {
        let parent = args.run.parent().unwrap_or(&args.run).to_owned();
        (Store { path: parent }, args.run.clone())
    };
    let file = store.test().map_err(usage)?;
    let mut subject = file.as_ref().map_or_else(Subject::unknown, Subject::of);
    if let Some(workload) = &args.workload {
        subject.workload.clone_from(workload);
    }
    let judgement = analyze::analyze(&history, &subject, args.time_budget).map_err(usage)?;
    match file {
        Some(file) => {
            if let Err(error) = store.write_json("verdict.json", &judgement) {
                report::warn(&error.to_string());
            }
            report::story(&judgement, &file, &store.path);
        }
        None => report::judgement(&judgement),
    }
    Ok(judgement.verdict.into())
}
