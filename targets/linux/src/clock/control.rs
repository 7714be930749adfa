//! The page of memory that says how the clocks of a process run: written by us, read by the stub.
//!
//! ```text
//! 0     which of the two tables holds, by its lowest bit; counts up by one with every change
//! 64    for each clock the most it ever showed (monotonic clocks only)
//! 256   table 0: for each clock a line, five words
//! 1024  table 1
//! ```
//!
//! A change goes to the table that does not hold, then to the counter: a reader whose counter is the same before
//! and after has read one table in one piece. The counter is written as eight bytes that differ from the old ones
//! by one, so that even if it were seen half-written its lowest bit would name a table that is whole.

use super::error::ClockError;
use super::line::{Line, Slope, Turn};
use super::{Reading, host, memory};
use std::thread;
use std::time::Duration;

/// Clocks have numbers up to this one, exclusively, in `clock_gettime(2)`.
pub const CLOCKS: usize = 12;
/// The time of day: `REALTIME`, `REALTIME_COARSE`, `TAI`.
pub const WALL: u32 = 1 << libc::CLOCK_REALTIME | 1 << libc::CLOCK_REALTIME_COARSE | 1 << libc::CLOCK_TAI;
/// `MONOTONIC`, `MONOTONIC_RAW`, `MONOTONIC_COARSE`, `BOOTTIME`.
pub const MONOTONIC: u32 = 1 << libc::CLOCK_MONOTONIC
    | 1 << libc::CLOCK_MONOTONIC_RAW
    | 1 << libc::CLOCK_MONOTONIC_COARSE
    | 1 << libc::CLOCK_BOOTTIME;
/// Where the most that a clock ever showed is kept.
pub const SHOWN: usize = 64;
/// Where the tables begin.
pub const TABLES: usize = 256;
/// From one table to the next.
pub const TABLE: usize = 768;
/// From one line to the next.
pub const LINE: usize = 40;
/// The whole page.
pub const SIZE: usize = 4096;

const _: () = assert!(SHOWN + CLOCKS * 8 <= TABLES && CLOCKS * LINE <= TABLE && TABLES + 2 * TABLE <= SIZE);

/// How long after it was decided a change takes effect: it must have been written by then.
const NOTICE: Duration = Duration::from_millis(1);

/// The page of one process.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// Whose.
    pub pid: i32,
    /// Where in its memory.
    pub address: u64,
}

type Table = [Line; CLOCKS];

impl Control {
    /// How its clocks stand.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn reading(&self) -> Result<Reading, ClockError> {
        let (_, table) = self.load()?;
        let stands = |clock: libc::clockid_t| table[clock as usize].shift(host::read(clock));
        Ok(Reading { wall: stands(libc::CLOCK_REALTIME), monotonic: stands(libc::CLOCK_MONOTONIC) })
    }

    /// Turns its clocks, and waits until they have turned. The process is not stopped.
    ///
    /// # Errors
    /// If the turn makes no sense or the process is gone; then nothing has changed.
    pub fn turn(&self, wall: Turn, monotonic: Turn) -> Result<(), ClockError> {
        let (count, mut table) = self.load()?;
        let notice = i64::try_from(NOTICE.as_nanos()).expect("a millisecond");
        for (clock, line) in (0..).zip(&mut table) {
            let at = || host::read(clock) + notice;
            if WALL >> clock & 1 == 1 {
                *line = line.turned(at(), wall, false)?;
            } else if MONOTONIC >> clock & 1 == 1 {
                *line = line.turned(at(), monotonic, true)?;
            }
        }
        let (next, doing) = (count.wrapping_add(1), "change its clocks");
        let bytes: Vec<u8> = table.iter().flat_map(words).flat_map(i64::to_ne_bytes).collect();
        let failed = ClockError::system(self.pid, doing);
        memory::write(self.pid, self.address + place(next), &bytes).map_err(&failed)?;
        memory::write(self.pid, self.address, &next.to_ne_bytes()).map_err(&failed)?;
        thread::sleep(NOTICE);
        // The coarse clocks move at the kernel's ticks, a few milliseconds apart.
        while (0..).zip(&table).any(|(clock, line)| bent(clock) && host::read(clock) < line.at) {
            thread::sleep(NOTICE);
        }
        Ok(())
    }

    fn load(&self) -> Result<(u64, Table), ClockError> {
        let failed = ClockError::system(self.pid, "read how its clocks stand");
        let count = memory::word(self.pid, self.address).map_err(&failed)?;
        let mut bytes = [0; CLOCKS * LINE];
        memory::read(self.pid, self.address + place(count), &mut bytes).map_err(&failed)?;
        let mut table = [Line::default(); CLOCKS];
        for (line, bytes) in table.iter_mut().zip(bytes.chunks_exact(LINE)) {
            let word = |i: usize| i64::from_ne_bytes(bytes[i * 8..][..8].try_into().expect("eight bytes"));
            let slope = |i| Slope { ahead: word(i), surplus: word(i + 1) };
            *line = Line { at: word(0), before: slope(1), after: slope(3) };
        }
        Ok((count, table))
    }
}

fn words(line: &Line) -> [i64; 5] {
    [line.at, line.before.ahead, line.before.surplus, line.after.ahead, line.after.surplus]
}

fn bent(clock: libc::clockid_t) -> bool {
    (WALL | MONOTONIC) >> clock & 1 == 1
}

/// Where the table lies that holds at this count.
fn place(count: u64) -> u64 {
    (TABLES + TABLE * (count & 1) as usize) as u64
}
