//! The text of AWDIT's tests (Møldrup and Pavlogiannis, PLDI 2025): `r key value` and `w key value` a line, a line of
//! dashes after a transaction, a line of equals signs after a session. What was never written was never there.

use super::sessions::Sessions;
use super::{ReadError, Scanned};
use crate::Entry;
use crate::jsonl::read_line;
use std::io::BufRead;

pub(super) fn scan(
    mut source: impl BufRead,
    visit: &mut dyn FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    let mut sessions = Sessions::new(false, visit);
    let (mut session, mut begun) = (0, 0);
    let mut parts = Vec::new();
    let mut bytes = Vec::new();
    let mut line = 0;
    while read_line(&mut source, line, &mut bytes)? > 0 {
        line += 1;
        let text = bytes.trim_ascii();
        let rule = |of: u8| text.len() >= 3 && text.iter().all(|byte| *byte == of);
        if rule(b'-') || rule(b'=') {
            if !parts.is_empty() {
                sessions.transaction(begun, session, &parts, true)?;
                parts.clear();
            }
            session += u64::from(rule(b'='));
        } else if !text.is_empty() {
            let Some((write, key, value)) = parse(text) else {
                let shown = String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
                let why = format!("{shown:?} is not r key value, w key value, ----- or =====");
                return Err(ReadError::Garbled { line, why });
            };
            let part = sessions.part(write, key, value).map_err(|why| ReadError::Garbled { line, why })?;
            begun = if parts.is_empty() { line } else { begun };
            parts.push(part);
        }
    }
    if !parts.is_empty() {
        sessions.transaction(begun, session, &parts, true)?;
    }
    Ok(Scanned::default())
}

/// Read or write; key and value.
fn parse(text: &[u8]) -> Option<(bool, u64, u64)> {
    let mut words = str::from_utf8(text).ok()?.split_whitespace();
    let write = match words.next()? {
        "w" => true,
        "r" => false,
        _ => return None,
    };
    let (key, value) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some((write, key, value))
}
