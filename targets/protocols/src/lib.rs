//! # Sans-IO protocol cores
//!
//! A core is told what happens and answers with an ordered list of effects. It knows no clock, no thread, no
//! socket, no disk and no randomness but what it is handed, so the simulator and the reference node drive the
//! same code, and a run can be repeated bit for bit.

pub mod abd;
pub mod catalog;
pub mod commit;
mod flaw;
pub mod gossip;
pub mod multipaxos;
pub mod paxos;
pub mod paxos_commit;
pub mod primary_backup;
mod protocol;
pub mod raft;
pub mod rpc;
pub mod sharded;
mod store;
pub mod three_phase;
pub mod two_phase;
pub mod viewstamped;
pub mod wire;
pub mod zab;

pub use flaw::Flaw;
pub use protocol::{Compaction, Effect, Input, Options, Protocol, RequestId, Role, Status, Tempo, Watch};
pub use store::{Bank, Reading, Store};
