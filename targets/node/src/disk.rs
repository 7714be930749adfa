//! The disk's own thread: it may sync for as long as it likes, the core goes on meanwhile.

use crate::NodeError;
use crate::wal::{Wal, WalError};
use std::sync::mpsc;
use tokio::sync::mpsc as events;

/// Hands a log to a thread of its own. Send it records that must become durable together; it answers each
/// sending once, in order. After an error it answers nothing more.
///
/// # Errors
/// If there can be no more threads.
pub fn spawn(mut wal: Wal) -> Result<(Jobs, Results), NodeError> {
    let (jobs, todo) = mpsc::channel::<Vec<Vec<u8>>>();
    let (done, results) = events::unbounded_channel();
    let work = move || {
        for records in todo {
            let result = wal.append(&records);
            let failed = result.is_err();
            if done.send(result).is_err() || failed {
                break;
            }
        }
    };
    let thread = std::thread::Builder::new().name("disk".to_owned()).spawn(work);
    thread.map_err(NodeError::system("start the disk's thread"))?;
    Ok((jobs, results))
}

/// What is to be made durable.
pub type Jobs = mpsc::Sender<Vec<Vec<u8>>>;
/// Whether it is.
pub type Results = events::UnboundedReceiver<Result<(), WalError>>;
