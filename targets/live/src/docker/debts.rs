//! What we owe to containers of somebody else: what was done to them and is to be undone.
//!
//! Containers of ours are removed, whatever is wrong with them. Those of others must become again what they were, and
//! nobody could tell by looking at them who has paused one. So it is written down before it is done, in a file that is
//! named after the run and outlives it: a killed run's [`crate::warden`] reads it, or `tribunal clean`. The file is gone
//! when the machine has been started anew, and so is what it tells of.

use super::engine::Engine;
use super::run::Run;
use crate::levers;
use crate::process;
use crate::settled;
use cluster::HarnessError;
use linux::cgroup::Before;
use linux::clock::Skew;
use linux::process::Process;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where such files are. Only root can break containers, so it is root's.
const PLACE: &str = "/run/tribunal";

/// What one run owes to containers of somebody else.
#[derive(Debug)]
pub struct Debts {
    engine: Engine,
    file: PathBuf,
    book: Mutex<Book>,
}

/// What such a file says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Book {
    /// The container engine's command.
    engine: String,
    /// What is owed to each container that the run uses, by name.
    containers: BTreeMap<String, Debt>,
}

/// What is owed to one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// We have killed it.
    pub killed: bool,
    /// Its process has so little memory, by our hand, that the kernel may kill it.
    pub starved: Option<Process>,
    /// What its control group had before we gave it less.
    pub limits: Option<Before>,
    /// The process in it that we have stopped.
    pub paused: Option<Process>,
    /// The process in it whose clocks we have bent.
    pub bent: Option<Process>,
}

impl Debts {
    /// Begins to keep books for a run that uses these containers.
    ///
    /// # Errors
    /// If another run uses one of them or has left it broken, or nothing can be written down.
    pub fn open(engine: Engine, names: &[&str]) -> Result<Debts, HarnessError> {
        Debts::open_in(Path::new(PLACE), engine, names)
    }

