//! The clocks of one running process.

use super::control::{self, Control};
use super::error::ClockError;
use super::session::{self, Session};
use super::stub::{self, FUNCTIONS, JUMP};
use super::vdso::Vdso;
use super::{Reading, Restored, Turn, memory, probe};
use std::fs;
use std::time::Duration;

/// The instruction by which a program calls the kernel.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// How many instructions a thread may need to leave a function of the vDSO. Those that tell the time are shorter.
const STEPS: usize = 2000;

/// The clocks of one running process, in our hands until this is dropped.
///
/// While [`attach`](Skew::attach), [`restore`](Skew::restore) or the drop is under way, the process is traced. If it
/// is a child of this process, no other thread may wait for it meanwhile except for its end and without taking it
/// (`waitid` with `WEXITED | WNOWAIT`, and looking at what came back): `wait` would return when it is merely traced.
#[derive(Debug)]
pub struct Skew {
    control: Control,
    patches: Vec<Patch>,
    stopped_for: Duration,
    restored: bool,
}

/// A function of the vDSO that leads to ours.
#[derive(Debug, Clone, Copy)]
struct Patch {
    entry: u64,
    original: [u8; JUMP],
    jump: [u8; JUMP],
}

impl Skew {
    /// Takes the clocks of a running process into our hands. They stay true until they are [turned](Skew::turn).
    /// All its threads stand still for a moment. If an earlier `Skew`, perhaps of a program that was killed, has left
    /// it with bent clocks, they are taken over as they are.
    ///
    /// # Errors
    /// If the process is gone or may not be traced, or if its vDSO is not as expected. It goes on as before then.
    pub fn attach(pid: i32) -> Result<Skew, ClockError> {
        probe::can().map_err(ClockError::Unsupported)?;
        if u32::try_from(pid) == Ok(std::process::id()) {
            let why = "a process cannot trace itself".to_owned();
            return Err(ClockError::Refused { pid, why });
        }
        must_share_our_epoch(pid)?;
        let (mut skew, stopped_for) = session::with(pid, |session| take(session, pid))?;
        skew.stopped_for = stopped_for;
        Ok(skew)
    }

    /// Whose clocks these are.
    pub fn pid(&self) -> i32 {
        self.control.pid
    }

    /// How long the process stood still when it was attached.
    pub fn stopped_for(&self) -> Duration {
        self.stopped_for
    }

    /// Turns its clocks, and waits the few milliseconds until all have turned. The process is not stopped, and a
    /// change of rate is no jump.
    ///
    /// # Errors
    /// If the turn makes no sense (a monotonic clock never jumps back), or the process is gone. Nothing has changed
    /// then.
    pub fn turn(&self, wall: Turn, monotonic: Turn) -> Result<(), ClockError> {
        self.must_be_in_place()?;
        self.control.turn(wall, monotonic)
    }

    /// How its clocks stand now, by what is written in its own memory.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn reading(&self) -> Result<Reading, ClockError> {
        self.must_be_in_place()?;
        self.control.reading()
    }

    /// Gives the process its true clocks again, as far as that is possible; see [`Restored`]. Children that it forked
    /// meanwhile get true clocks as well, by way of the stub.
    ///
    /// # Errors
    /// If the process is gone, or may no longer be traced.
    pub fn restore(&mut self) -> Result<Restored, ClockError> {
        self.turn(Turn::TRUE, Turn::STEADY)?;
        let ahead = self.reading()?.monotonic.ahead_ns;
        if ahead > 0 {
            return Ok(Restored::Ahead(ahead));
        }
        let (pid, patches) = (self.pid(), &self.patches);
        session::with(pid, |session| {
            must_be_in_place(pid, patches)?;
            patches.iter().try_for_each(|patch| put(session, pid, patch.entry, &patch.original))
        })?;
        self.restored = true;
        Ok(Restored::Wholly)
    }

    fn must_be_in_place(&self) -> Result<(), ClockError> {
        must_be_in_place(self.pid(), &self.patches)
    }
}

impl Drop for Skew {
    fn drop(&mut self) {
        if !self.restored {
            // If it is gone there is nothing to restore, and if it cannot be stopped its clocks are true by now.
            let _restored = self.restore();
        }
    }
}

/// A process in a time namespace counts from another moment than we do, so that our readings of the monotonic clocks
/// say nothing about its own.
fn must_share_our_epoch(pid: i32) -> Result<(), ClockError> {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/time")).ok();
    match (namespace("self"), namespace(&pid.to_string())) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            let why = "it lives in a time namespace of its own, with other clocks than ours".to_owned();
            Err(ClockError::Refused { pid, why })
        }
        _ => Ok(()),
    }
}

