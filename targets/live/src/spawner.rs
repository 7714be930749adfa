//! The thread that starts every process.
//!
//! Nodes ask the kernel to be killed when their parent ends, so that nothing survives a controller that is
//! killed itself. The kernel means the *thread* that started them: it must live as long as the controller, which
//! no thread of a runtime's pool promises.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// The thread that starts every process. It ends when this is dropped, and then so do they.
#[derive(Debug)]
pub struct Spawner {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Order {
    command: Command,
    child: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn start() -> io::Result<Spawner> {
        let (orders, todo) = mpsc::channel::<Order>();
        let work = move || {
            for Order { mut command, child } in todo {
                // If nobody waits for it any more, it must not live.
                if let Err(Ok(mut unwanted)) = child.send(command.spawn()) {
                    let _ended = unwanted.kill().and_then(|()| unwanted.wait());
                }
            }
        };
        let thread = thread::Builder::new().name("spawner".to_owned()).spawn(work)?;
        Ok(Spawner { orders: Some(orders), thread: Some(thread) })
    }

    /// Starts a process.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (child, spawned) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread is gone");
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(Order { command, child }).map_err(|_| gone())?;
        spawned.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.orders = None;
        // It panics only if the operating system's own spawn does; there is nothing left to do about it here.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}
