//! The integration tests.

mod cli;
mod clocks;
mod flaws;
mod formats;
mod local;
mod machine;
mod simulated;
mod tidy;
