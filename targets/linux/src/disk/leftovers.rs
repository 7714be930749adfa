//! Mounts of ours that nobody serves any more.
//!
//! A mount's source says which process serves it, so nobody has to ask the mount itself: one that is served by a process
//! that stands still would never answer.

use super::error::DiskError;
use super::kernel::{self, Unmount};
use crate::process::{Process, world};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the sources of our mounts begin, in `/proc/self/mountinfo`, so that nobody else's is ever touched.
const SOURCE: &str = "tribunal";

/// What a disk is called that this process serves.
///
/// # Errors
/// If there is no `/proc`.
pub fn source() -> io::Result<String> {
    let process = Process::of(std::process::id());
    let Process { pid, birth } = process.ok_or_else(|| io::Error::other("/proc does not say who we are"))?;
    Ok(format!("{SOURCE}-{}-{pid}-{birth}", world()))
}

/// Where lossy disks are mounted whose process is dead, in this mount namespace. Whoever looks there is told that the
/// "transport endpoint is not connected".
///
/// # Errors
/// If the kernel does not say what is mounted.
pub fn leftovers() -> Result<Vec<PathBuf>, DiskError> {
    let dead = mounts(Path::new("/proc/self/mountinfo"))?.into_iter().filter(|mount| mount.is_dead());
    Ok(dead.map(|mount| mount.at).collect())
}

/// Unmounts a lossy disk of ours, even if it is in use. Whoever still waits for its answer waits no more: that may be the
/// process that served it, which was killed while it used its own disk and cannot end before.
///
/// # Errors
/// If what is mounted there is not ours, or cannot be unmounted.
pub fn clean(path: &Path) -> Result<(), DiskError> {
    let failed = || DiskError::at("unmount", path);
    if !mounted()?.iter().any(|ours| ours == path) {
        return Err(failed()(io::Error::new(io::ErrorKind::NotFound, "no disk of ours is mounted there")));
    }
    match kernel::unmount(path, Unmount::Abandoned) {
        // Whoever is not root mounted it through the helper.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => helped(path).map_err(failed()),
        other => other.map_err(failed()),
    }
}

fn helped(path: &Path) -> io::Result<()> {
    let status = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(path).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("fusermount3 failed: {status}"))) }
}

/// Whether another process finds what we find at `path`: either no disk of ours is mounted there, or it sees it too.
/// Mounts are not seen in every mount namespace.
///
/// # Errors
/// If the kernel does not say what is mounted.
pub fn is_seen_by(pid: u32, path: &Path) -> Result<bool, DiskError> {
    let here = |mounts: Vec<PathBuf>| mounts.iter().any(|mount| mount == path);
    Ok(!here(mounted()?) || here(mounted_for(Path::new(&format!("/proc/{pid}/mountinfo")))?))
}

/// A lossy disk of ours that is mounted.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    /// In which world of process numbers it is served, and by whom.
    world: u64,
    server: Process,
}

impl Mount {
    /// Whether nobody serves it any more. Whoever has another world's numbers may well live.
    fn is_dead(&self) -> bool {
        self.world == world() && self.server.is_gone()
    }

    /// What a line of `/proc/pid/mountinfo` says, if it is of one of ours: proc(5).
    fn of(line: &str) -> Option<Mount> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let source = filesystem.strip_prefix("fuse ")?.split(' ').next()?;
        let mut server = source.strip_prefix(SOURCE)?.strip_prefix('-')?.splitn(3, '-');
        let mut number = || server.next()?.parse::<u64>().ok();
        let (world, pid, birth) = (number()?, u32::try_from(number()?).ok()?, number()?);
        Some(Mount { at: unescaped(mount.split(' ').nth(4)?), world, server: Process { pid, birth } })
    }
}

/// Where lossy disks of ours are mounted.
fn mounted() -> Result<Vec<PathBuf>, DiskError> {
    mounted_for(Path::new("/proc/self/mountinfo"))
}

fn mounted_for(list: &Path) -> Result<Vec<PathBuf>, DiskError> {
    Ok(mounts(list)?.into_iter().map(|mount| mount.at).collect())
}

fn mounts(list: &Path) -> Result<Vec<Mount>, DiskError> {
    let text = fs::read_to_string(list).map_err(DiskError::at("read", list))?;
    Ok(text.lines().filter_map(Mount::of).collect())
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
    fn our_mounts_are_told_from_others_and_the_dead_from_the_served() {
        let mount = |kind: &str, source: &str| {
            let line =
                format!("36 25 0:32 / /tmp/a\\040b\\134c rw,nosuid shared:1 - {kind} {source} rw,user_id=0");
            Mount::of(&line)
        };
        let ours = source().unwrap();
        let served = mount("fuse", &ours).unwrap();
        assert!(served.at == Path::new("/tmp/a b\\c") && !served.is_dead(), "{served:?}");
        assert!(mount("fuse", &format!("{ours}1")).unwrap().is_dead(), "the same number, another birth");
        let foreign = ours.replacen("tribunal-", "tribunal-7", 1);
        assert!(!mount("fuse", &format!("{foreign}1")).unwrap().is_dead(), "another world's");
        for source in ["sshfs", "tribunal", "tribunal-1-2", "tribunal-1-2-x", "mytribunal-1-2-3"] {
            assert_eq!(mount("fuse", source), None, "{source}");
        }
        assert_eq!(mount("ext4", &ours), None);
        assert_eq!(Mount::of("nonsense"), None);
    }

    #[test]
    fn what_is_not_ours_is_not_unmounted() {
        let error = clean(Path::new("/proc")).unwrap_err().to_string();
        assert!(error.contains("no disk of ours"), "{error}");
    }
}
