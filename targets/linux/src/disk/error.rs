//! Why something could not be done to a disk.

use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be done to a disk.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {source}", path = path.display())]
pub struct DiskError {
    /// What was tried: "mount a lossy disk at".
    pub doing: &'static str,
    /// On what.
    pub path: PathBuf,
    /// The operating system's word.
    pub source: io::Error,
}

impl DiskError {
    /// Failed at `doing` with `path`.
    pub(crate) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
        move |source| DiskError { doing, path: path.to_owned(), source }
    }
}
