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
    let (jobs, todo) = mpsc::channel::<Job>();
    let (done, results) = events::unbounded_channel();
    let work = move || {
        for job in todo {
            let result = match job {
                Job::Append(records) => wal.append(&records),
                Job::Rewrite(records) => wal.rewrite(&records),
            };
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

/// Records that are to be made durable together.
#[derive(Debug)]
pub enum Job {
    /// After what is there.
    Append(Vec<Vec<u8>>),
    /// In its place.
    Rewrite(Vec<Vec<u8>>),
}

/// What is to be made durable.
pub type Jobs = mpsc::Sender<Job>;
/// Whether it is.
pub type Results = events::UnboundedReceiver<Result<(), WalError>>;
