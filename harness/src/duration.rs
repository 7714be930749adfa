//! Spans of time as people type them.

pub use nemesis::duration as parse;
