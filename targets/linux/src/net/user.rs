//! Becoming able to make namespaces without being root: in a user namespace of our own.
#![expect(unsafe_code, reason = "fork and the like have no safe interface in the standard library")]

use super::links::Links;
use super::namespace::unshare;
use super::netlink::Refused;
use std::fs;
use std::io::{self, Read, Write, pipe};

/// `linux/capability.h`: what everything here needs.
const CAP_NET_ADMIN: u64 = 12;
const CAP_NET_RAW: u64 = 13;
const CAP_SYS_ADMIN: u64 = 21;

/// Makes the calling process, which must have a single thread, the master of a user namespace of its own, so that
/// an ordinary user can make networks, mounts and machines. A process that has the right already is left alone.
///
/// Nothing else changes: its user is still itself, as are the users of what it starts, which have no rights at
/// all. (Were it called root in there, programs that refuse to run as root would.)
///
/// Whether it works is tried in a process of its own first, so that a refusal leaves this one as it was.
///
/// # Errors
/// If the kernel refuses; the reason says what to do about it.
pub fn become_root_of_own_namespace() -> Result<(), String> {
    if is_privileged() {
        return Ok(());
    }
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(format!("a process with {threads} threads cannot enter a user namespace"));
    }
    let tried =
        attempt_elsewhere().and_then(|refusal| refusal.map_or_else(enter, |why| Err(io::Error::other(why))));
    tried.map_err(|why| format!("this user may not make namespaces: {why}; {}", advice()))
}

/// Whether this process may make namespaces, links and raw sockets, here or in its own user namespace.
pub fn is_privileged() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    [CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN].iter().all(|bit| effective & (1 << bit) != 0)
}

/// What the owner of this machine can do about a refusal.
pub fn advice() -> String {
    let setting =
        |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let sysctl = |setting: &str| format!("run it with sudo, or allow it with `sudo sysctl {setting}`");
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        let allow = sysctl("kernel.apparmor_restrict_unprivileged_userns=0");
        return format!("AppArmor forbids it: {allow}, or give the program a profile that says `userns,`");
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        return sysctl("kernel.unprivileged_userns_clone=1");
    }
    if setting("/proc/sys/user/max_user_namespaces") == "0" {
        return sysctl("user.max_user_namespaces=10000");
    }
    "run it with sudo (in a container: with --privileged)".to_owned()
}

/// Enters a user namespace in which this user is itself.
fn enter() -> io::Result<()> {
    // SAFETY: plain system calls that cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let step = |what: &'static str| move |error| io::Error::other(format!("{what}: {error}"));
    unshare(libc::CLONE_NEWUSER).map_err(step("make a user namespace"))?;
    // Without this the kernel does not let an ordinary user map its group.
    fs::write("/proc/self/setgroups", "deny").map_err(step("give up setgroups"))?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1")).map_err(step("map the user"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1")).map_err(step("map the group"))
}

/// Some systems let everyone in and then deny everything: only a real deed shows whether it works.
fn attempt() -> Result<(), String> {
    enter().map_err(|error| error.to_string())?;
    unshare(libc::CLONE_NEWNET).map_err(|error| format!("make a network: {error}"))?;
    Links::here().and_then(|mut links| links.up("lo")).map_err(|refused: Refused| refused.to_string())
}

/// Why an attempt in a process of its own failed, if it did.
fn attempt_elsewhere() -> io::Result<Option<String>> {
    let (mut reader, mut writer) = pipe()?;
    // SAFETY: this process has a single thread, so its copy may go on as if nothing had happened.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let said = attempt().map_or_else(|why| writer.write_all(why.as_bytes()), |()| Ok(()));
            // SAFETY: ends the copy without running what the original left to be run at its end.
            unsafe { libc::_exit(i32::from(said.is_err())) }
        }
        child => {
            drop(writer);
            let mut why = String::new();
            let read = reader.read_to_string(&mut why);
            // SAFETY: a null status is allowed, and the child is ours.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            read.map(|_| (!why.is_empty()).then_some(why))
        }
    }
}
