//! # The reference node
//!
//! Drives a protocol core with real sockets, a real fsynced log and a real clock. It is a program like any
//! other system under test: it knows nothing of the harness.
//!
//! One task owns the core. It waits in one place and thinks in another: whatever happens becomes an event,
//! and applying an event never waits. The disk has a thread of its own, so that the core keeps listening
//! while it syncs.

mod args;
mod clients;
mod control;
mod disk;
mod doors;
mod driver;
mod error;
mod event;
mod frames;
mod lease;
mod node;
mod outbox;
mod parent;
mod peers;
mod wal;

#[cfg(test)]
mod echo;

pub use args::{NodeArgs, Peer, Ports};
pub use error::NodeError;
pub use wal::WalError;

use protocols::Protocol;
use protocols::catalog::{self, PROTOCOLS, Visitor};

/// Runs a node until it is told to stop (SIGTERM), its parent dies or it fails.
///
/// A panic anywhere in it ends the process with code 101: a node with a dead limb would lie about its health.
///
/// # Errors
/// If the arguments make no sense, the parent is dead, the log is damaged, or the disk or the network fails.
pub fn run(args: NodeArgs) -> Result<(), NodeError> {
    parent::tie(args.parent)?;
    end_on_panic();
    log_to_stderr();
    catalog::visit(&args.protocol, Running(&args)).unwrap_or_else(|| {
        let names: Vec<&str> = PROTOCOLS.iter().map(|entry| entry.name).collect();
        let (other, names) = (&args.protocol, names.join(", "));
        Err(NodeError::Usage(format!("there is no protocol {other:?}; there is: {names}")))
    })
}

/// Runs a node of whatever protocol it sees.
struct Running<'a>(&'a NodeArgs);

impl Visitor for Running<'_> {
    type Out = Result<(), NodeError>;

    fn visit<P: Protocol>(self) -> Result<(), NodeError> {
        node::run::<P>(self.0)
    }
}

fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRIBUNAL_NODE_LOG");
    let filter = filter.unwrap_or_else(|_| "info".into());
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false);
    // If the program that runs us logs already, its way of logging is ours.
    let _already = logger.with_writer(std::io::stderr).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, exit};
    use std::thread;

    /// Tells the copy of this program below that it is one.
    const COPY: &str = "TRIBUNAL_TEST_PANIC";

    #[test]
    fn a_panic_in_any_thread_ends_the_process() {
        if std::env::var_os(COPY).is_some() {
            end_on_panic();
            let _panicked = thread::spawn(|| panic!("a limb is dead")).join();
            exit(0);
        }
        let mut copy = Command::new(std::env::current_exe().unwrap());
        copy.args(["--exact", "tests::a_panic_in_any_thread_ends_the_process", "--nocapture"]).env(COPY, "1");
        assert_eq!(copy.output().unwrap().status.code(), Some(101));
    }
}
