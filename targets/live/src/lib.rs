//! # A cluster of real processes
//!
//! One process per node, on this machine, without privileges. Every byte between nodes goes through a proxy of
//! ours, one for each direction between each pair, so that a link can be cut one way or both, delayed, throttled
//! and held, and so that single messages can be lost, repeated and overtaken. Processes are killed and frozen with
//! signals. A fault counts as installed only when its effect was seen: the proxy's counters, the process's end or
//! state.
//!
//! Nothing survives: processes are killed and reaped and ports closed on every way out, a panic included; if this
//! process is killed itself, the kernel kills the nodes, because they ask it to (see `spawner`).
//!
//! The runner sees a plain synchronous [`cluster::Cluster`]; the runtime behind it is nobody else's business.

mod daemon;
mod faults;
mod lane;
mod link;
mod local;
mod network;
mod pieces;
mod process;
mod proxy;
mod site;
mod spawner;
mod worker;

pub use local::Local;
