//! `tribunal bench`: what is fast and what is slow, as tables: the judges here, the protocols in `protocols.rs`.
//!
//! Every row is measured in a process of its own, so that its memory is its own. What it is to judge is made up from a
//! seed, or is one of the field's real histories; either way its verdict is known beforehand, and a wrong one fails.

mod corpus;
mod machine;
mod measure;
mod protocols;
mod rows;
mod table;

use crate::args::{BenchArgs, Benched};
use crate::exit::Exit;
use crate::{report, signals};
use cluster::HarnessError;
use history::formats::{Edn, Format};
use history::{Entry, jsonl};
use machine::Machine;
use measure::Measured;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rows::{Row, Size, Source};
use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal, Write, stderr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use table::{Line, Table};

/// Measures, and prints the table.
pub fn bench(args: &BenchArgs) -> Exit {
    let ended = match (args.what, &args.measure) {
        (Benched::Protocols, _) => protocols::bench(args),
        (Benched::Checkers, Some(row)) => measure_here(row, args),
        (Benched::Checkers, None) => all(args),
    };
    ended.unwrap_or_else(|(error, exit)| report::fail(&error, exit))
}

type Ended = Result<Exit, (HarnessError, Exit)>;

/// In a process of its own: measures one row and prints the numbers for the process that asked.
fn measure_here(name: &str, args: &BenchArgs) -> Ended {
    let row = rows::all().into_iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| usage(format!("there is no row {name:?}")))?;
    let file = args.file.as_deref().ok_or_else(|| usage("there is no file".to_owned()))?;
    let measured = measure::measure(&row, file).map_err(|error| (error, Exit::Harness))?;
    report::print(&format!("{}\n", serde_json::json!(measured)));
    Ok(Exit::Valid)
}

fn usage(why: String) -> (HarnessError, Exit) {
    (HarnessError::new("bench", why), Exit::Usage)
}

fn all(args: &BenchArgs) -> Ended {
    let wanted = |row: &Row| {
        let size = match row.size {
            Size::Quick => true,
            Size::Usual => !args.quick,
            Size::Large => args.large,
        };
        size && args.filter.as_ref().is_none_or(|filter| row.name.contains(filter.as_str()))
    };
    let rows: Vec<Row> = rows::all().into_iter().filter(wanted).collect();
    if rows.is_empty() {
        return Err(usage(format!("no row has {:?} in its name", args.filter.as_deref().unwrap_or(""))));
    }
    let scratch = Scratch::new().map_err(|error| (error, Exit::Harness))?;
    let mut table = Table::new(Machine::here(), args.json);
    report::print(&table.head());
    let mut exit = Exit::Valid;
    for (number, row) in rows.iter().enumerate() {
        progress(&format!("{} of {}: {}", number + 1, rows.len(), row.name));
        let measured = measured(row, args, &scratch);
        progress("");
        match measured {
            Ok(None) => report::warn(&format!("{}: not measured, the corpus is not here", row.name)),
            Ok(Some(measured)) => {
                let line = Line { row, measured: &measured };
                exit = exit.worse(match (line.wrong(), measured.undecided) {
                    ([], 0) => Exit::Valid,
                    ([], _) => Exit::Unknown,
                    _ => Exit::Invalid,
                });
                report::print(&table.line(&line));
            }
            Err(error) => exit = exit.worse(report::fail(&error, Exit::Harness)),
        }
    }
    report::print(&table.foot());
    Ok(exit)
}

/// Makes what a row is to judge, and has it measured by a process of its own. Nothing if it is not here.
fn measured(row: &Row, args: &BenchArgs, scratch: &Scratch) -> Result<Option<Measured>, HarnessError> {
    let doing = || format!("measure {}", row.name);
    let file = match row.source {
        Source::Corpus(folder) => match corpus::folder(args.corpus.as_deref(), folder) {
            Some(found) => found,
            None => return Ok(None),
        },
        _ => {
            let file = scratch.path.join(format!("history.{}", row.format.name()));
            write(row, &file).map_err(|error| HarnessError::new(doing(), error))?;
            file
        }
    };
    let program = std::env::current_exe().map_err(|error| HarnessError::new(doing(), error))?;
    let mut command = Command::new(program);
    command.args(["bench", "checkers", "--measure", row.name, "--file"]).arg(&file);
    command.stderr(Stdio::inherit()).stdin(Stdio::null());
    let output = scratch.run(command).map_err(|error| HarnessError::new(doing(), error))?;
    if !output.status.success() {
        return Err(HarnessError::new(doing(), format!("its process ended with {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map(Some).map_err(|error| HarnessError::new(doing(), error))
}

/// Writes the history of a row, event by event.
fn write(row: &Row, path: &Path) -> std::io::Result<()> {
    let mut failed = None;
    let sink = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut keep = |written: std::io::Result<()>| failed = failed.take().or(written.err());
    if row.format == Format::Edn {
        let mut edn = Edn::new(sink);
        row.tell(&mut |entry: Entry| keep(edn.add(&entry)));
        edn.finish()?.flush()?;
    } else {
        let mut ours = jsonl::Writer::new(sink)?;
        let mut told = 0usize;
        row.tell(&mut |entry: Entry| {
            told += 1;
            let added = ours.add(entry.time, entry.event).map(drop);
            keep(if told.is_multiple_of(1 << 12) { added.and_then(|()| ours.commit()) } else { added });
        });
        ours.finish()?.flush()?;
    }
    failed.map_or(Ok(()), Err)
}

/// Says what is being measured, on a terminal only; the next word takes its place.
fn progress(what: &str) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K{what}");
        let _ = stderr().flush();
    }
}

/// A directory that goes with this process, as does the process that measures what is in there.
struct Scratch {
    path: PathBuf,
    /// The processes that measure, as a group of their own.
    measuring: Arc<Mutex<Option<Pid>>>,
}

impl Scratch {
    fn new() -> Result<Scratch, HarnessError> {
        let path = std::env::temp_dir().join(format!("tribunal-bench-{}", std::process::id()));
        let wrong = |error| HarnessError::new(format!("make {}", path.display()), error);
        let measuring: Arc<Mutex<Option<Pid>>> = Arc::default();
        let scratch = Scratch { path: path.clone(), measuring: Arc::clone(&measuring) };
        let made = path.clone();
        signals::at_end(move || {
            let measuring = measuring.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(group) = *measuring {
                let _ = killpg(group, Signal::SIGKILL);
            }
            // Another thread may be about to put a file there.
            let gone = || fs::remove_dir_all(&made).is_ok() || !made.exists();
            let _ = (0..100).any(|_| gone());
            // Whoever works with this waits for the end now, instead of complaining.
            std::mem::forget(measuring);
        })
        .map_err(wrong)?;
        fs::create_dir(&path).map_err(wrong)?;
        Ok(scratch)
    }

    /// Runs a process that does not outlive this one.
    fn run(&self, mut command: Command) -> std::io::Result<Output> {
        let mut measuring = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.process_group(0).stdout(Stdio::piped()).spawn()?;
        *measuring = i32::try_from(child.id()).ok().map(Pid::from_raw);
        drop(measuring);
        let output = child.wait_with_output();
        *self.measuring.lock().unwrap_or_else(PoisonError::into_inner) = None;
        output
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ending = self.measuring.lock();
        let _ = fs::remove_dir_all(&self.path);
    }
}
