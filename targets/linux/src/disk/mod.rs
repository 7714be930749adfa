//! Disks that forget, fail, are full or slow, and files that are damaged.
//!
//! A [`LossyDisk`] is a file system of ours (FUSE), mounted over a node's data directory. It passes everything through,
//! but keeps in memory what a power cut would take: whatever was not synced. On command it forgets that, or tears it.
//!
//! # What a power cut takes
//!
//! * **Data**: everything written, truncated or grown since the file's last `fsync`, `fdatasync`, `msync(MS_SYNC)`, or
//!   write with `O_SYNC` or `O_DSYNC`. A torn one leaves any part of it, in sectors of 512 bytes and in any order, with
//!   or without the new length; where the length is new and the data is not there are zeros, as XFS has it. What was
//!   synced, and not overwritten since, always stays.
//! * **Names** ([`Names::Journaled`]): files made, linked, renamed or removed since the last sync that concerns them. They
//!   go in reverse order, so what is left is always a beginning of what was done, as with every file system that has
//!   a journal. Syncing a file makes its own name durable too, as ext4, XFS and btrfs have it; POSIX promises that only
//!   of syncing the directory.
//!
//! # What it does not take
//!
//! * Permissions, owners, times and extended attributes: they are durable at once (the last are not supported).
//! * `sync()` and `syncfs()` do not reach a FUSE file system: what only they were to make durable is lost. Real disks
//!   would keep it.
//! * Kernels write back after some seconds even if nobody asks, and ext4 also when one file replaces another. Here
//!   nothing is durable that was not asked for: a program that relies on luck has none.
//! * After a failed sync, what was to be synced stays unsynced and a second sync writes it. Linux's own file systems take
//!   it for clean then, which is worse.
//! * `fallocate` only grows files; holes cannot be punched.
//!
//! Never map a file of a lossy disk into the memory of the process that serves the disk: unmapping it waits for an
//! answer while nobody in the process can have memory to answer with.
//!
//! # When it ends
//!
//! It unmounts itself when dropped. If its process is killed, the mount stays and answers nobody; [`leftovers`] finds it by
//! its source, which names that process, and [`clean`] removes it. What lies below is then as a power cut would have left it, but for
//! names, which are as they were last.

mod dice;
mod edits;
mod error;
mod extents;
mod filesystem;
mod handle;
mod inodes;
mod kernel;
mod leftovers;
mod lossy;
mod names;
#[cfg(test)]
mod tests;
mod trouble;
mod unsynced;
mod volume;

pub use edits::{Flipped, flip_bit, flip_bit_within, restore, snapshot, truncate};
pub use error::DiskError;
pub use leftovers::{clean, is_seen_by, leftovers};
pub use lossy::LossyDisk;
pub use names::Names;
pub use trouble::{Counters, Lost, Trouble};

use std::fs;
use std::path::Path;

/// Whether lossy disks can be mounted here. It tries.
///
/// # Errors
/// With the reason, and what to do about it.
pub fn can() -> Result<(), String> {
    let device = Path::new("/dev/fuse");
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(device) {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "load it with `modprobe fuse`, or give the container `--device /dev/fuse`"
            }
            _ => "run as root, or make it as most distributions do: `chmod 666 /dev/fuse`",
        };
        return Err(format!("/dev/fuse cannot be opened ({error}): {advice}"));
    }
    let probe =
        std::env::temp_dir().join(format!("tribunal-disk-probe-{}-{}", std::process::id(), probe_number()));
    let tried =
        fs::create_dir(&probe).map_err(|error| format!("{}: {error}", probe.display())).and_then(|()| {
            let mounted = LossyDisk::mount(&probe, &probe, Names::Kept).and_then(LossyDisk::unmount);
            mounted.map_err(|error| {
                format!(
                    "{error}: run as root, or install fusermount3 (Debian and Ubuntu: `apt install fuse3`)"
                )
            })
        });
    let _left = fs::remove_dir(&probe);
    tried
}

/// Two probes at once must not meet.
fn probe_number() -> u64 {
    static PROBES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    PROBES.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
