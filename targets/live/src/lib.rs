//! # A cluster of real processes
//!
//! One process per node, on this machine.
//!
//! * [`Local`] needs no privileges. Every byte between nodes goes through a proxy of ours, one for each direction
//!   between each pair, so that a link can be cut one way or both, delayed, throttled and held, and so that single
//!   messages can be lost, repeated and overtaken.
//! * [`Netns`] gives every node a machine of its own in namespaces: own network and address, own name, own mounts
//!   and processes. The kernel cuts and impairs what lies between them, frame by frame. It needs root or a user
//!   namespace, and says so ([`netns_ability`]).
//! * [`Docker`] gives every node a container. What lies between them is cut where it arrives, in each container's own
//!   network. It needs root and a container engine, and says so ([`DockerOptions::can`]).
//!
//! Processes are killed and frozen with signals, and their clocks are bent in their own memory; the machine's are
//! never set. A fault counts as installed only when its effect was seen: the counters of what was swallowed or
//! delayed, the process's end or state, the time that it tells.
//!
//! Nothing survives: processes are killed and reaped, ports closed and networks dissolved on every way out, a
//! panic included; if this process is killed itself, the kernel does all that, because each node's life is tied to
//! a thread of ours (see `daemon`). What the kernel does not remove, a [`warden`] does.
//!
//! The runner sees a plain synchronous [`cluster::Cluster`]; the runtime behind it is nobody else's business.

mod clocks;
mod daemon;
mod damages;
mod disks;
mod docker;
mod faults;
mod hosts;
mod lane;
mod levers;
mod link;
mod live;
mod members;
mod network;
mod pieces;
mod pressures;
mod process;
mod proxies;
mod proxy;
mod settled;
mod sighting;
mod site;
pub mod ssh;
pub mod warden;
mod worker;

pub use docker::LABEL as DOCKER_LABEL;
pub use hosts::{Containers, DockerOptions, Ground, Hosts, Remotes, netns_ability};
pub use levers::Levers;
pub use live::Live;
pub use pressures::clean as clean_groups;

/// Undoes what runs whose controllers are gone have done to containers of somebody else; the names of those containers.
///
/// # Errors
/// For each run, what is left and why.
pub fn clean_guests() -> Vec<Result<String, String>> {
    docker::settle_for(docker::Run::is_over)
}

/// A cluster of processes on this machine, with a proxy on every path between them.
pub type Local = Live<hosts::Loopback>;

/// A cluster on this machine with a machine of its own for every node.
pub type Netns = Live<hosts::Namespaces>;

/// A cluster on this machine with a container for every node.
pub type Docker = Live<Containers>;

/// A cluster on machines that are reached over SSH: one node on each.
pub type Ssh = Live<Remotes>;
