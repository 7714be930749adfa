//! Living and dying with the process that started us.

use crate::NodeError;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Ties this process to its parent: when the thread that started it ends, the kernel kills it. Must come before
/// anything else; if the parent died even before that, we are another's child by now.
///
/// # Errors
/// If the parent is gone, or the kernel does not know parent-death signals.
pub fn tie(parent: Option<i32>) -> Result<(), NodeError> {
    let Some(parent) = parent else { return Ok(()) };
    let tied = set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from);
    tied.map_err(NodeError::system("ask for a signal at the parent's death"))?;
    if getppid().as_raw() == parent { Ok(()) } else { Err(NodeError::Orphaned(parent)) }
}
