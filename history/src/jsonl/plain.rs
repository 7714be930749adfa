//! The lines of which most of a history consists, read without a parser that knows everything.
//!
//! Our writer writes an event in one way only: without blanks, its fields in one order. A call or a completion that is
//! written just so, and says nothing unusual, is read here in one go. Any other line is none of ours, however right it
//! is, and is read as JSON. A test holds one against the other.

use crate::{
    Call, Doubt, Entry, Event, Got, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Time, Value,
};

/// So many digits fit in 64 bits, whatever they are.
const DIGITS: usize = 18;

/// Reads lines. What they say is gathered in memory that is used again, so that what is kept of them is as large as it
/// has to be.
#[derive(Debug, Default)]
pub(super) struct Plain {
    values: Vec<Value>,
    mops: Vec<Mop>,
    gots: Vec<Got>,
}

impl Plain {
    /// What a line says, its end included, if it is written just so.
    pub fn entry(&mut self, line: &[u8]) -> Option<Entry> {
        let mut rest = Rest(line);
        rest.word(b"{\"time\":")?;
        let time = Time(rest.natural()?);
        rest.word(b",\"event\":{\"")?;
        let event = match rest.name()? {
            b"invoke" => {
                rest.word(b"{\"process\":")?;
                let process = rest.process()?;
                rest.word(b",\"node\":")?;
                let node = NodeId(u16::try_from(rest.natural()?).ok()?);
                rest.word(b",\"call\":{\"")?;
                Event::Invoke { process, node, call: self.call(&mut rest)? }
            }
            b"complete" => {
                rest.word(b"{\"process\":")?;
                let process = rest.process()?;
                rest.word(b",\"outcome\":{\"")?;
                let outcome = match rest.name()? {
                    b"ok" => Outcome::Ok(self.reply(&mut rest)?),
                    b"fail" => Outcome::Fail(rest.refusal()?),
                    b"unknown" => Outcome::Unknown(rest.doubt()?),
                    _ => return None,
                };
                Event::Complete { process, outcome }
            }
            _ => return None,
        };
        rest.word(b"}}}}\n")?;
        rest.0.is_empty().then_some(Entry { time, event })
    }

    /// A call, without the last brace.
    fn call(&mut self, rest: &mut Rest<'_>) -> Option<Call> {
        let name = rest.name()?;
        if name == b"txn" {
            rest.word(b"{\"mops\":")?;
            rest.several(&mut self.mops, Rest::mop)?;
            rest.word(b"}")?;
            return Some(Call::Txn { mops: exactly(&mut self.mops) });
        }
        let key = rest.key()?;
        let call = match name {
            b"read" => Call::Read { key },
            b"elements" => Call::Elements { key },
            b"count" => Call::Count { key },
            b"dequeue" => Call::Dequeue { key },
            b"acquire" => {
                rest.word(b",\"lease_ms\":")?;
                let lease_ms = if rest.word(b"null").is_some() { None } else { Some(rest.natural()?) };
                Call::Acquire { key, lease_ms }
            }
            b"release" => Call::Release { key },
            b"cas" => {
                rest.word(b",\"expected\":")?;
                let expected = rest.held()?;
                rest.word(b",\"new\":")?;
                Call::Cas { key, expected, new: rest.value()? }
            }
            b"increment" => {
                rest.word(b",\"by\":")?;
                Call::Increment { key, by: rest.value()?.0 }
            }
            _ => {
                rest.word(b",\"value\":")?;
                let value = rest.value()?;
                match name {
                    b"write" => Call::Write { key, value },
                    b"append" => Call::Append { key, value },
                    b"add" => Call::Add { key, value },
                    b"remove" => Call::Remove { key, value },
                    b"contains" => Call::Contains { key, value },
                    b"enqueue" => Call::Enqueue { key, value },
                    _ => return None,
                }
            }
        };
        rest.word(b"}").map(|()| call)
    }

