//! # Tribunal
//!
//! Introduces everyone: deploys a cluster, lets a workload ask it and a nemesis break it, records what happens,
//! and has it judged. The program is this library and a `main` of one line; tests and benchmarks use the same.

mod again;
mod ahead;
pub mod analyze;
pub mod args;
mod bench;
mod breaking;
mod check;
mod clean;
pub mod clocks;
mod doctor;
mod duration;
mod evidence;
pub mod exit;
pub mod faults;
mod gallery;
mod hearing;
mod list;
mod listener;
mod plots;
mod progress;
mod report;
pub mod run;
mod signals;
mod store;
pub mod tally;
pub mod target;
mod test;
pub mod trial;
mod warden;

use args::{Args, Command};
use clap::Parser;
use exit::Exit;
use std::process::ExitCode;

/// The program: reads the command line, does it, and says how it ended.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let usage = error.use_stderr();
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Valid }.into();
        }
    };
    match args.command {
        Command::Test(options) => test::test(*options).into(),
        Command::Check(options) => check::check(&options).into(),
        Command::Bench(options) => bench::bench(&options).into(),
        Command::List(options) => list::list(&options).into(),
        Command::Doctor(options) => doctor::doctor(&options).into(),
        Command::Clean(options) => clean::clean(&options).into(),
        Command::Agent(options) => agent::run(&options),
        Command::Warden(options) => warden::watch(options),
        Command::Node(options) => target::node(*options),
    }
}
