//! Whether clocks can be bent here.
#![expect(unsafe_code, reason = "ptrace(2), to see whether it is forbidden")]

use super::memory;
use std::fs;

/// The number of the capability CAP_SYS_PTRACE.
const SYS_PTRACE: u32 = 19;

/// Whether the clocks of processes that this one started can be bent.
///
/// # Errors
/// If they cannot: why, and what to do.
pub fn can() -> Result<(), String> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err(format!(
            "clocks are bent with machine code for x86_64, and this is {}",
            std::env::consts::ARCH
        ));
    }
    match (yama(), capable()) {
        (3, _) => {
            return Err("tracing is forbidden until the next boot (kernel.yama.ptrace_scope is 3)".to_owned());
        }
        (2, false) => {
            return Err(
                "only processes with CAP_SYS_PTRACE may trace others (kernel.yama.ptrace_scope is 2): run \
                        as root, or set it to 1"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let nobody = ptrace_nobody();
    if nobody.raw_os_error() != Some(libc::ESRCH) {
        return Err(format!(
            "tracing is forbidden here ({nobody}), perhaps by the container's seccomp profile: add the capability \
             SYS_PTRACE"
        ));
    }
    let (mut byte, here) = ([0], 7u8);
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    memory::read(own, (&raw const here).addr() as u64, &mut byte).map_err(|error| {
        format!("the memory of other processes cannot be read here ({error}): add the capability SYS_PTRACE")
    })
}

/// Why the kernel does not let us trace a process or one of its threads, and what to do.
pub fn refusal(thread: i32) -> String {
    if let Err(why) = can() {
        return why;
    }
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    let tracer = field("TracerPid:");
    if !tracer.is_empty() && tracer != "0" {
        return format!("process {tracer} traces it already (a debugger, strace); end that first");
    }
    if yama() == 1 && !capable() {
        return "kernel.yama.ptrace_scope is 1: only who started a process may trace it; start it from here, run \
                as root, or set it to 0"
            .to_owned();
    }
    "it belongs to another user or has more privileges than we; run as root".to_owned()
}

/// How far the Yama security module restricts tracing; 0 if it does not, or is not there.
fn yama() -> u32 {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    scope.trim().parse().unwrap_or(0)
}

/// Whether this process has CAP_SYS_PTRACE.
fn capable() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> SYS_PTRACE & 1 == 1)
}

/// What the kernel says when we interrupt ourselves, whom we do not trace. Unless tracing as such is forbidden, that
/// there is no such tracee.
fn ptrace_nobody() -> std::io::Error {
    let (own, nothing) = (std::process::id(), std::ptr::null_mut::<libc::c_void>());
    // SAFETY: this request reads and writes no memory of ours.
    let result = unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, own, nothing, nothing) };
    if result == 0 { std::io::Error::other("it traced itself") } else { std::io::Error::last_os_error() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_named() {
        // This process may not trace process 1 unless it is root; and whatever the reason is, it says what to do.
        assert!(refusal(1).contains("run as root") || refusal(1).contains("SYS_PTRACE") || yama() == 3);
    }

    #[test]
    fn on_a_machine_that_lets_us_trace_it_can() {
        if yama() < 2 && cfg!(target_arch = "x86_64") {
            assert_eq!(can(), Ok(()));
        } else {
            assert!(can().is_err() || capable());
        }
    }
}
