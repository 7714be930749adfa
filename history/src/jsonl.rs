//! The on-disk notation: one JSON object a line, readable while the run still writes it.
//!
//! The first line names the format and its version; every further line is one [`Entry`]. A process that is
//! killed while it writes leaves a torn last line: the reader reports it and keeps the rest. A malformed line
//! anywhere else is an error with its place, because a history with a hole proves nothing.
//! `docs/FORMATS.md` documents the fields.

mod plain;

use crate::{Entry, Event, History, Malformed, Time};
use plain::Plain;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};
use xxhash_rust::xxh3::Xxh3;

/// The version this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    tribunal_history: u32,
}

/// Writes a history as it happens.
///
/// Events are gathered in memory until [`Writer::commit`], which hands them to the operating system in one
/// write; from then on they survive the death of this process. The caller commits before it acts on them.
pub struct Writer<W: Write> {
    sink: W,
    pending: Vec<u8>,
    last: Option<Time>,
    written: u64,
    hasher: Xxh3,
}

impl<W: Write> Writer<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// If the sink refuses the header.
    pub fn new(mut sink: W) -> io::Result<Writer<W>> {
        let mut header = serde_json::to_vec(&Header { tribunal_history: VERSION })?;
        header.push(b'\n');
        sink.write_all(&header)?;
        Ok(Writer {
            sink,
            pending: Vec::with_capacity(64 * 1024),
            last: None,
            written: 0,
            hasher: Xxh3::new(),
        })
    }

    /// Adds an event and returns the time under which it is recorded: `time`, or just after the event before
    /// it, so that no two events are ever at the same instant.
    ///
    /// # Errors
    /// Never, for an event of ours; an unwritable one is reported rather than lost.
    pub fn add(&mut self, time: Time, event: Event) -> io::Result<Time> {
        let time = self.last.map_or(time, |last| time.max(Time(last.0 + 1)));
        let begin = self.pending.len();
        serde_json::to_writer(&mut self.pending, &Entry { time, event })?;
        self.pending.push(b'\n');
        self.hasher.update(&self.pending[begin..]);
        self.last = Some(time);
        self.written += 1;
        Ok(time)
    }

    /// Hands everything added so far to the operating system.
    ///
    /// # Errors
    /// If the sink does not take it (a full disk, say). What was committed before is safe.
    pub fn commit(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.sink.write_all(&self.pending)?;
            self.sink.flush()?;
            self.pending.clear();
        }
        Ok(())
    }

    /// How many events were added.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The fingerprint of what was added: equal to [`History::digest`] of what is read back.
    pub fn digest(&self) -> crate::Digest {
        crate::history::digest_of(&self.hasher)
    }

    /// Commits and gives the sink back.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn finish(mut self) -> io::Result<W> {
        self.commit()?;
        Ok(self.sink)
    }
}

/// A history as read.
#[derive(Debug)]
pub struct Reading {
    /// What happened.
    pub history: History,
    /// The last line was torn off: how many bytes of it there were, and in which line.
    pub torn: Option<Torn>,
}

/// A last line that its writer did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Its number, from 1.
    pub line: usize,
    /// How much of it there is.
    pub bytes: usize,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read on after line {line}: {source}")]
    Io {
        /// The last line that was read.
        line: usize,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file is of another kind or is empty.
    #[error("not a Tribunal history: line 1 should be {{\"tribunal_history\":{VERSION}}}, but {found}")]
    Alien {
        /// What is there instead.
        found: String,
    },
    /// A newer version wrote it.
    #[error(
        "the history is of format {found}, this program reads up to {VERSION}: use the version that wrote it"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// A line makes no sense.
    #[error("line {line} is garbled: {why}")]
    Garbled {
        /// Its number, from 1.
        line: usize,
        /// What is wrong, with the column.
        why: String,
    },
    /// A line contradicts the lines before it.
    #[error("line {line}: {source}")]
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// The contradiction.
        source: Malformed,
    },
}

/// Reads one line that is not the first.
///
/// # Errors
/// If it is no entry.
pub fn entry(line: &[u8]) -> io::Result<Entry> {
    serde_json::from_slice(line).map_err(io::Error::from)
}

/// Reads a whole history.
///
/// # Errors
/// See [`ReadError`]; a torn last line is no error.
pub fn read(source: impl BufRead) -> Result<Reading, ReadError> {
    let mut history = History::new();
    let torn = scan(source, |line, entry| {
        history.push(entry.time, entry.event).map_err(|source| ReadError::Malformed { line, source })
    })?;
    Ok(Reading { history, torn })
}

/// Reads a history entry by entry, in memory that does not grow with its length.
///
/// # Errors
/// See [`ReadError`], or whatever `visit` returns.
pub fn scan(
    mut source: impl BufRead,
    mut visit: impl FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Option<Torn>, ReadError> {
    let mut bytes = Vec::new();
    let mut plain = Plain::default();
    let mut line = 0;
    loop {
        let count = read_line(&mut source, line, &mut bytes)?;
        line += 1;
        if line == 1 {
            header(&bytes)?;
            continue;
        }
        if count == 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') {
            return Ok(Some(Torn { line, bytes: count }));
        }
        visit(line, parsed(&mut plain, line, &bytes)?)?;
    }
}

