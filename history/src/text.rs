//! The compact notation for people: `p0:w k1 5[3,7]` is "p0 wrote 5 to k1, from event 3 to event 7".
//!
//! ```text
//! history = op { (";" | newline) op }            "#" begins a comment
//! op      = process ":" call "[" index "," (index | "?") "]" ["!"]
//! call    = "w" [key] value | "r" [key] (value | "nil") | "cas" [key] "(" (value | "nil") "," value ")"
//! process = "p" number | one capital letter (A is p0)
//! key     = "k" number " " | "x" | "y" | "z" (k0, k1, k2); k0 if left out
//! ```
//! `?` means that the outcome is unknown, `!` that the call certainly failed. The indexes are those of the
//! events; events that are not named are not there, only the order of the indexes counts. A failed `cas` that
//! says what it found ends in `!value`.

use crate::{
    Call, Doubt, Event, History, Key, Malformed, NodeId, Op, Outcome, ProcessId, Refusal, Reply, Time, Value,
};
use std::collections::BTreeMap;

/// Why a text is not a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// An operation cannot be understood.
    #[error("cannot read {op:?}: {why}")]
    Unreadable {
        /// The operation as written.
        op: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The operations contradict one another.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Reads a history in the compact notation.
///
/// # Errors
/// If an operation cannot be read, or two of them contradict one another.
pub fn parse(text: &str) -> Result<History, TextError> {
    let mut events = BTreeMap::new();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    for op in lines.flat_map(|line| line.split(';')).map(str::trim) {
        if op.is_empty() || op == "(empty)" {
            continue;
        }
        let parsed = Parser { rest: op }.op();
        let parsed = parsed.map_err(|why| TextError::Unreadable { op: op.to_owned(), why })?;
        let (process, node) = (parsed.process, NodeId(1));
        let invoke = Event::Invoke { process, node, call: parsed.call };
        let complete = parsed.completed.map(|at| (at, Event::Complete { process, outcome: parsed.outcome }));
        for (at, event) in [(parsed.invoked, invoke)].into_iter().chain(complete) {
            if events.insert(at, event).is_some() {
                return Err(TextError::Unreadable { op: op.to_owned(), why: "its index is taken" });
            }
        }
    }
    let mut history = History::new();
    for (at, event) in events {
        history.push(Time(at), event)?;
    }
    Ok(history)
}

/// Writes one operation in the compact notation.
pub fn show(op: &Op<'_>) -> String {
    let nil = |value: Option<Value>| value.map_or_else(|| "nil".to_owned(), |value| value.to_string());
    let call = match (op.call, op.outcome) {
        (Call::Read { key }, Outcome::Ok(Reply::Read(value))) => format!("r {key} {}", nil(*value)),
        (Call::Read { key }, _) => format!("r {key} ?"),
        (Call::Write { key, value }, _) => format!("w {key} {value}"),
        (Call::Cas { key, expected, new }, _) => format!("cas {key} ({},{new})", nil(*expected)),
    };
    let end = match (op.completed, op.outcome) {
        (Some(at), Outcome::Ok(_)) => format!("{at}]"),
        (Some(at), Outcome::Fail(Refusal::Mismatch { found })) => format!("{at}]!{}", nil(*found)),
        (Some(at), Outcome::Fail(_)) => format!("{at}]!"),
        _ => "?]".to_owned(),
    };
    format!("{}:{call}[{},{end}", op.process, op.invoked)
}

struct Parsed {
    process: ProcessId,
    call: Call,
    outcome: Outcome,
    invoked: u64,
    completed: Option<u64>,
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn op(mut self) -> Result<Parsed, &'static str> {
        let process = self.process()?;
        self.expect(":", "a process is followed by ':'")?;
        let (call, reply) = self.call()?;
        self.expect("[", "a call is followed by '[invoked,completed]'")?;
        let invoked = self.number()?.try_into().map_err(|_| "an index is not negative")?;
        self.expect(",", "two indexes are separated by ','")?;
        let completed = match self.take("?") {
            true => None,
            false => Some(self.number()?.try_into().map_err(|_| "an index is not negative")?),
        };
        self.expect("]", "the indexes end with ']'")?;
        let outcome = match (self.take("!"), self.rest.is_empty()) {
            (false, true) if completed.is_none() => Outcome::Unknown(Doubt::Timeout),
            (false, true) => Outcome::Ok(reply),
            (true, true) => Outcome::Fail(Refusal::Unreachable),
            (true, false) => Outcome::Fail(Refusal::Mismatch { found: self.held()? }),
            (false, false) => return Err("there is something after it"),
        };
        if !self.rest.trim().is_empty() {
            return Err("there is something after it");
        }
        if completed.is_some_and(|completed| completed <= invoked) {
            return Err("it completes before it is invoked");
        }
        Ok(Parsed { process, call, outcome, invoked, completed })
    }

    fn process(&mut self) -> Result<ProcessId, &'static str> {
        if self.take("p") {
            return Ok(ProcessId(self.number()?.try_into().map_err(|_| "no such process number")?));
        }
        let letter = self.rest.bytes().next().filter(u8::is_ascii_uppercase);
        let letter = letter.ok_or("it begins with a process: p0, p1, … or A, B, …")?;
        self.rest = &self.rest[1..];
        Ok(ProcessId(u32::from(letter - b'A')))
    }

    fn call(&mut self) -> Result<(Call, Reply), &'static str> {
        if self.take("cas") {
            let key = self.key()?;
            self.expect("(", "cas is followed by '(expected,new)'")?;
            let expected = self.held()?;
            self.expect(",", "cas is followed by '(expected,new)'")?;
            let new = Value(self.number()?);
            self.expect(")", "cas is followed by '(expected,new)'")?;
            Ok((Call::Cas { key, expected, new }, Reply::Done))
        } else if self.take("w") {
            let key = self.key()?;
            Ok((Call::Write { key, value: Value(self.number()?) }, Reply::Done))
        } else if self.take("r") {
            let key = self.key()?;
            let value = if self.take("?") { None } else { self.held()? };
            Ok((Call::Read { key }, Reply::Read(value)))
        } else {
            Err("the call is one of w, r, cas")
        }
    }

    fn key(&mut self) -> Result<Key, &'static str> {
        self.take(" ");
        for (name, key) in [("x", 0), ("y", 1), ("z", 2)] {
            if self.take(name) {
                return Ok(Key(key));
            }
        }
        if !self.take("k") {
            return Ok(Key(0));
        }
        let key = self.number()?.try_into().map_err(|_| "a key is not negative")?;
        self.take(" ");
        Ok(Key(key))
    }

    fn held(&mut self) -> Result<Option<Value>, &'static str> {
        if self.take("nil") { Ok(None) } else { Ok(Some(Value(self.number()?))) }
    }

    fn number(&mut self) -> Result<i64, &'static str> {
        let digits = |c: char| c.is_ascii_digit() || c == '-';
        let end = self.rest.find(|c| !digits(c)).unwrap_or(self.rest.len());
        let number = self.rest[..end].parse().map_err(|_| "a number is missing or too large")?;
        self.rest = &self.rest[end..];
        Ok(number)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str, otherwise: &'static str) -> Result<(), &'static str> {
        if self.take(token) { Ok(()) } else { Err(otherwise) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse(text).unwrap().ops().map(|op| show(&op)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn showing_undoes_reading() {
        let full = "p0:w k0 1[0,1]; p1:r k3 nil[2,3]; p2:cas k0 (1,-2)[4,?]; p3:cas k0 (nil,9)[5,6]!7; p4:w k1 3[7,8]!";
        assert_eq!(shown(full), full);
    }

    #[test]
    fn short_forms_are_read() {
        assert_eq!(
            shown("A:w1[0,?]; B:cas(0,2)[1,5]; C:ry0[2,3] # tail"),
            "p0:w k0 1[0,?]; p1:cas k0 (0,2)[1,3]; p2:r k1 0[2,?]"
                .replace("[1,3]", "[1,4]")
                .replace("[2,?]", "[2,3]")
        );
        assert_eq!(shown("(empty)"), "");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("A:w1[0,1", "end with ']'"),
            ("A:q1[0,1]", "one of w, r, cas"),
            ("A:w1[3,2]", "before it is invoked"),
            ("A:w1[0,1]; B:w2[1,2]", "index is taken"),
            ("A:w1[0,2]; A:w2[1,3]", "while its call"),
            ("1:w1[0,2]", "begins with a process"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
