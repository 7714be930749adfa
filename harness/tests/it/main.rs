//! The integration tests.

mod agents;
mod bench;
mod breaking;
mod catalogue;
mod check;
mod cli;
mod clocks;
mod commits;
mod containers;
mod disks;
mod flaws;
mod formats;
mod inventory;
mod journal;
mod local;
mod machine;
mod machines;
mod malformed;
mod netns;
mod primary_backup;
mod promises;
mod protocols;
mod simulated;
mod store;
mod tidy;
mod workloads;
