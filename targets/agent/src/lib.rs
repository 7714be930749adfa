//! # The agent
//!
//! What runs on a machine that the controller reaches over SSH: it starts one node, breaks it, and holds a lease
//! on both. If the controller closes the connection, dies, or says nothing for five seconds, the agent heals every
//! path, gives the node all it wants, kills it, unmounts its disk and ends; so nothing stays broken that nobody watches.
//! If it is killed itself, its guard, which has started it, removes what the kernel does not.
//!
//! It listens on its standard input and speaks on its standard output (see [`words`]); it opens no port.

mod args;
mod clock;
mod data;
mod disk;
mod errand;
mod guard;
mod node;
mod paths;
mod pressure;
mod probe;
mod service;
mod tie;
pub mod words;

pub use args::AgentArgs;
pub use clock::{Clock, Turned};
pub use data::Data;
pub use disk::Disk;

use std::process::ExitCode;

/// Runs an agent or its guard to its end, or becomes the program that it is to tie to its life.
pub fn run(args: &AgentArgs) -> ExitCode {
    let ended = match &args.tie {
        Some(parent) => tie::become_tied(*parent, &args.command),
        None if args.guard => guard::watch(args),
        None => service::serve(args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Standard error is the only one who listens here; if it does not, there is nobody to tell.
            let _unheard = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("tribunal agent: {why}\n").as_bytes(),
            );
            ExitCode::FAILURE
        }
    }
}
