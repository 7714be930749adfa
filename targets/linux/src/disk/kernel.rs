//! The few system calls that the standard library does not have.

#![expect(unsafe_code, reason = "system calls")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How something is unmounted that may be busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmount {
    /// Not at all then.
    Idle,
    /// It vanishes from the tree at once and goes when its last user does.
    Lazily,
    /// The same, and whoever waits for an answer of it is told that there will be none.
    Abandoned,
}

/// Unmounts what is mounted at `path`.
///
/// # Errors
/// If nothing is mounted there, it is busy, or we may not.
pub fn unmount(path: &Path, how: Unmount) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let unmount = |flag| {
        // SAFETY: the path is a string that ends with zero and outlives the call.
        checked(unsafe { libc::umount2(path.as_ptr(), libc::UMOUNT_NOFOLLOW | flag) })
    };
    match how {
        Unmount::Idle => unmount(0),
        Unmount::Lazily => unmount(libc::MNT_DETACH),
        // Forced, it breaks its connection even where it is too busy to be unmounted.
        Unmount::Abandoned => unmount(libc::MNT_FORCE).or_else(|_busy| unmount(libc::MNT_DETACH)),
    }
}

/// Gives the file at `old` a second name. Unlike the standard library's, it follows links, as those in
/// /proc/self/fd are.
///
/// # Errors
/// If the file system refuses.
pub fn link(old: &Path, new: &Path) -> io::Result<()> {
    let (old, new) = (CString::new(old.as_os_str().as_bytes())?, CString::new(new.as_os_str().as_bytes())?);
    let (here, flags) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: both paths are strings that end with zero and outlive the call.
    checked(unsafe { libc::linkat(here, old.as_ptr(), here, new.as_ptr(), flags) })
}

/// How much space there is in the file system of `path`.
///
/// # Errors
/// If the file system does not say.
pub fn space(path: &Path) -> io::Result<libc::statvfs> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut space = MaybeUninit::uninit();
    // SAFETY: the path is a string that ends with zero; the kernel writes a whole statvfs or fails.
    checked(unsafe { libc::statvfs(path.as_ptr(), space.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it was written.
    Ok(unsafe { space.assume_init() })
}

/// The number of the mount through which a file was found.
///
/// # Errors
/// If the kernel does not say: it is older than 5.8.
pub fn mount_of(file: &File) -> io::Result<u64> {
    let mut found = MaybeUninit::uninit();
    let (fd, flags, wanted) = (file.as_raw_fd(), libc::AT_EMPTY_PATH, libc::STATX_MNT_ID);
    // SAFETY: the path is an empty string that ends with zero; the kernel writes a whole statx or fails.
    checked(unsafe { libc::statx(fd, c"".as_ptr(), flags, wanted, found.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it was written.
    let found: libc::statx = unsafe { found.assume_init() };
    match found.stx_mask & wanted == wanted {
        true => Ok(found.stx_mnt_id),
        false => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
