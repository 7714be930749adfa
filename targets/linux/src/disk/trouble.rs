//! What is wrong with a disk, and what was seen of it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is wrong with a disk. The default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Every read fails with EIO. What the kernel has in its cache it reads without asking the disk.
    pub fail_reads: bool,
    /// Every write fails with EIO.
    pub fail_writes: bool,
    /// Every sync fails with EIO. What was to be synced stays unsynced, and the next sync tries again; Linux's own file
    /// systems would take it for clean, which is worse.
    pub fail_syncs: bool,
    /// There is no space left: nothing can be made and no file can grow (ENOSPC). What is there can be overwritten.
    pub full: bool,
    /// How much longer each sync takes. Nothing else waits for it, and until it ends nothing of it is durable.
    pub sync_delay: Duration,
}

/// What a disk was asked and how it answered, since it was mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Reads that reached it; the kernel's cache answers most.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Syncs of files and directories that were asked for.
    pub syncs: u64,
    /// Syncs that were delayed.
    pub delayed_syncs: u64,
    /// Errors that were injected.
    pub errors: u64,
    /// Files with something unsynced now.
    pub unsynced_files: u64,
    /// Bytes written and not synced now.
    pub unsynced_bytes: u64,
    /// Names made, changed or removed and not synced now.
    pub unsynced_names: u64,
}

/// What a power cut took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Files whose last changes, all or some, are gone.
    pub files: u64,
    /// Bytes that were written and are gone.
    pub bytes: u64,
    /// Bytes that were not synced and reached the disk all the same.
    pub kept: u64,
    /// Names that were made, changed or removed, and are again what they were before.
    pub names: u64,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let several = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let Lost { files, bytes, kept, names } = *self;
        write!(f, "{} lost {}", several(files, "file"), several(bytes, "unsynced byte"))?;
        if kept > 0 {
            write!(f, ", {} reached the disk", several(kept, "other"))?;
        }
        if names > 0 { write!(f, ", {} changed back", several(names, "name")) } else { Ok(()) }
    }
}