    /// An answer, with its braces.
    fn reply(&mut self, rest: &mut Rest<'_>) -> Option<Reply> {
        if rest.word(b"\"done\"").is_some() {
            return Some(Reply::Done);
        }
        rest.word(b"{\"")?;
        let reply = match rest.name()? {
            b"read" => Reply::Read(rest.held()?),
            b"count" => Reply::Count(rest.value()?.0),
            b"list" => {
                rest.several(&mut self.values, Rest::value)?;
                Reply::List(exactly(&mut self.values))
            }
            b"txn" => {
                rest.several(&mut self.gots, |rest| rest.got(&mut self.values))?;
                Reply::Txn(exactly(&mut self.gots))
            }
            _ => return None,
        };
        rest.word(b"}").map(|()| reply)
    }
}

/// Takes what was gathered, without room for more.
fn exactly<T>(gathered: &mut Vec<T>) -> Vec<T> {
    let mut taken = Vec::with_capacity(gathered.len());
    taken.append(gathered);
    taken
}

/// What is left of a line.
struct Rest<'l>(&'l [u8]);

impl<'l> Rest<'l> {
    /// Exactly this.
    fn word<const LENGTH: usize>(&mut self, word: &[u8; LENGTH]) -> Option<()> {
        let (first, rest) = self.0.split_first_chunk::<LENGTH>()?;
        (first == word).then(|| self.0 = rest)
    }

