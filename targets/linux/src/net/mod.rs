//! Networks of machines, made and broken: namespaces, links, packet filters, impaired links.
//!
//! Straight from the system calls, as root or, in a user namespace of its own, as an ordinary user. Where to
//! begin: [`can`] says whether it works here, [`become_root_of_own_namespace`] makes it work for ordinary users,
//! [`Lab`] is a network of machines, and [`Cell`] a process in a machine of its own.
//!
//! A link is one direction between two machines. It is cut by the kernel's packet filter ([`Filter`]) on the
//! bridge between them. Where a link is to delay, lose, repeat, reorder, corrupt, throttle or hold its frames,
//! the kernel drops them as well, and a thread of ours, which sees them before the bridge does, carries them
//! instead (the `impairer`). That needs no `netem`, which many kernels lack.
//!
//! Of a network that is not ours to build only its end is in our hands: a [`Gate`] cuts and impairs there what comes
//! in from some addresses. It works wherever the kernel has nf_tables and nfnetlink_queue.
//!
//! Needs Linux 5.12 with nf_tables for bridges.

mod ability;
mod carrier;
mod cell;
mod detour;
mod filter;
mod gate;
mod impairer;
mod lab;
mod lane;
mod links;
mod message;
mod namespace;
mod netlink;
mod offload;
mod packet;
mod policy;
mod queue;
mod switch;
mod table;
mod user;

pub use ability::can;
pub use cell::Cell;
pub use filter::{Filter, Set, Way};
pub use gate::Gate;
pub use lab::{Lab, Machine, NAME};
pub use links::{End, Links, Mac};
pub use namespace::Namespace;
pub use netlink::Refused;
pub use offload::switch_off as switch_offloads_off;
pub use policy::{Counts, Policy};
pub use switch::Pair;
pub use user::{become_root_of_own_namespace, is_privileged};
