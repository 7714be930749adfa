//! The integration tests.

mod cli;
mod clocks;
mod disks;
mod flaws;
mod formats;
mod local;
mod machine;
mod machines;
mod netns;
mod simulated;
mod tidy;
