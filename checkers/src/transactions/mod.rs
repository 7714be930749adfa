//! Are transactions as isolated as the database promises?
//!
//! What a history shows of the versions of objects gives dependencies between transactions: one wrote the next version
//! of what another wrote (`ww`), read what it wrote (`wr`), or read what it replaced (`rw`). Circles of them are the
//! anomalies of Adya (*Weak Consistency*, 1999). Which kinds there are is decided in linear time; only then is a short
//! circle of each looked for, to be told.

mod append;
mod cycles;
mod dependencies;
mod fan;
mod graph;
mod guess;
mod hearing;
mod isolation;
mod needs;
mod notes;
mod order;
mod phenomenon;
mod polygraph;
mod refutation;
mod register;
mod ruling;
mod saturate;
mod schedule;
mod snapshots;
mod stamps;
mod store;
mod testimony;
#[cfg(test)]
mod tests;
mod witness;

pub use append::ListAppend;
pub use isolation::Isolation;
pub use phenomenon::{Class, Order, Phenomenon};
pub use register::RwRegister;
