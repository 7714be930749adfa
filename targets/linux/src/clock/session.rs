//! A process that stands still while we change it.
//!
//! The kernel ties a tracee to the thread that traces it: a session has a thread of its own, and when that ends,
//! whatever happened, the kernel lets go of every tracee.
#![expect(unsafe_code, reason = "ptrace(2), waitid(2), tgkill(2)")]

use super::error::ClockError;
use super::{memory, probe};
use libc::{c_int, c_uint, c_void, user_regs_struct};
use std::fs;
use std::io;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread may take to stop. One that waits for a device may not stop at all.
const STOPPING: Duration = Duration::from_secs(3);
/// How often it is looked at before we sleep in between.
const SPINS: u32 = 50;
/// In `linux/ptrace.h`, and not in every C library.
const GETSIGMASK: c_uint = 0x420a;
const SETSIGMASK: c_uint = 0x420b;
/// The event of a stop that is no signal's delivery: ours, or that of a process that is stopped.
const EVENT_STOP: c_int = 128;
/// A stop before or after a system call.
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;

/// A process of which every thread stands still, until this is dropped.
pub struct Session {
    pid: i32,
    threads: Vec<Thread>,
}

struct Thread {
    id: i32,
    /// Signals that came while it was at work for us. It gets them when it is let go.
    owed: Vec<c_int>,
}

/// Why a tracee stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Event,
    Syscall,
    Signal(c_int),
}

