//! # Reaching machines that the user has
//!
//! Each host is reached by SSH: the program is brought there once, and one channel runs it as the agent, who
//! starts the node, breaks it, and holds a lease on both. Clients speak to the nodes directly.
//!
//! A [`Member`] is one host with its agent. If its connection is lost, that is our trouble and never the system's: its
//! agent kills the node and heals the host, and once the host is reached again everything is made as it is meant to be.

mod clean;
mod deploy;
mod host_line;
mod member;
mod options;
mod probe;
mod remote;
mod session;

/// What is to be done so that nodes can join over SSH.
pub const NEEDS_SPARES: &str =
    "needs spare hosts: name more of them in the file than nodes, and say with --nodes how many are nodes";

pub use clean::clean;
pub use deploy::Cargo;
pub use host_line::HostLine;
pub use member::{Born, Member};
pub use options::SshOptions;
pub use probe::{HostAbility, probe};
