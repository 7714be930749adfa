//! # What to ask, and how to judge the answers
//!
//! A workload is a generator of calls for the main phase, one for the finale, and the checkers that judge what
//! came back. It knows neither clusters nor faults and does no input or output.

pub mod combinators;
mod generator;
mod register;
mod simulate;
mod workload;

pub use generator::{Context, Generator, Step};
pub use register::{RegisterOptions, register};
pub use simulate::{Manners, simulate};
pub use workload::{Settings, Workload};

use history::Chance;

/// The names that [`lookup`] knows, in the order in which people list them.
pub fn names() -> Vec<&'static str> {
    vec!["register"]
}

/// One line about a workload, for `tribunal list workloads`.
pub fn about(name: &str) -> Option<&'static str> {
    match name {
        "register" => Some(register::ABOUT),
        _ => None,
    }
}

/// The workload of this name, if there is one.
pub fn lookup(name: &str, settings: &Settings, chance: Chance) -> Option<Workload> {
    match name {
        "register" => {
            Some(register(&RegisterOptions { settings: *settings, ..RegisterOptions::default() }, chance))
        }
        _ => None,
    }
}
