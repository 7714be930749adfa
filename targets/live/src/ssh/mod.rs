//! # A cluster on machines that the user has
//!
//! Each host is reached by SSH: the program is brought there once, and one channel runs it as the agent, who
//! starts the node, breaks it, and holds a lease on both. Clients speak to the nodes directly.
//!
//! Links are cut where they end: each host drops what comes from the data addresses of those it is cut off from.
//! Nothing else is dropped, so our own way to the hosts is never cut, and a connection that is lost all the same
//! is our trouble and never the system's: its agent kills the node and heals the host, and once the host is
//! reached again everything is made as it is meant to be.

mod clean;
mod client;
mod cluster;
mod crew;
mod deploy;
mod faults;
mod host_line;
mod member;
mod options;
mod probe;
mod remote;
mod session;

pub use self::cluster::Ssh;
pub use clean::clean;
pub use host_line::HostLine;
pub use options::SshOptions;
pub use probe::{HostAbility, probe};
