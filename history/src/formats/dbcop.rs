//! dbcop's file of 2019: its `History` as bincode 1 lays it out, all numbers 64 bits, little end first.
//!
//! ```text
//! history     = id nodes variables transactions events     the parameters, as they were asked for
//!               info start end                             strings: length, bytes
//!               count { session }
//! session     = count { transaction }
//! transaction = count { event } committed
//! event       = write variable value success               flags are one byte
//! ```
//! Biswas and Enea, *On the Complexity of Checking Transactional Consistency* (OOPSLA 2019). A variable that was
//! never written holds 0. An event that failed is left out: if it was a read it saw nothing, and if it was a write the
//! transaction went on without it.

use super::sessions::Sessions;
use super::{ReadError, Scanned};
use crate::Entry;
use crate::jsonl::Torn;
use std::io::{self, BufRead, Read};

/// What no parameter of a real file exceeds.
const MOST: u64 = 1 << 32;

/// The longest transaction that is believed.
const MOST_EVENTS: u64 = 1 << 20;

/// Whether a file that begins so is one.
pub(super) fn begins(head: &[u8]) -> bool {
    let number = |at: usize| {
        let bytes = head.get(at * 8..at * 8 + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let small = |at| number(at).is_some_and(|number| number < MOST);
    (0..6).all(small)
        && number(5).is_some_and(|length| length < 4096)
        && head.iter().take(40).any(|byte| *byte == 0)
}

pub(super) fn scan(
    source: impl BufRead,
    visit: &mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    let mut file = File { source, place: 0 };
    let mut sessions = Sessions::new(true, visit);
    let torn = match file.history(&mut sessions) {
        Ok(()) => None,
        Err(Stop::Torn) => Some(Torn { line: 1, bytes: file.place }),
        Err(Stop::Error(error)) => return Err(error),
    };
    Ok(Scanned { torn, ..Scanned::default() })
}

struct File<R> {
    source: R,
    /// How many bytes were read.
    place: usize,
}

enum Stop {
    Torn,
    Error(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        Stop::Error(error)
    }
}

impl<R: Read> File<R> {
    fn history(&mut self, sessions: &mut Sessions<'_>) -> Result<(), Stop> {
        for _ in 0..5 {
            self.count(MOST)?;
        }
        for _ in 0..3 {
            let length = self.count(4096)?;
            for _ in 0..length {
                self.byte()?;
            }
        }
        let mut parts = Vec::new();
        let mut line = 0;
        for session in 0..self.count(MOST)? {
            for _ in 0..self.count(MOST)? {
                parts.clear();
                line += 1;
                for _ in 0..self.count(MOST_EVENTS)? {
                    let write = self.flag()?;
                    let (key, value) = (self.number()?, self.number()?);
                    if self.flag()? {
                        parts.push(sessions.part(write, key, value).map_err(|why| self.garbled(&why))?);
                    }
                }
                let committed = self.flag()?;
                sessions.transaction(line, session, &parts, committed)?;
            }
        }
        match self.source.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.garbled("something follows the last session")),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn count(&mut self, most: u64) -> Result<u64, Stop> {
        let count = self.number()?;
        if count > most {
            Err(self.garbled(&format!("{count} is too large a number here")))
        } else {
            Ok(count)
        }
    }

    fn number(&mut self) -> Result<u64, Stop> {
        let mut bytes = [0; 8];
        self.bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn flag(&mut self) -> Result<bool, Stop> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.garbled(&format!("{other} is neither true nor false"))),
        }
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let mut bytes = [0];
        self.bytes(&mut bytes)?;
        Ok(bytes[0])
    }

    fn bytes(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        match self.source.read_exact(bytes) {
            Ok(()) => {
                self.place += bytes.len();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Stop::Torn),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: io::Error) -> Stop {
        Stop::Error(ReadError::Io { line: 1, source })
    }

    fn garbled(&self, why: &str) -> Stop {
        Stop::Error(ReadError::Garbled { line: 1, why: format!("at byte {}: {why}", self.place) })
    }
}
