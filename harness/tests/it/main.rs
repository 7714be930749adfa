//! The integration tests.

mod formats;
mod tidy;
