//! The sequential objects, one per file.

pub mod register;
