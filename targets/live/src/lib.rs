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
//! a thread of ours (see `daemon`).
//!
//! The runner sees a plain synchronous [`cluster::Cluster`]; the runtime behind it is nobody else's business.

mod clocks;
mod daemon;
mod disks;
mod docker;
mod faults;
mod hosts;
mod lane;
mod link;
mod live;
mod network;
mod pieces;
mod process;
mod proxies;
mod proxy;
mod site;
pub mod ssh;
mod worker;

pub use docker::LABEL as DOCKER_LABEL;
pub use hosts::{Containers, DockerOptions, Ground, Hosts, netns_ability};
pub use live::Live;

/// A cluster of processes on this machine, with a proxy on every path between them.
pub type Local = Live<hosts::Loopback>;

/// A cluster on this machine with a machine of its own for every node.
pub type Netns = Live<hosts::Namespaces>;

/// A cluster on this machine with a container for every node.
pub type Docker = Live<Containers>;
