//! Control groups: processes that get little processor time or memory, or stand still.
//!
//! A [`Squeeze`] is a limit on some processes, made in one of two ways: in a group of our own, into which they are moved
//! and from which they are moved back; or in the group that somebody else made for them, as a container engine does,
//! which gets back what it had. What the kernel says of the group shows whether the limit is felt ([`Reading`]).
//!
//! Both versions of control groups are spoken, also side by side, and where they are mounted is looked up in
//! `/proc/self/mountinfo`, never assumed.

mod before;
mod error;
mod hierarchy;
mod squeeze;
#[cfg(test)]
mod tests;

pub use before::Before;
pub use error::CgroupError;
pub use hierarchy::{dissolve, find, thaw};
pub use squeeze::{Limit, Reading, Squeeze, can};
