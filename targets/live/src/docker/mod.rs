//! What containers are made of: the engine's command line, an image, a network, and packet filters in it.
//!
//! The engine makes and removes. What is broken is broken by us, from the host: a container is a process and a
//! network, and both can be reached.

mod engine;
mod estate;
mod image;
mod leftovers;
mod paths;
mod run;

pub use engine::Engine;
pub use estate::Estate;
pub use image::program;
pub use leftovers::clean;
pub use paths::{NO_TROUBLE, Paths};
pub use run::LABEL;
