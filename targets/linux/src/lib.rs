//! # The kernel's levers
//!
//! Namespaces, packet filters, impaired links, skewed clocks, lossy disks and control groups, straight from the system
//! calls: no other program is needed. It knows nothing of clusters or histories and could be published on its own.
//!
//! This is the one place for `unsafe`: one small module per need, each block with the reason why it is sound.

pub mod cgroup;
pub mod clock;
pub mod disk;
pub mod net;
pub mod process;