/// That the process is still the one, running the same program, that we have changed. Its number may be another's by
/// now; our jumps, to an address that the kernel chose by chance, are not.
fn must_be_in_place(pid: i32, patches: &[Patch]) -> Result<(), ClockError> {
    for patch in patches {
        let mut code = [0; JUMP];
        let read = memory::read(pid, patch.entry, &mut code);
        let gone = |why: String| ClockError::Gone { pid, why };
        read.map_err(|error| gone(format!("its clocks cannot be reached: {error}")))?;
        if code != patch.jump {
            return Err(gone(
                "its clocks are no longer bent; it runs another program, or someone restored them".into(),
            ));
        }
    }
    Ok(())
}

/// Makes the functions of a stopped process lead to ours.
fn take(session: &mut Session, pid: i32) -> Result<Skew, ClockError> {
    let vdso = Vdso::of(pid)?;
    let functions = FUNCTIONS.map(|name| vdso.function::<JUMP>(name));
    let unfamiliar = |why: String| ClockError::Unfamiliar { pid, why };
    let (_, first) =
        functions[0].ok_or_else(|| unfamiliar(format!("it has no function {}", FUNCTIONS[0])))?;
    let (page, control, originals) = match stub::destination(&first) {
        Some(to) => find(pid, to.wrapping_sub(stub::offsets()[0]))?,
        None => install(session, pid, &vdso, functions.map(|function| function.map(|(_, code)| code)))?,
    };
    let mut patches = Vec::new();
    for (index, (entry, code)) in functions.iter().enumerate().filter_map(|(i, f)| Some((i, (*f)?))) {
        let (original, jump) = (originals[index], stub::jump(page + stub::offsets()[index]));
        if code != original && code != jump {
            return Err(unfamiliar(format!("someone else has changed {}", FUNCTIONS[index])));
        }
        patches.push(Patch { entry, original, jump });
    }
    // Who is about to tell the true time must have told it before any clock is turned.
    session.leave(vdso.code(), STEPS)?;
    for patch in &patches {
        if let Err(error) = put(session, pid, patch.entry, &patch.jump) {
            // All or nothing, as far as that can still be done.
            let undone = patches.iter().try_for_each(|patch| put(session, pid, patch.entry, &patch.original));
            return Err(undone.err().unwrap_or(error));
        }
    }
    let control = Control { pid, address: control };
    Ok(Skew { control, patches, stopped_for: Duration::ZERO, restored: false })
}

/// A stub's address, its control page and what its jumps replaced.
type Found = (u64, u64, [[u8; JUMP]; 3]);

/// The stub of an earlier `Skew`.
fn find(pid: i32, page: u64) -> Result<Found, ClockError> {
    let mut bytes = vec![0; stub::size()];
    let read = memory::read(pid, page, &mut bytes);
    let (control, originals) = read.ok().and_then(|()| stub::understand(&bytes)).ok_or_else(|| {
        let why = "another program, or another version of this one, bends its clocks already; restart it";
        ClockError::Unfamiliar { pid, why: why.to_owned() }
    })?;
    Ok((page, control, originals))
}

/// Gives the process a control page that says the truth, and a stub that nobody calls yet.
fn install(
    session: &mut Session,
    pid: i32,
    vdso: &Vdso,
    originals: [Option<[u8; JUMP]>; 3],
) -> Result<Found, ClockError> {
    let syscall = vdso.find(&SYSCALL).ok_or_else(|| ClockError::Unfamiliar {
        pid,
        why: "it has no instruction for system calls".to_owned(),
    })?;
    let mut map = |size: usize, protection: i32, flags: i32| {
        let flags = (flags | libc::MAP_ANONYMOUS).unsigned_abs();
        let arguments = [0, size as u64, protection.unsigned_abs().into(), flags.into(), u64::MAX, 0];
        session.call(syscall, libc::SYS_mmap, arguments)
    };
    let page = map(stub::size(), libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE)?;
    // Shared, so that children forked later are reached by later changes.
    let control = map(control::SIZE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
    session.poke(page, &stub::page(control, &originals))?;
    Ok((page, control, originals.map(Option::unwrap_or_default)))
}

/// Replaces the beginning of a function.
fn put(session: &mut Session, pid: i32, entry: u64, code: &[u8; JUMP]) -> Result<(), ClockError> {
    if !session.leave(entry..entry + JUMP as u64, STEPS)? {
        let why = "a thread does not leave the beginning of a function".to_owned();
        return Err(ClockError::Unfamiliar { pid, why });
    }
    session.poke(entry, code)
}
