//! A file or directory, held whatever its name is and whatever is mounted over it.

use super::kernel;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file or directory, held whatever its name is and whatever is mounted over it. As long as it is held, its number
/// is nobody else's.
#[derive(Debug)]
pub struct Handle {
    held: File,
}

impl Handle {
    /// Holds what is at `path`; a symbolic link itself, not what it points to.
    ///
    /// # Errors
    /// If there is nothing, or too many files are open.
    pub fn of(path: &Path) -> io::Result<Handle> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW);
        Ok(Handle { held: options.open(path)? })
    }

    /// What the file system says about it.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.held.metadata()
    }

    /// The number of the mount through which it was found.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn mount(&self) -> io::Result<u64> {
        kernel::mount_of(&self.held)
    }

    /// A path that leads to it, past all mounts.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.held.as_raw_fd()))
    }

    /// A path that leads to what has this name in it.
    pub fn child(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }

    /// Opens it for reading, and for writing if we may.
    ///
    /// # Errors
    /// If we may not even read.
    pub fn open(&self) -> io::Result<File> {
        let both = OpenOptions::new().read(true).write(true).open(self.path());
        both.or_else(|_| File::open(self.path()))
    }
}
