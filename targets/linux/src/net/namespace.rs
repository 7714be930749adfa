//! Network namespaces: networks of their own, kept alive by a file descriptor and nothing else.
#![expect(
    unsafe_code,
    reason = "namespaces are entered by system calls that the standard library does not have"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

/// A network namespace. It lives as long as this, a process or a socket in it does; then the kernel removes it
/// with everything in it.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Makes a new network with nothing but a loopback, which is down.
    ///
    /// # Errors
    /// If the kernel refuses: see [`super::can`].
    pub fn create() -> io::Result<Namespace> {
        on_a_thread(|| {
            unshare(libc::CLONE_NEWNET)?;
            Namespace::here()
        })
    }

    /// The network of the calling thread.
    ///
    /// # Errors
    /// If there is no `/proc`.
    pub fn here() -> io::Result<Namespace> {
        Ok(Namespace(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// The network of a process.
    ///
    /// # Errors
    /// If there is no such process, or it is another's.
    pub fn of_process(pid: u32) -> io::Result<Namespace> {
        Ok(Namespace(File::open(format!("/proc/{pid}/ns/net"))?.into()))
    }

    /// Another hold on the same network.
    ///
    /// # Errors
    /// If there can be no more files.
    pub fn again(&self) -> io::Result<Namespace> {
        Ok(Namespace(self.0.try_clone()?))
    }

    /// The network that is kept at this path, such as `/run/netns/NAME`.
    ///
    /// # Errors
    /// If there is nothing, or it is another's.
    pub fn at(path: &Path) -> io::Result<Namespace> {
        Ok(Namespace(File::open(path)?.into()))
    }

    /// Does something inside, on a thread of its own. Sockets that are opened there stay inside wherever they
    /// are used, and threads that are started there as well.
    ///
    /// # Errors
    /// If the kernel does not let us in. A panic inside goes on outside.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_a_thread(|| {
            self.enter()?;
            Ok(action())
        })
    }

    /// Moves the calling thread here, for good.
    ///
    /// # Errors
    /// If the kernel does not let us in.
    pub fn enter(&self) -> io::Result<()> {
        // SAFETY: plain system call on a descriptor that we own; it concerns the calling thread alone.
        if unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives the calling thread namespaces of its own.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: plain system call; with these flags it concerns the calling thread alone.
    if unsafe { libc::unshare(namespaces) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A thread that has moved to another namespace is never used again for anything else.
fn on_a_thread<T: Send>(action: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("visitor".to_owned()).spawn_scoped(scope, action)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
