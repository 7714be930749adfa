//! The integration tests.

mod flaws;
mod formats;
mod simulated;
mod tidy;
