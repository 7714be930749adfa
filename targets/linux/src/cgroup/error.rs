//! Why a control group could not be used.

use std::io;
use std::path::Path;

/// Why a control group could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}")]
pub struct CgroupError {
    /// What was tried: "write 5000 to …/cpu.cfs_quota_us".
    pub doing: String,
    /// The operating system's word.
    pub source: io::Error,
}

impl CgroupError {
    /// Failed at this.
    pub(crate) fn new(doing: impl Into<String>, source: io::Error) -> CgroupError {
        CgroupError { doing: doing.into(), source }
    }

    /// Failed at `doing` with `path`.
    pub(crate) fn at(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
        move |source| CgroupError::new(format!("{doing} {}", path.display()), source)
    }

    /// Whether the group was gone: whoever was in it has ended, and whoever made it has removed it.
    pub fn is_gone(&self) -> bool {
        matches!(self.source.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
    }
}
