//! Mounts of ours that nobody serves any more.

use super::error::DiskError;
use super::kernel;
use super::lossy::SOURCE;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where lossy disks are mounted whose process is dead, in this mount namespace. Whoever looks there is told that the
/// "transport endpoint is not connected".
///
/// # Errors
/// If the kernel does not say what is mounted.
pub fn leftovers() -> Result<Vec<PathBuf>, DiskError> {
    // How much space there is the kernel never answers from its cache.
    let dead =
        |path: &PathBuf| kernel::space(path).is_err_and(|error| error.raw_os_error() == Some(libc::ENOTCONN));
    Ok(mounted()?.into_iter().filter(dead).collect())
}

/// Unmounts a lossy disk of ours, even if it is in use.
///
/// # Errors
/// If what is mounted there is not ours, or cannot be unmounted.
pub fn clean(path: &Path) -> Result<(), DiskError> {
    let failed = || DiskError::at("unmount", path);
    if !mounted()?.iter().any(|ours| ours == path) {
        return Err(failed()(io::Error::new(io::ErrorKind::NotFound, "no disk of ours is mounted there")));
    }
    match kernel::unmount(path, true) {
        // Whoever is not root mounted it through the helper.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => helped(path).map_err(failed()),
        other => other.map_err(failed()),
    }
}

fn helped(path: &Path) -> io::Result<()> {
    let status = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(path).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("fusermount3 failed: {status}"))) }
}

/// Where lossy disks of ours are mounted.
fn mounted() -> Result<Vec<PathBuf>, DiskError> {
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(path).map_err(DiskError::at("read", path))?;
    Ok(text.lines().filter_map(ours).collect())
}

/// The place of a mount, if it is one of ours: proc(5), `/proc/pid/mountinfo`.
fn ours(line: &str) -> Option<PathBuf> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let ours = filesystem.next()? == "fuse" && filesystem.next()? == SOURCE;
    ours.then(|| mount.split(' ').nth(4).map(unescaped)).flatten()
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        let code = others.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, code) {
            (b'\\', Some(code)) => {
                bytes.push(code);
                rest = &others[3..];
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_mounts_are_told_from_others() {
        let line = |kind: &str, source: &str| {
            format!("36 25 0:32 / /tmp/a\\040b\\134c rw,nosuid shared:1 - {kind} {source} rw,user_id=0")
        };
        assert_eq!(ours(&line("fuse", SOURCE)), Some(PathBuf::from("/tmp/a b\\c")));
        assert_eq!(ours(&line("fuse", "sshfs")), None);
        assert_eq!(ours(&line("ext4", SOURCE)), None);
        assert_eq!(ours("nonsense"), None);
    }

    #[test]
    fn what_is_not_ours_is_not_unmounted() {
        let error = clean(Path::new("/proc")).unwrap_err().to_string();
        assert!(error.contains("no disk of ours"), "{error}");
    }
}