    /// The name of a field whose quote is behind us, and the colon after it.
    fn name(&mut self) -> Option<&'l [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'"')?;
        let (name, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\":")?;
        Some(name)
    }

    /// Gathers what stands between brackets, with commas in between.
    fn several<T>(
        &mut self,
        gathered: &mut Vec<T>,
        mut one: impl FnMut(&mut Rest<'l>) -> Option<T>,
    ) -> Option<()> {
        gathered.clear();
        self.word(b"[")?;
        if self.word(b"]").is_some() {
            return Some(());
        }
        loop {
            gathered.push(one(self)?);
            if self.word(b",").is_none() {
                return self.word(b"]");
            }
        }
    }

    fn natural(&mut self) -> Option<u64> {
        let (mut number, mut digits) = (0, 0);
        while let Some(digit) =
            self.0.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            number = number * 10 + u64::from(digit);
            digits += 1;
            if digits > DIGITS {
                return None;
            }
        }
        // No number of JSON begins with a zero that could be left out.
        let is_number = digits == 1 || (digits > 1 && self.0[0] != b'0');
        is_number.then(|| {
            self.0 = &self.0[digits..];
            number
        })
    }

    /// A string without anything to escape.
    fn string(&mut self) -> Option<&'l [u8]> {
        self.word(b"\"")?;
        let end = self.0.iter().position(|byte| *byte == b'"')?;
        let (string, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(string)
    }

    fn refusal(&mut self) -> Option<Refusal> {
        if self.word(b"{\"mismatch\":{\"found\":").is_some() {
            let found = self.held()?;
            return self.word(b"}}").map(|()| Refusal::Mismatch { found });
        }
        match self.string()? {
            b"unreachable" => Some(Refusal::Unreachable),
            b"aborted" => Some(Refusal::Aborted),
            b"not_held" => Some(Refusal::NotHeld),
            _ => None,
        }
    }

    fn doubt(&mut self) -> Option<Doubt> {
        match self.string()? {
            b"timeout" => Some(Doubt::Timeout),
            b"disconnected" => Some(Doubt::Disconnected),
            b"deposed" => Some(Doubt::Deposed),
            _ => None,
        }
    }

    fn process(&mut self) -> Option<ProcessId> {
        u32::try_from(self.natural()?).ok().map(ProcessId)
    }

    fn value(&mut self) -> Option<Value> {
        if self.word(b"-").is_none() {
            return Some(Value(self.natural()? as i64));
        }
        // Minus zero is no integer.
        let number = self.natural().filter(|number| *number > 0)?;
        Some(Value(-(number as i64)))
    }

    fn held(&mut self) -> Option<Option<Value>> {
        if self.word(b"null").is_some() { Some(None) } else { self.value().map(Some) }
    }

    /// The first field of a call about one object.
    fn key(&mut self) -> Option<Key> {
        self.word(b"{\"key\":")?;
        self.natural().map(Key)
    }

    fn mop(&mut self) -> Option<Mop> {
        self.word(b"{\"")?;
        let (name, key) = (self.name()?, self.key()?);
        if name == b"read" {
            return self.word(b"}}").map(|()| Mop::Read { key });
        }
        self.word(b",\"value\":")?;
        let value = self.value()?;
        self.word(b"}}")?;
        match name {
            b"append" => Some(Mop::Append { key, value }),
            b"write" => Some(Mop::Write { key, value }),
            _ => None,
        }
    }

    fn got(&mut self, values: &mut Vec<Value>) -> Option<Got> {
        if self.word(b"\"done\"").is_some() {
            return Some(Got::Done);
        }
        self.word(b"{\"")?;
        let got = match self.name()? {
            b"value" => Got::Value(self.held()?),
            b"list" => {
                self.several(values, Rest::value)?;
                Got::List(exactly(values))
            }
            _ => return None,
        };
        self.word(b"}").map(|()| got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls as they are written.
    const CALLS: [&str; 18] = [
        r#"{"read":{"key":3}}"#,
        r#"{"write":{"key":3,"value":-41}}"#,
        r#"{"cas":{"key":3,"expected":null,"new":42}}"#,
        r#"{"cas":{"key":0,"expected":41,"new":42}}"#,
        r#"{"txn":{"mops":[{"read":{"key":1}},{"append":{"key":1,"value":8}},{"write":{"key":2,"value":9}}]}}"#,
        r#"{"txn":{"mops":[]}}"#,
        r#"{"add":{"key":3,"value":41}}"#,
        r#"{"remove":{"key":3,"value":41}}"#,
        r#"{"contains":{"key":3,"value":41}}"#,
        r#"{"elements":{"key":3}}"#,
        r#"{"append":{"key":3,"value":41}}"#,
        r#"{"increment":{"key":3,"by":-5}}"#,
        r#"{"count":{"key":3}}"#,
        r#"{"enqueue":{"key":3,"value":41}}"#,
        r#"{"dequeue":{"key":3}}"#,
        r#"{"acquire":{"key":3,"lease_ms":null}}"#,
        r#"{"acquire":{"key":3,"lease_ms":500}}"#,
        r#"{"release":{"key":3}}"#,
    ];

    /// Of every kind of call and answer one, and what could be taken for one.
    fn lines() -> Vec<String> {
        let others = [
            r#""balances""#,
            r#"{"drain":{"key":3}}"#,
            r#"{"acquire":{"key":3}}"#,
            r#"{"watch":{"key":3,"after":17}}"#,
            r#"{"guarded":{"key":3,"value":41,"token":6}}"#,
            r#"{"txn":{"mops":[{"send":{"key":3,"value":10}},"poll"]}}"#,
            r#"{"read":{"key": 3}}"#,
            r#"{"read":{"key":03}}"#,
            r#"{"read":{"key":12345678901234567890}}"#,
            r#"{"write":{"key":3,"value":-0}}"#,
            r#"{"write":{"value":1,"key":3}}"#,
            r#"{"rea\u0064":{"key":3}}"#,
        ];
        let answers = [
            r#"{"ok":"done"}"#,
            r#"{"ok":{"read":null}}"#,
            r#"{"ok":{"read":-7}}"#,
            r#"{"ok":{"count":7}}"#,
            r#"{"ok":{"list":[]}}"#,
            r#"{"ok":{"list":[1,-2,3]}}"#,
            r#"{"ok":{"txn":[{"list":[4,5]},"done",{"value":null},{"value":6},{"list":[]}]}}"#,
            r#"{"fail":{"mismatch":{"found":8}}}"#,
            r#"{"fail":{"mismatch":{"found":null}}}"#,
            r#"{"fail":"unreachable"}"#,
            r#"{"fail":"aborted"}"#,
            r#"{"fail":"not_held"}"#,
            r#"{"unknown":"timeout"}"#,
            r#"{"unknown":"disconnected"}"#,
            r#"{"unknown":"deposed"}"#,
        ];
        let refusals = [
            r#"{"ok":{"is":true}}"#,
            r#"{"ok":{"txn":[{"offset":4}]}}"#,
            r#"{"ok":{"list":[1,]}}"#,
            r#"{"ok":{"list":[1 ,2]}}"#,
            r#"{"fail":{"not_leader":{"hint":2}}}"#,
            r#"{"fail":{"other":"aborted"}}"#,
            r#"{"unknown":"unfinished"}"#,
            r#"{"unknown":"time\u006fut"}"#,
            r#"{"unknown":null}"#,
        ];
        let call = |call: &&str| {
            format!("{{\"time\":17,\"event\":{{\"invoke\":{{\"process\":4,\"node\":1,\"call\":{call}}}}}}}\n")
        };
        let answer = |answer: &&str| {
            format!("{{\"time\":0,\"event\":{{\"complete\":{{\"process\":4,\"outcome\":{answer}}}}}}}\n")
        };
        let plain = CALLS.iter().map(call).chain(answers.iter().map(answer));
        let other = others.iter().map(call).chain(refusals.iter().map(answer));
        let marked = |mark: &'static str| move |line: String| format!("{mark}{line}");
        plain.map(marked("+")).chain(other.map(marked("-"))).collect()
    }

    /// Whatever is read says what JSON says.
    fn agree(line: &[u8]) -> bool {
        let Some(entry) = Plain::default().entry(line) else { return false };
        let shown = String::from_utf8_lossy(line);
        assert_eq!(serde_json::from_slice::<Entry>(line).ok(), Some(entry), "{shown}");
        true
    }

    #[test]
    fn what_is_written_just_so_is_read_and_nothing_else() {
        for line in lines() {
            let (mark, line) = line.split_at(1);
            assert_eq!(agree(line.as_bytes()), mark == "+", "{line}");
            assert!(!agree(line.trim_end().as_bytes()) && !agree(format!("{line}\n").as_bytes()));
        }
    }

    #[test]
    fn what_is_nearly_written_so_means_the_same_as_json() {
        let few = b"019-,:[]{}\" \nx";
        let mut read = 0;
        for line in lines() {
            let line = &line.as_bytes()[1..];
            for at in 0..line.len() {
                let (before, after) = line.split_at(at);
                read += u32::from(agree(&[before, &after[1..]].concat()));
                for byte in few {
                    read += u32::from(agree(&[before, &[*byte], &after[1..]].concat()));
                    read += u32::from(agree(&[before, &[*byte], after].concat()));
                }
            }
        }
        assert!(read > 1000, "digits may be put anywhere: {read}");
    }

    #[test]
    fn what_is_left_of_one_line_is_not_in_the_next() {
        let mut plain = Plain::default();
        let line = |list: &str| {
            format!(
                "{{\"time\":0,\"event\":{{\"complete\":{{\"process\":4,\"outcome\":{{\"ok\":{{\"txn\":[{list}]}}}}}}}}}}\n"
            )
        };
        assert_eq!(plain.entry(line(r#"{"list":[1,2]},{"list":[3,x"#).as_bytes()), None);
        let entry = plain.entry(line(r#"{"list":[4]}"#).as_bytes()).unwrap();
        let reply = Reply::Txn(vec![Got::List(vec![Value(4)])]);
        assert_eq!(entry.event, Event::Complete { process: ProcessId(4), outcome: Outcome::Ok(reply) });
    }
}