/// Reads only the entries at some indexes, of a history that was read before.
///
/// # Errors
/// See [`ReadError`].
pub fn pick(
    mut source: impl BufRead,
    indexes: &BTreeSet<usize>,
    mut visit: impl FnMut(usize, Entry),
) -> Result<(), ReadError> {
    let mut bytes = Vec::new();
    let mut plain = Plain::default();
    let mut line = 0;
    for index in indexes {
        // The first line is the header.
        while line < index + 2 {
            if read_line(&mut source, line, &mut bytes)? == 0 {
                return Ok(());
            }
            line += 1;
        }
        visit(*index, parsed(&mut plain, line, &bytes)?);
    }
    Ok(())
}

fn parsed(plain: &mut Plain, line: usize, bytes: &[u8]) -> Result<Entry, ReadError> {
    let garbled = |error: serde_json::Error| ReadError::Garbled { line, why: error.to_string() };
    match plain.entry(bytes) {
        Some(entry) => Ok(entry),
        None => serde_json::from_slice(bytes).map_err(garbled),
    }
}

/// How long a line or a record may be, in bytes. A longer one is taken for garbage before it eats the memory.
pub(crate) const LONGEST: u64 = 16 << 20;

/// Reads on until a line ends, but not beyond [`LONGEST`]; how many bytes that were. `line` is the one before.
pub(crate) fn read_line(
    source: &mut impl BufRead,
    line: usize,
    bytes: &mut Vec<u8>,
) -> Result<usize, ReadError> {
    bytes.clear();
    let io = |source: io::Error| ReadError::Io { line: line + 1, source };
    let count = source.by_ref().take(LONGEST).read_until(b'\n', bytes).map_err(io)?;
    match count as u64 == LONGEST {
        true => Err(ReadError::Garbled { line: line + 1, why: "it is longer than 16 MiB".to_owned() }),
        false => Ok(count),
    }
}

fn header(line: &[u8]) -> Result<(), ReadError> {
    let alien = |found: String| Err(ReadError::Alien { found });
    if line.is_empty() {
        return alien("the file is empty".to_owned());
    }
    match serde_json::from_slice::<Header>(line) {
        Ok(header) if header.tribunal_history > VERSION => {
            Err(ReadError::Newer { found: header.tribunal_history })
        }
        Ok(_) => Ok(()),
        Err(_) => {
            let start = String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_owned();
            alien(format!("it begins with {start:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Key, NodeId, Outcome, Phase, ProcessId, Reply, Value};

    fn written() -> (Vec<u8>, crate::Digest) {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let process = ProcessId(3);
        let call = Call::Cas { key: Key(1), expected: None, new: Value(-2) };
        writer.add(Time(1), Event::Phase(Phase::Main)).unwrap();
        writer.add(Time(1), Event::Invoke { process, node: NodeId(2), call }).unwrap();
        writer.add(Time(9), Event::Complete { process, outcome: Outcome::Ok(Reply::Done) }).unwrap();
        let digest = writer.digest();
        (writer.finish().unwrap(), digest)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (bytes, digest) = written();
        let reading = read(&bytes[..]).unwrap();
        assert_eq!(reading.torn, None);
        assert_eq!(reading.history.digest(), digest);
        assert_eq!(reading.history.entries()[1].time, Time(2), "no two events at one instant");
    }

    #[test]
    fn some_entries_are_picked() {
        let (bytes, _) = written();
        let reading = read(&bytes[..]).unwrap();
        for wanted in [&[][..], &[0], &[1, 2], &[2, 9]] {
            let mut picked = Vec::new();
            pick(&bytes[..], &wanted.iter().copied().collect(), |index, entry| picked.push((index, entry)))
                .unwrap();
            let there =
                wanted.iter().filter_map(|index| Some((*index, reading.history.entries().get(*index)?)));
            assert!(picked.iter().map(|(index, entry)| (*index, entry)).eq(there), "{wanted:?}: {picked:?}");
        }
        assert!(pick(&b"{}\ngarbage\n"[..], &[0].into(), |_, _| {}).is_err());
    }

    #[test]
    fn every_torn_end_is_tolerated_and_reported() {
        let (bytes, _) = written();
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in first..bytes.len() {
            let reading = read(&bytes[..cut]).unwrap();
            let at_line_end = bytes[cut - 1] == b'\n';
            assert_eq!(reading.torn.is_none(), at_line_end, "cut at {cut}");
        }
    }

    #[test]
    fn garbage_is_named_with_its_line() {
        let (bytes, _) = written();
        let text = String::from_utf8(bytes).unwrap();
        let garbled = text.replacen("\"invoke\"", "\"inv0ke\"", 1);
        let error = read(garbled.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 3 is garbled: unknown variant `inv0ke`"), "{error}");
        assert!(read(&b""[..]).unwrap_err().to_string().contains("the file is empty"));
        assert!(read(&b"PK\x03\x04"[..]).unwrap_err().to_string().contains("it begins with"));
        let newer = read(&b"{\"tribunal_history\":99}\n"[..]).unwrap_err().to_string();
        assert!(newer.contains("format 99"), "{newer}");
    }

    #[test]
    fn a_contradiction_is_named_with_its_line() {
        let (bytes, _) = written();
        let mut text = String::from_utf8(bytes).unwrap();
        let last = text.lines().last().unwrap().to_owned();
        text.push_str(&last);
        text.push('\n');
        let error = read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 5: event 3 cannot have happened"), "{error}");
    }
}