    fn open_in(place: &Path, engine: Engine, names: &[&str]) -> Result<Debts, HarnessError> {
        let doing = "use containers of yours";
        settled::refuse(doing, || owed(place, names))?;
        let of_them = |book: &Book| names.iter().find(|name| book.containers.contains_key(**name)).copied();
        for (run, file) in files(place) {
            if let (false, Some(name)) = (run.is_over(), read(&file).ok().as_ref().and_then(of_them)) {
                let why = format!("another run (process {}) uses {name}", run.owner().pid);
                return Err(HarnessError::new(doing, why).advise("wait for its end"));
            }
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(place);
        let run = made.and_then(|()| Run::begin());
        let failed = |why: io::Error| {
            HarnessError::new(format!("keep in {} what is done to containers of yours", place.display()), why)
        };
        let containers = names.iter().map(|name| ((*name).to_owned(), Debt::default())).collect();
        let book = Book { engine: engine.command().to_owned(), containers };
        let file = place.join(run.map_err(failed)?.to_string());
        write(&file, &book).map_err(failed)?;
        Ok(Debts { engine, file, book: Mutex::new(book) })
    }

    /// Writes down what is owed to a container from now on. To be called before it is done, or after it was undone.
    ///
    /// # Errors
    /// If it cannot be written down; then nothing has changed.
    pub fn note(&self, name: &str, change: impl FnOnce(&mut Debt)) -> io::Result<()> {
        let mut book = self.book();
        let mut new = book.clone();
        if let Some(debt) = new.containers.get_mut(name) {
            change(debt);
        }
        if new.containers != book.containers {
            write(&self.file, &new)?;
            *book = new;
        }
        Ok(())
    }

    /// Settles what is still owed, and closes the book; once is enough.
    ///
    /// # Errors
    /// What is left, and why. It stays in the book.
    pub fn close(&self) -> Result<(), String> {
        let settled = settle(&self.engine, &self.file, &mut self.book());
        settled.map(drop)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Debts {
    fn drop(&mut self) {
        if let Err(left) = self.close() {
            tracing::error!("{left}");
        }
    }
}

/// Settles what such runs owe to containers of somebody else; their names.
///
/// # Errors
/// For each run, what is left and why.
pub fn settle_for(of: impl Fn(Run) -> bool) -> Vec<Result<String, String>> {
    settle_in(Path::new(PLACE), of)
}

fn settle_in(place: &Path, of: impl Fn(Run) -> bool) -> Vec<Result<String, String>> {
    let mut done = Vec::new();
    for (_, file) in files(place).into_iter().filter(|(run, _)| of(*run)) {
        let settled = read(&file).map_err(|why| format!("{}: {why}", file.display()));
        match settled.and_then(|mut book| settle(&Engine::new(&book.engine.clone()), &file, &mut book)) {
            Ok(names) => done.extend(names.into_iter().map(Ok)),
            Err(why) => done.push(Err(why)),
        }
    }
    done
}

/// Which of these containers dead runs have left broken.
///
/// # Errors
/// If a book cannot be read.
fn owed(place: &Path, names: &[&str]) -> Result<Vec<String>, String> {
    let mut left = Vec::new();
    for (_, file) in files(place).into_iter().filter(|(run, _)| run.is_over()) {
        let book = read(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        let owed = book.containers.into_iter().filter(|(_, debt)| *debt != Debt::default());
        let owed = owed.filter(|(name, _)| names.contains(&name.as_str()));
        left.extend(owed.map(|(name, _)| format!("the container {name} broken")));
    }
    Ok(left)
}

/// Every such file, and whose it is.
fn files(place: &Path) -> Vec<(Run, PathBuf)> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let file = |entry: fs::DirEntry| Some((Run::of(entry.file_name().to_str()?)?, entry.path()));
    entries.filter_map(file).collect()
}

fn read(file: &Path) -> io::Result<Book> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// Whole or not at all.
fn write(file: &Path, book: &Book) -> io::Result<()> {
    let draft = file.with_extension("new");
    fs::write(&draft, serde_json::to_vec(book)?)?;
    fs::rename(draft, file)
}

/// Settles a book and removes it; whom something was owed to.
fn settle(engine: &Engine, file: &Path, book: &mut Book) -> Result<Vec<String>, String> {
    let (mut settled, mut left) = (Vec::new(), Vec::new());
    for (name, debt) in book.containers.iter_mut().filter(|(_, debt)| **debt != Debt::default()) {
        match debt.settle(engine, name) {
            Ok(()) => {
                *debt = Debt::default();
                settled.push(name.clone());
            }
            Err(why) => left.push(format!("the container {name}: {why}")),
        }
    }
    let kept = match left.is_empty() {
        true => fs::remove_file(file).or_else(|why| match why.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(why),
        }),
        false => write(file, book),
    };
    left.extend(kept.err().map(|why| format!("{}: {why}", file.display())));
    if left.is_empty() { Ok(settled) } else { Err(left.join("; ")) }
}

impl Debt {
    /// Makes a container what it was; what can be done is done, even if something cannot.
    fn settle(&self, engine: &Engine, name: &str) -> Result<(), String> {
        let lives = |process: &&Process| !process.is_gone();
        let mut failed = Vec::new();
        // In this order: who is frozen obeys no signal, and who is dead needs no true clocks.
        if let Some(Err(why)) = self.limits.as_ref().map(Before::restore) {
            failed.push(why.to_string());
        }
        if let Some(Err(why)) = self.paused.as_ref().filter(lives).map(go_on) {
            failed.push(format!("cannot send SIGCONT: {why}"));
        }
        if let Some(Err(why)) = self.bent.as_ref().filter(lives).map(straighten) {
            failed.push(why);
        }
        if self.killed || self.starved.is_some_and(Process::is_gone) {
            failed.extend(revive(engine, name).err());
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}

fn go_on(process: &Process) -> Result<(), nix::errno::Errno> {
    process::signal(Pid::from_raw(process.pid.cast_signed()), Signal::SIGCONT)
}

fn straighten(process: &Process) -> Result<(), String> {
    let program = levers::program(Pid::from_raw(process.pid.cast_signed()));
    let restored = Skew::attach(program.as_raw()).and_then(|mut skew| skew.restore());
    match restored {
        // With its process the wrong clocks are gone as well.
        Err(_) if process.is_gone() => Ok(()),
        restored => restored.map(drop).map_err(|why| why.to_string()),
    }
}

/// Starts a container if it does not run. One that its owner has removed meanwhile stays so.
fn revive(engine: &Engine, name: &str) -> Result<(), String> {
    match engine.ask(&["inspect", "--type", "container", "--format", "{{.State.Running}}", name]) {
        Ok(runs) if runs == "true" => Ok(()),
        Ok(_) => engine.ask(&["start", name]).map(drop),
        Err(why) if why.to_ascii_lowercase().contains("no such container") => Ok(()),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    fn sleeper() -> (Child, Process) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        (child, process)
    }

    fn ended(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Whether a process is stopped, or becomes it soon.
    fn is_stopped(process: Process) -> bool {
        let (pid, deadline) =
            (Pid::from_raw(process.pid.cast_signed()), Instant::now() + Duration::from_secs(1));
        while process::is_stopped(pid) != Some(true) && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        process::is_stopped(pid) == Some(true)
    }

    fn stop(process: Process) {
        process::signal(Pid::from_raw(process.pid.cast_signed()), Signal::SIGSTOP).unwrap();
        assert!(is_stopped(process));
    }

    /// An engine that notes what it is told; all its containers are dead.
    fn engine(place: &Path) -> Engine {
        let (command, log) = (place.join("engine"), place.join("told"));
        let script = format!("#!/bin/sh\necho $1 >> {}\necho false\n", log.display());
        fs::write(&command, script).unwrap();
        fs::set_permissions(&command, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Engine::new(command.to_str().unwrap())
    }

    #[test]
    fn what_a_dead_run_owes_is_refused_until_it_is_settled_and_nothing_else_is_touched() {
        let place = tempfile::tempdir().unwrap();
        let (engine, books) = (engine(place.path()), place.path().join("books"));
        let debts = Debts::open_in(&books, engine.clone(), &["a", "b", "c"]).unwrap();
        let ((ours, stopped), (theirs, also_stopped)) = (sleeper(), sleeper());
        debts.note("a", |debt| debt.paused = Some(stopped)).unwrap();
        debts.note("b", |debt| debt.killed = true).unwrap();
        [stopped, also_stopped].into_iter().for_each(stop);
        let why = Debts::open_in(&books, engine.clone(), &["c"]).unwrap_err().to_string();
        assert!(why.contains("another run") && why.contains(" uses c"), "{why}");
        drop(Debts::open_in(&books, engine.clone(), &["d"]).unwrap());

        // As if this process had been killed: the same file, of a process that is gone.
        let (file, dead) = (debts.file.clone(), books.join(format!("tribunal-{}-1-1", u32::MAX)));
        fs::rename(&file, &dead).unwrap();
        std::mem::forget(debts);
        let why = Debts::open_in(&books, engine.clone(), &["b", "c"]).unwrap_err().to_string();
        assert!(
            why.contains("still broken") && why.contains("container b") && why.contains("`tribunal clean`"),
            "{why}"
        );
        drop(Debts::open_in(&books, engine, &["c"]).unwrap());
        assert!(settle_in(&books, |run| !run.is_over()).is_empty());
        let settled: Result<Vec<String>, String> = settle_in(&books, Run::is_over).into_iter().collect();
        assert_eq!(settled.unwrap(), ["a", "b"]);
        assert!(!is_stopped(stopped) && is_stopped(also_stopped), "who was not stopped by us stays so");
        assert_eq!(fs::read_to_string(place.path().join("told")).unwrap(), "inspect\nstart\n");
        assert_eq!(fs::read_dir(&books).unwrap().count(), 0);
        [ours, theirs].into_iter().for_each(ended);
    }

    #[test]
    fn what_cannot_be_settled_stays_in_the_book() {
        let place = tempfile::tempdir().unwrap();
        let debts = Debts::open_in(place.path(), Engine::new("/no/such/engine"), &["a", "b"]).unwrap();
        let (child, process) = sleeper();
        debts.note("a", |debt| debt.killed = true).unwrap();
        debts.note("b", |debt| debt.starved = Some(process)).unwrap();
        let why = debts.close().unwrap_err();
        assert!(why.contains("the container a: /no/such/engine inspect"), "{why}");
        assert!(!why.contains("container b"), "it lives: {why}");
        let book = read(&debts.file).unwrap();
        assert!(book.containers["a"].killed && book.containers["b"] == Debt::default());
        debts.note("a", |debt| debt.killed = false).unwrap();
        debts.close().unwrap();
        assert!(!debts.file.exists());
        ended(child);
    }

    #[test]
    fn clocks_that_were_bent_are_true_again() {
        use linux::clock::{Jump, Turn};
        if let Err(why) = linux::clock::can() {
            println!("skipped: {why}");
            return;
        }
        let (child, process) = sleeper();
        let pid = process.pid.cast_signed();
        // As if this process had been killed: nobody gives the clocks back.
        let wall = || std::mem::ManuallyDrop::new(Skew::attach(pid).unwrap()).reading().unwrap().wall;
        let skew = std::mem::ManuallyDrop::new(Skew::attach(pid).unwrap());
        skew.turn(Turn { jump: Jump::By(5_000_000_000), rate_ppm: 1_200_000 }, Turn::STEADY).unwrap();
        assert!(wall().ahead_ns >= 5_000_000_000);
        let debt = Debt { bent: Some(process), ..Debt::default() };
        debt.settle(&Engine::new("true"), "a").unwrap();
        let now = wall();
        assert!(now.ahead_ns == 0 && now.rate_ppm == 1_000_000, "{now:?}");
        ended(child);
        debt.settle(&Engine::new("true"), "a").unwrap();
    }
}