/// Stops every thread of a process, works on it and lets it go. Also, how long it stood still.
///
/// # Errors
/// If it cannot be stopped, and what `work` fails with. Either way it goes on.
pub fn with<T: Send>(
    pid: i32,
    work: impl FnOnce(&mut Session) -> Result<T, ClockError> + Send,
) -> Result<(T, Duration), ClockError> {
    let session = move || {
        let begun = Instant::now();
        let mut session = Session { pid, threads: Vec::new() };
        session.stop()?;
        let done = work(&mut session)?;
        drop(session);
        Ok((done, begun.elapsed()))
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("clock skew".to_owned()).spawn_scoped(scope, session);
        let thread = thread.map_err(ClockError::system(pid, "start a thread to trace it"))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Session {
    /// Stops every thread. While some still run they may make new ones, so this looks until nothing is new; twice,
    /// because the kernel's list may skip one when another ends at that moment.
    fn stop(&mut self) -> Result<(), ClockError> {
        let mut quiet = 0;
        while quiet < 2 {
            let known = self.threads.len();
            for id in self.listed()? {
                if self.threads.iter().all(|thread| thread.id != id) && self.seize(id)? {
                    self.threads.push(Thread { id, owed: Vec::new() });
                }
            }
            for index in (known..self.threads.len()).rev() {
                if !self.settle(self.threads[index].id)? {
                    self.threads.remove(index);
                }
            }
            quiet = if self.threads.len() == known { quiet + 1 } else { 0 };
        }
        if self.threads.is_empty() { Err(self.gone("all its threads ended")) } else { Ok(()) }
    }

    fn listed(&self) -> Result<Vec<i32>, ClockError> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.pid));
        let entries = entries.map_err(|error| self.gone(&error.to_string()))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
    }

    /// Begins to trace a thread and tells it to stop; false if it is dead.
    fn seize(&self, id: i32) -> Result<bool, ClockError> {
        let options = usize::try_from(libc::PTRACE_O_TRACESYSGOOD).expect("a small number");
        let seized = request(libc::PTRACE_SEIZE, id, 0, options)
            .and_then(|()| request(libc::PTRACE_INTERRUPT, id, 0, 0));
        match seized.map_err(|error| (error.raw_os_error(), error)) {
            Ok(()) => Ok(true),
            Err(_) if is_dead(state(id)) => Ok(false),
            Err((Some(libc::EPERM), _)) => {
                Err(ClockError::Refused { pid: self.pid, why: probe::refusal(id) })
            }
            Err((_, source)) => Err(ClockError::system(self.pid, "trace it")(source)),
        }
    }

    /// Waits until a seized thread has stopped, and lets it take the signals that are on their way; false if it
    /// dies of them.
    fn settle(&self, id: i32) -> Result<bool, ClockError> {
        loop {
            let signal = match self.wait(id)? {
                Some(Stop::Event) => return Ok(true),
                Some(Stop::Signal(signal)) => signal,
                Some(Stop::Syscall) => 0,
                None => return Ok(false),
            };
            let signal = usize::try_from(signal).expect("signals are positive");
            if request(libc::PTRACE_CONT, id, 0, signal).is_err() {
                return Ok(false);
            }
        }
    }

    /// Why a thread stands still, once it does; none if it is dead.
    ///
    /// It asks for stops only: the death of a child of this process is for others to hear of.
    fn wait(&self, id: i32) -> Result<Option<Stop>, ClockError> {
        let begun = Instant::now();
        for turn in 0u32.. {
            match stopped(id) {
                Ok(Some(status)) if status >> 8 == EVENT_STOP => return Ok(Some(Stop::Event)),
                Ok(Some(SYSCALL_STOP)) => return Ok(Some(Stop::Syscall)),
                Ok(Some(status)) => return Ok(Some(Stop::Signal(status & 0x7f))),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ClockError::system(self.pid, "wait for it to stop")(error)),
                Ok(None) if turn < SPINS => std::hint::spin_loop(),
                Ok(None) => {
                    let state = state(id);
                    if is_dead(state) {
                        return Ok(None);
                    }
                    if begun.elapsed() > STOPPING {
                        let (pid, limit_ms) = (self.pid, STOPPING.as_millis());
                        let state = state.unwrap_or('?');
                        return Err(ClockError::Stuck { pid, thread: id, limit_ms, state });
                    }
                    thread::sleep(Duration::from_micros(20));
                }
            }
        }
        unreachable!("it counts for longer than it waits")
    }

    /// Makes the process do a system call. `at` is where its code has the instruction for that.
    ///
    /// # Errors
    /// If the call fails, or the process dies.
    pub fn call(&mut self, at: u64, number: i64, arguments: [u64; 6]) -> Result<u64, ClockError> {
        let failed = ClockError::system(self.pid, "make it do a system call");
        let index = self.leader()?;
        let id = self.threads[index].id;
        let (before, mask) = (registers(id).map_err(&failed)?, signal_mask(id).map_err(&failed)?);
        let mut here = before;
        here.rip = at;
        here.rax = number.cast_unsigned();
        // The thread may have been interrupted in a system call of its own. This says that it was not, so that the
        // kernel does not begin that again with our registers.
        here.orig_rax = u64::MAX;
        [here.rdi, here.rsi, here.rdx, here.r10, here.r8, here.r9] = arguments;
        // No handler may run meanwhile: Go, for one, signals its own threads all the time.
        set_signal_mask(id, u64::MAX).map_err(&failed)?;
        set_registers(id, &here).map_err(&failed)?;
        let done = self.resume(index, libc::PTRACE_SYSCALL, Stop::Syscall);
        let done = done.and_then(|()| self.resume(index, libc::PTRACE_SYSCALL, Stop::Syscall));
        let after = done.and_then(|()| registers(id).map_err(&failed));
        set_registers(id, &before).map_err(&failed)?;
        set_signal_mask(id, mask).map_err(&failed)?;
        let after = after?;
        if after.rip != at + 2 {
            return Err(failed(io::Error::other(format!("it went astray to {:#x}", after.rip))));
        }
        match after.rax.cast_signed() {
            error @ -4095..=-1 => {
                let number = i32::try_from(-error).expect("at most 4095");
                Err(failed(io::Error::from_raw_os_error(number)))
            }
            _ => Ok(after.rax),
        }
    }

    /// A thread to work for us, best one that was in a system call: another could be within a restartable sequence
    /// (rseq), which would not survive it.
    fn leader(&self) -> Result<usize, ClockError> {
        let in_a_call = |thread: &Thread| registers(thread.id).is_ok_and(|at| at.orig_rax.cast_signed() >= 0);
        let best = self.threads.iter().position(in_a_call);
        let alive = || self.threads.iter().position(|thread| registers(thread.id).is_ok());
        best.or_else(alive).ok_or_else(|| self.gone("all its threads ended"))
    }

    /// Lets a thread go on until it stops for this reason; every other reason has to wait.
    fn resume(&mut self, index: usize, how: c_uint, until: Stop) -> Result<(), ClockError> {
        loop {
            let id = self.threads[index].id;
            request(how, id, 0, 0).map_err(ClockError::system(self.pid, "let it go on"))?;
            match self.wait(id)? {
                Some(stop) if stop == until => return Ok(()),
                Some(Stop::Signal(signal)) => self.threads[index].owed.push(signal),
                Some(Stop::Event | Stop::Syscall) => {}
                None => return Err(self.gone("it was killed")),
            }
        }
    }

    /// Lets every thread that is in the middle of this code go on until it is not, or for so many steps. Whether all
    /// have left it.
    ///
    /// # Errors
    /// If the process dies.
    pub fn leave(&mut self, code: Range<u64>, steps: usize) -> Result<bool, ClockError> {
        for index in 0..self.threads.len() {
            let mut taken = 0;
            while taken < steps && self.is_within(index, &code) {
                self.step(index)?;
                taken += 1;
            }
        }
        Ok((0..self.threads.len()).all(|index| !self.is_within(index, &code)))
    }

    /// Whether a thread is behind the first and before the last of these bytes.
    fn is_within(&self, index: usize, code: &Range<u64>) -> bool {
        registers(self.threads[index].id).is_ok_and(|at| code.start < at.rip && at.rip < code.end)
    }

    /// Lets a thread execute one instruction.
    fn step(&mut self, index: usize) -> Result<(), ClockError> {
        let failed = ClockError::system(self.pid, "let it do one step");
        let id = self.threads[index].id;
        let mask = signal_mask(id).map_err(&failed)?;
        // The end of a step is the signal SIGTRAP. Were it blocked, the kernel would take the handler away.
        set_signal_mask(id, !(1 << (libc::SIGTRAP - 1))).map_err(&failed)?;
        let stepped = self.resume(index, libc::PTRACE_SINGLESTEP, Stop::Signal(libc::SIGTRAP));
        let unmasked = set_signal_mask(id, mask).map_err(&failed);
        stepped.and(unmasked)
    }

    /// Writes into its memory, also where it may not write itself.
    ///
    /// # Errors
    /// If there is no such memory, or the process dies.
    pub fn poke(&self, address: u64, bytes: &[u8]) -> Result<(), ClockError> {
        let failed = ClockError::system(self.pid, "change its code");
        // The kernel writes whole words; what is around ours stays.
        let begin = address & !7;
        let end = (address + bytes.len() as u64).next_multiple_of(8);
        let mut around = vec![0; usize::try_from(end - begin).expect("a few words")];
        memory::read(self.pid, begin, &mut around).map_err(&failed)?;
        let offset = usize::try_from(address - begin).expect("less than a word");
        around[offset..][..bytes.len()].copy_from_slice(bytes);
        let id = self.threads[self.leader()?].id;
        for (at, word) in (begin..).step_by(8).zip(around.as_chunks().0) {
            let (at, word) = (usize::try_from(at).expect("64 bits"), usize::from_ne_bytes(*word));
            request(libc::PTRACE_POKEDATA, id, at, word).map_err(&failed)?;
        }
        Ok(())
    }

    fn gone(&self, why: &str) -> ClockError {
        ClockError::Gone { pid: self.pid, why: why.to_owned() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for thread in &self.threads {
            // A thread that is dead, or did not stop, is let go by the end of our own.
            let _let_go = request(libc::PTRACE_DETACH, thread.id, 0, 0);
        }
        for thread in &self.threads {
            for signal in &thread.owed {
                // SAFETY: the call has no memory arguments.
                unsafe { libc::syscall(libc::SYS_tgkill, self.pid, thread.id, *signal) };
            }
        }
    }
}

