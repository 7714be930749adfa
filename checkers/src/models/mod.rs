//! The sequential objects, one per file.

pub mod counter;
pub mod guarded;
pub mod list;
pub mod lock;
pub mod many;
pub mod queue;
pub mod register;
pub mod set;
pub mod text;
