//! Everybody's histories: the notations of other tools, read into ours.
//!
//! Every reader streams: it hands on one [`Entry`] after the other and keeps only what is open, and the names of keys
//! and values that are no numbers. `docs/FORMATS.md` says what is understood of each format, and how.

mod awdit;
mod calls;
mod compressed;
mod dbcop;
mod jepsen;
mod lexer;
mod log;
mod names;
mod plume;
mod sessions;
mod write;

use crate::jsonl::{self, ReadError, Torn};
use crate::{Entry, text};
use std::fmt;
use std::io::{BufRead, Read};
use std::str::FromStr;

pub use compressed::open;
pub use names::Names;
pub use write::Edn;

/// A notation of histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own, one event a line.
    Jsonl,
    /// Our own for people (see [`crate::text`]).
    Compact,
    /// What Jepsen, Elle and Knossos write: maps, tagged or not, in a vector or one after the other. Also the
    /// key-value histories of Porcupine.
    Edn,
    /// The same as JSON, as elle-cli reads it.
    Json,
    /// The log of a Jepsen test, as in Porcupine's test data.
    Log,
    /// dbcop's binary file of 2019, which PolySI, Viper and others also use.
    Dbcop,
    /// Plume's and IsoVista's text: `r(key,value,session,transaction)`.
    Plume,
    /// AWDIT's text: `r key value`, `-----` after a transaction, `=====` after a session.
    Awdit,
}

/// How to read what a file leaves open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What every register holds in the beginning; nothing, if not said.
    pub initial: Option<i64>,
    /// Whether a register that was read as nil is one of which nobody knows what it held. Knossos takes it so.
    pub nil_is_unknown: bool,
}

/// What is known of a file once it was read.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The end of the file is missing.
    pub torn: Option<Torn>,
    /// What the numbers of keys and values stand for.
    pub names: Names,
    /// How many entries were about no client, and left out.
    pub skipped: u64,
}

impl Format {
    /// Every format, in the order in which they are documented.
    pub const ALL: [Format; 8] = [
        Format::Jsonl,
        Format::Compact,
        Format::Edn,
        Format::Json,
        Format::Log,
        Format::Dbcop,
        Format::Plume,
        Format::Awdit,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Compact => "compact",
            Format::Edn => "edn",
            Format::Json => "json",
            Format::Log => "log",
            Format::Dbcop => "dbcop",
            Format::Plume => "plume",
            Format::Awdit => "awdit",
        }
    }

    /// Whether it says when a call began and ended. One that does not has sessions only: their transactions are
    /// read one session after the other, and their order in real time means nothing.
    pub fn has_time(self) -> bool {
        !matches!(self, Format::Dbcop | Format::Plume | Format::Awdit)
    }

    /// The format of a file that begins so, if it can be told. A few hundred bytes are enough.
    pub fn detect(head: &[u8]) -> Option<Format> {
        let text = head.trim_ascii_start();
        if text.starts_with(b"{\"tribunal_history\"") {
            return Some(Format::Jsonl);
        }
        if dbcop::begins(head) {
            return Some(Format::Dbcop);
        }
        let line = String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next()?);
        let line = line.trim();
        match text.first()? {
            b'{' | b'[' | b'(' | b'#' | b';' => detect_records(text),
            b'r' | b'w' if line[1..].starts_with('(') => Some(Format::Plume),
            b'r' | b'w' if line[1..].starts_with(' ') => Some(Format::Awdit),
            b'-' | b'=' if line.len() > 2 => Some(Format::Awdit),
            _ if line.contains("jepsen.util") => Some(Format::Log),
            _ if line.split(';').next().is_some_and(|op| text::parse(op).is_ok()) => Some(Format::Compact),
            _ => None,
        }
    }
}

/// JSON or EDN: what is the first key of the first map?
fn detect_records(text: &[u8]) -> Option<Format> {
    let lines = text.split(|byte| *byte == b'\n');
    let code = lines.flat_map(|line| line.split(|byte| *byte == b';').next().unwrap_or_default());
    let mut code =
        code.skip_while(|byte| **byte != b'{').skip(1).skip_while(|byte| byte.is_ascii_whitespace());
    match code.next() {
        Some(b'"') => Some(Format::Json),
        _ => Some(Format::Edn),
    }
}

/// Reads a history event by event, in memory that does not grow with its length. `visit` gets the line of each.
///
/// # Errors
/// If the file cannot be read or makes no sense, with the line and the reason; or whatever `visit` returns.
pub fn scan(
    format: Format,
    source: impl BufRead,
    options: &Options,
    mut visit: impl FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    match format {
        Format::Jsonl => Ok(Scanned { torn: jsonl::scan(source, visit)?, ..Scanned::default() }),
        Format::Compact => compact(source, visit),
        Format::Edn => jepsen::records(source, lexer::Syntax::Edn, options, &mut visit),
        Format::Json => jepsen::records(source, lexer::Syntax::Json, options, &mut visit),
        Format::Log => log::scan(source, options, &mut visit),
        Format::Dbcop => dbcop::scan(source, &mut visit),
        Format::Plume => plume::scan(source, &mut visit),
        Format::Awdit => awdit::scan(source, &mut visit),
    }
}

/// The compact notation is for small histories: it is read as a whole, up to 4 MiB.
fn compact(
    source: impl BufRead,
    mut visit: impl FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    let garbled = |line, why: String| ReadError::Garbled { line, why };
    let mut bytes = Vec::new();
    let most = 4 << 20;
    source.take(most + 1).read_to_end(&mut bytes).map_err(|source| ReadError::Io { line: 0, source })?;
    if bytes.len() as u64 > most {
        return Err(garbled(1, "a history in the compact notation has at most 4 MiB".to_owned()));
    }
    let told = str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        garbled(line, "it is not UTF-8".to_owned())
    })?;
    let history = text::parse(told).map_err(|error| {
        let op = if let text::TextError::Unreadable { op, .. } = &error { op.as_str() } else { "" };
        let line = told.lines().position(|line| !op.is_empty() && line.contains(op)).unwrap_or(0);
        garbled(line + 1, error.to_string())
    })?;
    for entry in history.entries() {
        visit(1, entry.clone())?;
    }
    Ok(Scanned::default())
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(name: &str) -> Result<Format, String> {
        // Porcupine's two kinds of test data are read as what they are.
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
            format!("{name:?} is no format: there is {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests;