/// The kernel's letter for what a thread does; none if there is no such thread.
fn state(id: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Before it comes the name in parentheses, which may contain anything.
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn is_dead(state: Option<char>) -> bool {
    matches!(state, None | Some('Z' | 'X' | 'x'))
}

/// A request whose arguments are numbers, or addresses in the other process.
fn request(request: c_uint, id: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: none of the requests made through here reads or writes memory of ours: the address, if there is one,
    // is one of the tracee's, and the data is a number.
    checked(unsafe { libc::ptrace(request, id, address as *mut c_void, data as *mut c_void) })
}

fn registers(id: i32) -> io::Result<user_regs_struct> {
    // SAFETY: the type consists of integers, for which zero is a value.
    let mut registers: user_regs_struct = unsafe { std::mem::zeroed() };
    let place = (&raw mut registers).cast::<c_void>();
    // SAFETY: the kernel writes exactly one such structure to `place`, which is one.
    checked(unsafe { libc::ptrace(libc::PTRACE_GETREGS, id, 0, place) }).map(|()| registers)
}

fn set_registers(id: i32, registers: &user_regs_struct) -> io::Result<()> {
    // SAFETY: the kernel only reads one such structure.
    checked(unsafe { libc::ptrace(libc::PTRACE_SETREGS, id, 0, std::ptr::from_ref(registers)) })
}

fn signal_mask(id: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    // SAFETY: the kernel writes as many bytes as the third argument says, which is the size of `mask`.
    checked(unsafe { libc::ptrace(GETSIGMASK, id, size_of::<u64>(), &raw mut mask) }).map(|()| mask)
}

fn set_signal_mask(id: i32, mask: u64) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as the third argument says, which is the size of `mask`.
    checked(unsafe { libc::ptrace(SETSIGMASK, id, size_of::<u64>(), &raw const mask) })
}

/// The status with which a tracee has just stopped, if it has.
fn stopped(id: i32) -> io::Result<Option<c_int>> {
    // SAFETY: the type consists of integers, for which zero is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let wanted = libc::WSTOPPED | libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: the kernel fills `info`, which is ours.
    let result = unsafe { libc::waitid(libc::P_PID, id.cast_unsigned(), &raw mut info, wanted) };
    checked(result.into())?;
    // SAFETY: waitid has filled these fields, or left them zero if nothing has stopped.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some(status))
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
