//! The text of Plume (Liu et al., OOPSLA 2024), IsoVista and PolySI: `r(key,value,session,transaction)` a line.
//!
//! Transaction -1 is one that aborted. The lines of a transaction follow one another within its session. A register
//! that was never written holds 0.

use super::sessions::{Part, Sessions};
use super::{ReadError, Scanned};
use crate::Entry;
use crate::jsonl::read_line;
use std::collections::BTreeMap;
use std::io::BufRead;

/// The transaction that a session is in.
struct Open {
    line: usize,
    number: i64,
    parts: Vec<Part>,
}

pub(super) fn scan(
    mut source: impl BufRead,
    visit: &mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    let mut sessions = Sessions::new(true, visit);
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut bytes = Vec::new();
    let mut line = 0;
    while read_line(&mut source, line, &mut bytes)? > 0 {
        line += 1;
        let text = bytes.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let garbled = || {
            let shown = String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
            let why = format!("{shown:?} is not r(key,value,session,transaction) or w(…)");
            ReadError::Garbled { line, why }
        };
        let (write, [key, value, session], number) = parse(text).ok_or_else(garbled)?;
        let part = sessions.part(write, key, value).map_err(|why| ReadError::Garbled { line, why })?;
        match open.get_mut(&session) {
            Some(now) if now.number == number && number >= 0 => now.parts.push(part),
            Some(now) if now.number > number && number >= 0 && now.number >= 0 => {
                let why =
                    format!("transaction {number} of session {session} goes on after {} began", now.number);
                return Err(ReadError::Garbled { line, why });
            }
            _ => {
                let begun = Open { line, number, parts: vec![part] };
                if let Some(done) = open.insert(session, begun) {
                    sessions.transaction(done.line, session, &done.parts, done.number >= 0)?;
                }
            }
        }
    }
    for (session, done) in open {
        sessions.transaction(done.line, session, &done.parts, done.number >= 0)?;
    }
    Ok(Scanned::default())
}

/// Read or write; key, value and session; the transaction.
fn parse(text: &[u8]) -> Option<(bool, [u64; 3], i64)> {
    let text = str::from_utf8(text).ok()?;
    let (kind, rest) = text.split_once('(')?;
    let write = match kind.trim() {
        "w" => true,
        "r" => false,
        _ => return None,
    };
    let mut numbers = rest.strip_suffix(')')?.split(',').map(str::trim);
    let mut number = || numbers.next()?.parse().ok();
    let three = [number()?, number()?, number()?];
    let transaction = numbers.next()?.parse().ok()?;
    numbers.next().is_none().then_some((write, three, transaction))
}
