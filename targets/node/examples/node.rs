//! One reference node, for trials without the harness.

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
enum Cli {
    /// Runs a node
    Node(tribunal_node::NodeArgs),
}

fn main() -> ExitCode {
    let Cli::Node(args) = Cli::parse();
    match tribunal_node::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
