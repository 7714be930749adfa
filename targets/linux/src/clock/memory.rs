//! The memory of another process.
#![expect(unsafe_code, reason = "process_vm_readv(2), process_vm_writev(2)")]

use std::io;

/// Fills `bytes` from its memory at `address`.
///
/// # Errors
/// If the process is gone or not ours to read, or has no such memory.
pub fn read(pid: i32, address: u64, bytes: &mut [u8]) -> io::Result<()> {
    let ours = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let theirs = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: `ours` is a slice that we may write; the other address is only used in the other process, where the
    // kernel checks it.
    let count = unsafe { libc::process_vm_readv(pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    whole(count, bytes.len())
}

/// Copies `bytes` to its memory at `address`.
///
/// # Errors
/// If the process is gone or not ours to write, or has no such memory.
pub fn write(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let ours = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let theirs = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: the kernel only reads `ours`; the other address is only used in the other process, where the kernel
    // checks that it may be written.
    let count = unsafe { libc::process_vm_writev(pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    whole(count, bytes.len())
}

/// The eight bytes at `address`.
///
/// # Errors
/// As [`read`].
pub fn word(pid: i32, address: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    read(pid, address, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn whole(count: isize, wanted: usize) -> io::Result<()> {
    match usize::try_from(count) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(count) if count < wanted => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Ok(_) => Ok(()),
    }
}
