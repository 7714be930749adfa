//! What containers are made of: the engine's command line, an image, a network, and packet filters in it.
//!
//! The engine makes and removes. What is broken is broken by us, from the host: a container is a process and a
//! network, and both can be reached.

mod debts;
mod engine;
mod estate;
mod image;
mod leftovers;
mod life;
mod paths;
mod run;

pub use debts::{Debt, Debts, settle_for};
pub use engine::Engine;
pub use estate::Estate;
pub use image::program;
pub use leftovers::{clean, remove};
pub use life::Container;
pub use paths::Paths;
pub use run::{LABEL, Run};
