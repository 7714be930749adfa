//! A process in a machine of its own: own network, name, mounts and processes.
#![expect(unsafe_code, reason = "namespaces, and what must happen between fork and exec")]

use super::namespace::{Namespace, unshare};
use std::ffi::CStr;
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::ptr::{null, null_mut};

/// A running machine. Its first process is a small one of ours, which takes care of orphans; the program is its
/// child. Whoever kills the first kills all of them, wherever they have hidden.
#[derive(Debug)]
pub struct Cell {
    child: Child,
    fate: PipeReader,
}

impl Cell {
    /// Starts `command` in a machine of this name in this network, on the calling thread, which must be good for
    /// nothing else and must live as long as the machine: if it ends, the kernel kills the machine. So it does if
    /// this whole process is killed.
    ///
    /// # Errors
    /// If the kernel refuses, or there is no such program.
    pub fn start(mut command: Command, name: &str, network: &Namespace) -> io::Result<Cell> {
        network.enter()?;
        unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWPID)?;
        keep_mounts_to_ourselves()?;
        rename(name)?;
        let (fate, teller) = pipe()?;
        let teller = OwnedFd::from(teller);
        let prepare = move || {
            // SAFETY: this runs between fork and exec, and does nothing but system calls.
            unsafe { be_first(teller.as_raw_fd()) }
        };
        // SAFETY: see `be_first`: it allocates nothing and takes no lock.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn()?;
        Ok(Cell { child, fate })
    }

    /// The number of its first process, as the caller sees it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and says how the program ended: by itself, or because the whole machine was killed.
    ///
    /// # Errors
    /// If it is no child of ours any more.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let ended = self.child.wait()?;
        let mut status = [0; 4];
        // The first process tells the program's end and ends; if it was killed before, there is nothing to read.
        Ok(match self.fate.read_exact(&mut status) {
            Ok(()) => ExitStatus::from_raw(i32::from_ne_bytes(status)),
            Err(_) => ended,
        })
    }
}

/// What is mounted in the machine is seen there alone.
fn keep_mounts_to_ourselves() -> io::Result<()> {
    mount(c"none", c"/", null(), libc::MS_REC | libc::MS_PRIVATE)
}

fn mount(source: &CStr, target: &CStr, kind: *const libc::c_char, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: texts that end with a zero, or null where the kernel allows it.
    let done = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, null()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn rename(name: &str) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `name`.
    let done = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the calling process, just forked, the first of its machine, and returns in a second one, which is to
/// become the program.
///
/// # Safety
/// Only between fork and exec. It makes system calls only, as the copy of a process with many threads must.
unsafe fn be_first(teller: RawFd) -> io::Result<()> {
    // SAFETY: plain system call.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // In a container whose /proc is veiled there is no other; most programs do not care.
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let _veiled = mount(c"proc", c"/proc", c"proc".as_ptr(), flags);
    // SAFETY: the caller vouches for the place; both go on with system calls only.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(()),
        // SAFETY: this is the first process of its machine, and has no other purpose.
        program => unsafe { look_after(program, teller) },
    }
}

/// What the first process does: waits for everyone, tells how the program ended, and ends, and with it everyone.
///
/// # Safety
/// As [`be_first`]. It never returns.
unsafe fn look_after(program: libc::pid_t, teller: RawFd) -> ! {
    // SAFETY: plain system calls on memory of our own.
    unsafe {
        // Whoever waits for other descriptors to be closed must not wait for us; ours are copies.
        libc::syscall(libc::SYS_close_range, 0, teller - 1, 0);
        libc::syscall(libc::SYS_close_range, teller + 1, u32::MAX, 0);
        // Handlers of the process that we are a copy of must not run here.
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &all, null_mut());
        // If nobody can hear us any more, the process that started us died before we asked to die with it.
        let mut hears = libc::pollfd { fd: teller, events: 0, revents: 0 };
        if libc::poll(&mut hears, 1, 0) > 0 {
            libc::_exit(1);
        }
        libc::prctl(libc::PR_SET_NAME, c"first".as_ptr());
        let mut status = 0;
        loop {
            let ended = libc::waitpid(-1, &mut status, 0);
            if ended == program {
                libc::write(teller, (&raw const status).cast(), size_of_val(&status));
                libc::_exit(0);
            }
            if ended < 0 && *libc::__errno_location() != libc::EINTR {
                libc::_exit(1);
            }
        }
    }
}
