//! # A cluster in one thread and virtual time
//!
//! The simulator drives the same protocol cores as the reference node, but owns everything around them: the
//! network, the clocks, the disks and the clients. All of it is drawn from one seed, so a run can be repeated
//! bit for bit, and a minute of cluster life takes a fraction of a second. After every step of every node the
//! protocol's own invariants are checked; the first violation ends the run.
//!
//! It knows neither wall-clock time nor the operating system, nor who asks and breaks it.

mod agenda;
mod clock;
mod disk;
mod farewell;
mod machine;
mod members;
mod network;
mod ruin;
mod simulation;
mod throttle;
mod world;

pub use simulation::Simulation;
pub use world::World;
