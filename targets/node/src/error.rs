//! Why a node ends.

use crate::WalError;

/// Why a node ends, other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// The process that it was to live and die with is dead already.
    #[error("process {0}, which started this node, is gone")]
    Orphaned(i32),
    /// Its log cannot be relied on.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The operating system denied something else.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: String,
        /// The operating system's word.
        source: std::io::Error,
    },
}

impl NodeError {
    /// What the process should exit with. A damaged log is 65 and a failing disk 74, as sysexits.h has them.
    pub fn exit_code(&self) -> u8 {
        match self {
            NodeError::Usage(_) => 254,
            NodeError::Log(WalError::Corrupt { .. } | WalError::Foreign { .. }) => 65,
            NodeError::Log(WalError::Disk { .. } | WalError::Busy { .. }) => 74,
            NodeError::Orphaned(_) | NodeError::System { .. } => 1,
        }
    }

    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> NodeError {
        let doing = doing.into();
        |source| NodeError::System { doing, source }
    }
}
