//! # The narrow waist
//!
//! What a cluster under test is, simulated or real. Whoever asks and breaks (the harness) and whoever is asked
//! and broken (the targets) meet here and nowhere else; neither knows the other.

mod abilities;
mod cluster;
mod error;
mod operator;
mod redirect;
mod system;

pub use abilities::Abilities;
pub use cluster::{Arrival, ClockReading, Cluster};
pub use error::HarnessError;
pub use operator::{Chore, Operator, Staff};
pub use redirect::Redirect;
pub use system::{
    Addresses, Answer, Client, Clock, Connecting, Framing, Launch, Ports, Seat, Standing, System,
};
