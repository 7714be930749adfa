//! The log of a Jepsen test: lines of process, type, function and value, such as
//! `INFO  jepsen.util - 17 :invoke :cas [3 0]`, with tabs between them. Lines of other kinds are left out.

use super::jepsen::Jepsen;
use super::lexer::{Syntax, Tape};
use super::{Options, ReadError, Scanned};
use crate::Entry;
use crate::jsonl::{Torn, read_line};
use std::io::BufRead;

pub(super) fn scan(
    mut source: impl BufRead,
    options: &Options,
    visit: &mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    let mut jepsen = Jepsen::new(Syntax::Edn, *options, visit);
    let (mut bytes, mut record, mut tape) = (Vec::new(), Vec::new(), Tape::default());
    let (mut line, mut any) = (0, false);
    while read_line(&mut source, line, &mut bytes)? > 0 {
        line += 1;
        if rewrite(&bytes, &mut record).map_err(|why| ReadError::Garbled { line, why })? {
            any = true;
            // Nobody can tell 3 from the beginning of 35.
            if !bytes.ends_with(b"\n") {
                return jepsen.finish(Some(Torn { line, bytes: bytes.len() }));
            }
            tape.lay(&record, Syntax::Edn).map_err(|why| ReadError::Garbled { line, why })?;
            jepsen.hear(line, &tape)?;
        }
    }
    match any {
        true => jepsen.finish(None),
        false => Err(ReadError::Alien { found: "no line of it is an operation of jepsen.util".to_owned() }),
    }
}

/// What a line about an operation has before it.
const MARK: &str = "jepsen.util - ";

/// Makes a record of a line, if it is about an operation.
///
/// # Errors
/// If it may be about one and is no text. Other lines may be what they want.
fn rewrite(line: &[u8], record: &mut Vec<u8>) -> Result<bool, String> {
    let Some(at) = line.windows(MARK.len()).position(|piece| piece == MARK.as_bytes()) else {
        return Ok(false);
    };
    let after = &line[at + MARK.len()..];
    let mut rest = str::from_utf8(after).map_err(|why| format!("it is no UTF-8: {why}"))?;
    let mut field = || {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        rest = after;
        field
    };
    let (process, kind, f) = (field(), field(), field());
    if !kind.starts_with(':') || !f.starts_with(':') || process.contains(['{', '"', ';']) {
        return Ok(false);
    }
    let value = if rest.trim().is_empty() { "nil" } else { rest.trim() };
    record.clear();
    record
        .extend_from_slice(format!("{{:process {process} :type {kind} :f {f} :value {value}\n}}").as_bytes());
    Ok(true)
}
