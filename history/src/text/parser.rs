//! One operation of the compact notation.

use crate::{Call, Doubt, Got, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Value};

/// An operation as written. What it is about may depend on the others (see `resolve`).
pub(super) struct Parsed {
    pub process: ProcessId,
    pub call: Call,
    pub reply: Reply,
    pub end: End,
    /// From which event to which; not said if it follows those before it.
    pub interval: Option<(u64, Option<u64>)>,
    /// The parts of the transaction that read one value, which may stand for a list of one.
    pub single: Vec<usize>,
}

/// How it ended.
pub(super) enum End {
    Ok,
    Fail,
    Found(Option<Value>),
    Unknown,
}

type Parse<T> = Result<T, &'static str>;

/// Processes called T1, T2, … come after those that have letters.
const T: u32 = 100;

pub(super) fn op(text: &str) -> Parse<Parsed> {
    Parser { rest: text, single: Vec::new() }.op()
}

impl Parsed {
    pub fn outcome(&self) -> Outcome {
        match (&self.end, &self.call) {
            (End::Ok, _) => Outcome::Ok(self.reply.clone()),
            (End::Unknown, _) => Outcome::Unknown(Doubt::Timeout),
            (End::Found(found), _) => Outcome::Fail(Refusal::Mismatch { found: *found }),
            (End::Fail, Call::Txn { .. }) => Outcome::Fail(Refusal::Aborted),
            (End::Fail, Call::Acquire { .. } | Call::Release { .. }) => Outcome::Fail(Refusal::NotHeld),
            (End::Fail, _) => Outcome::Fail(Refusal::Unreachable),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    single: Vec<usize>,
}

impl Parser<'_> {
    fn op(mut self) -> Parse<Parsed> {
        let (process, bare) = self.process()?;
        self.expect(":", "a process is followed by ':'")?;
        let (call, reply) = match bare {
            true => self.txn()?,
            false => self.call()?,
        };
        self.take(" ");
        let interval = if self.take("[") { Some(self.interval()?) } else { None };
        let doubtful = interval.is_some_and(|(_, completed)| completed.is_none());
        let end = match self.take("!") {
            true if self.rest.is_empty() => End::Fail,
            true => End::Found(self.held()?),
            false if doubtful => End::Unknown,
            false => End::Ok,
        };
        if !self.rest.is_empty() {
            return Err("there is something after it");
        }
        Ok(Parsed { process, call, reply, end, interval, single: self.single })
    }

    fn interval(&mut self) -> Parse<(u64, Option<u64>)> {
        let invoked = self.natural()?;
        self.expect(",", "two indexes are separated by ','")?;
        let completed = if self.take("?") { None } else { Some(self.natural()?) };
        self.expect("]", "the indexes end with ']'")?;
        match completed.is_some_and(|completed| completed <= invoked) {
            true => Err("it completes before it is invoked"),
            false => Ok((invoked, completed)),
        }
    }

    /// The process, and whether what it does is a transaction without brackets.
    fn process(&mut self) -> Parse<(ProcessId, bool)> {
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        if self.take("p") {
            return Ok((ProcessId(self.small()?), false));
        }
        if self.rest.strip_prefix('T').is_some_and(digit) {
            self.take("T");
            let number = self.small()?.checked_add(T).ok_or("no such process number")?;
            let process = if self.take("@") { self.letter()? } else { ProcessId(number) };
            return Ok((process, true));
        }
        Ok((self.letter()?, false))
    }

    fn letter(&mut self) -> Parse<ProcessId> {
        let letter = self.rest.bytes().next().filter(u8::is_ascii_uppercase);
        let letter = letter.ok_or("it begins with a process: p0, p1, … or A, B, …")?;
        self.rest = &self.rest[1..];
        Ok(ProcessId(u32::from(letter - b'A')))
    }

    fn call(&mut self) -> Parse<(Call, Reply)> {
        if self.take("[") {
            let txn = self.txn()?;
            self.expect("]", "a transaction ends with ']'")?;
            return Ok(txn);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(self.rest.len());
        // `wx1` and `deqnil` run on: the longest name that fits.
        const NAMES: [&str; 22] = [
            "subscribe",
            "balances",
            "leader",
            "assign",
            "count",
            "drain",
            "guard",
            "watch",
            "move",
            "cas",
            "add",
            "rem",
            "has",
            "app",
            "inc",
            "enq",
            "deq",
            "acq",
            "rel",
            "id",
            "w",
            "r",
        ];
        let name = NAMES.into_iter().find(|name| self.rest[..end].starts_with(name));
        let name =
            name.ok_or("there is no such call: the calls are w, r, cas, add, … and [a transaction]")?;
        self.take(name);
        match name {
            "w" | "add" | "rem" | "app" | "enq" | "guard" => self.change(name),
            "r" | "has" | "count" | "deq" | "drain" | "id" => self.question(name),
            _ => self.other(name),
        }
    }

    fn change(&mut self, name: &str) -> Parse<(Call, Reply)> {
        let key = self.key()?;
        let value = Value(self.number()?);
        let call = match name {
            "w" => Call::Write { key, value },
            "add" => Call::Add { key, value },
            "rem" => Call::Remove { key, value },
            "app" => Call::Append { key, value },
            "enq" => Call::Enqueue { key, value },
            _ => {
                self.expect("@", "guard is followed by 'value@token'")?;
                Call::Guarded { key, value, token: self.natural()? }
            }
        };
        Ok((call, Reply::Done))
    }

    fn question(&mut self, name: &str) -> Parse<(Call, Reply)> {
        let key = self.key()?;
        Ok(match name {
            "r" if self.take("{") => {
                let values = if self.take("?") { Vec::new() } else { self.values()? };
                self.expect("}", "the elements end with '}'")?;
                (Call::Elements { key }, Reply::List(values))
            }
            "r" => (Call::Read { key }, Reply::Read(if self.take("?") { None } else { self.held()? })),
            "has" => {
                let value = Value(self.number()?);
                let yes = self.take(" yes");
                let said = yes || self.take(" no") || self.take("?");
                let reply = if said { Reply::Is(yes) } else { return Err("has ends with yes, no or ?") };
                (Call::Contains { key, value }, reply)
            }
            "count" => (Call::Count { key }, Reply::Count(if self.take("?") { 0 } else { self.number()? })),
            "deq" => {
                let none = self.take("?") || self.take("∅");
                (Call::Dequeue { key }, Reply::Read(if none { None } else { self.held()? }))
            }
            "drain" if self.take("?") => (Call::Drain { key }, Reply::List(Vec::new())),
            "drain" => {
                self.expect("[", "drain is followed by '[values]' or ?")?;
                let values = self.values()?;
                self.expect("]", "what was drained ends with ']'")?;
                (Call::Drain { key }, Reply::List(values))
            }
            _ => (Call::NextId { key }, Reply::Read(if self.take("?") { None } else { self.held()? })),
        })
    }

    fn other(&mut self, name: &str) -> Parse<(Call, Reply)> {
        Ok(match name {
            "cas" => {
                let key = self.key()?;
                self.expect("(", "cas is followed by '(expected,new)'")?;
                let expected = self.held()?;
                self.expect(",", "cas is followed by '(expected,new)'")?;
                let new = Value(self.number()?);
                self.expect(")", "cas is followed by '(expected,new)'")?;
                (Call::Cas { key, expected, new }, Reply::Done)
            }
            "inc" => {
                let key = self.key()?;
                let by = if self.number_follows() { self.number()? } else { 1 };
                (Call::Increment { key, by }, Reply::Done)
            }
            "acq" => {
                let key = self.key()?;
                let lease_ms = if self.take("for ") { Some(self.natural()?) } else { None };
                let token = if self.take("@") { Some(self.natural()?) } else { None };
                (Call::Acquire { key, lease_ms }, Reply::Held(token))
            }
            "rel" => (Call::Release { key: self.key()? }, Reply::Done),
            "move" => {
                let (from, to) = (self.key()?, self.key()?);
                (Call::Transfer { from, to, amount: self.number()? }, Reply::Done)
            }
            "balances" => {
                let balance = |p: &mut Self| Ok((p.key()?, p.after(":")?.number()?));
                (Call::Balances, Reply::Balances(self.known("{", balance, "}")?))
            }
            "leader" => {
                self.take(" ");
                let nobody = self.take("nil") || self.take("?");
                (Call::Leader, Reply::Leader(if nobody { None } else { Some(self.led()?) }))
            }
            "watch" => {
                let key = self.key()?;
                self.expect("@", "watch is followed by 'key@revision'")?;
                let after = self.natural()?;
                let change = |p: &mut Self| Ok((p.natural()?, Value(p.after(":")?.number()?)));
                (Call::Watch { key, after }, Reply::Changes(self.known("{", change, "}")?))
            }
            _ => {
                self.take(" ");
                let keys = self.known("[", Self::key, "]")?;
                (Call::Assign { keys, shared: name == "subscribe" }, Reply::Done)
            }
        })
    }

    fn led(&mut self) -> Parse<(NodeId, u64)> {
        self.expect("n", "a leader is node@term")?;
        let node = self.natural()?.try_into().map_err(|_| "no such node")?;
        Ok((NodeId(node), self.after("@")?.natural()?))
    }

    fn txn(&mut self) -> Parse<(Call, Reply)> {
        let (mut mops, mut gots) = (Vec::new(), Vec::new());
        loop {
            while self.take(" ") {}
            if self.rest.is_empty() || self.rest.starts_with(['[', ']', '!']) {
                return Ok((Call::Txn { mops }, Reply::Txn(gots)));
            }
            let (mop, got) = self.mop(mops.len())?;
            mops.push(mop);
            gots.push(got);
        }
    }

    fn mop(&mut self, place: usize) -> Parse<(Mop, Got)> {
        if self.take("poll") {
            let message = |p: &mut Self| {
                let (key, offset) = (p.key()?, p.after("@")?.natural()?);
                Ok((key, offset, Value(p.after(":")?.number()?)))
            };
            return Ok((Mop::Poll, Got::Messages(self.known("{", message, "}")?)));
        }
        let name = self.rest.chars().next().filter(|name| "rwas".contains(*name));
        let name = name.ok_or("the parts of a transaction are r, w, a, s and poll")?;
        self.rest = &self.rest[1..];
        let key = self.key_of_mop()?;
        if name == 'r' {
            return Ok((Mop::Read { key }, self.got(place)?));
        }
        self.take("=");
        let value = Value(self.number()?);
        Ok(match name {
            'w' => (Mop::Write { key, value }, Got::Done),
            'a' => (Mop::Append { key, value }, Got::Done),
            _ => {
                let offset = if self.take("@") { Some(self.natural()?) } else { None };
                (Mop::Send { key, value }, Got::Offset(offset))
            }
        })
    }

    fn got(&mut self, place: usize) -> Parse<Got> {
        if self.take("=") {
            return Ok(Got::Value(self.held()?));
        }
        if self.take("[") {
            let values = self.values()?;
            self.expect("]", "a list ends with ']'")?;
            return Ok(Got::List(values));
        }
        if self.take("nil") || self.take("?") {
            return Ok(Got::Value(None));
        }
        let values = self.values()?;
        if values.len() == 1 {
            self.single.push(place);
        }
        Ok(Got::List(values))
    }

    /// `( item, … )` with these brackets, or `?` if it is not known.
    fn known<I>(&mut self, open: &str, item: impl Fn(&mut Self) -> Parse<I>, close: &str) -> Parse<Vec<I>> {
        let mut items = Vec::new();
        if self.take("?") {
            return Ok(items);
        }
        self.expect(open, "a list in brackets, or ?, is missing")?;
        while !self.take(close) {
            if !items.is_empty() {
                self.expect(",", "the parts of a list are separated by ','")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn key(&mut self) -> Parse<Key> {
        self.take(" ");
        let key = self.key_of_mop()?;
        self.take(" ");
        Ok(key)
    }

    /// In a transaction a space parts its parts.
    fn key_of_mop(&mut self) -> Parse<Key> {
        for (name, key) in [("x", 0), ("y", 1), ("z", 2)] {
            if self.take(name) {
                return Ok(Key(key));
            }
        }
        if self.take("k") { Ok(Key(self.natural()?)) } else { Ok(Key(0)) }
    }

    fn values(&mut self) -> Parse<Vec<Value>> {
        let mut values = Vec::new();
        while self.number_follows() {
            values.push(Value(self.number()?));
            if !self.take(",") {
                break;
            }
        }
        Ok(values)
    }

    fn held(&mut self) -> Parse<Option<Value>> {
        if self.take("nil") { Ok(None) } else { Ok(Some(Value(self.number()?))) }
    }

    fn number_follows(&self) -> bool {
        self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-')
    }

    fn number<N: std::str::FromStr>(&mut self) -> Parse<N> {
        let digits = |c: char| c.is_ascii_digit() || c == '-';
        let end = self.rest.find(|c| !digits(c)).unwrap_or(self.rest.len());
        let number = self.rest[..end].parse().map_err(|_| "a number is missing or too large")?;
        self.rest = &self.rest[end..];
        Ok(number)
    }

    fn natural(&mut self) -> Parse<u64> {
        match self.rest.starts_with('-') {
            true => Err("an index, a key, a token, a term, a revision or an offset is not negative"),
            false => self.number(),
        }
    }

    fn small(&mut self) -> Parse<u32> {
        self.number().map_err(|_| "no such process number")
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn after(&mut self, token: &str) -> Parse<&mut Self> {
        if self.take(token) { Ok(self) } else { Err("'@' or ':' is missing") }
    }

    fn expect(&mut self, token: &str, otherwise: &'static str) -> Parse<()> {
        if self.take(token) { Ok(()) } else { Err(otherwise) }
    }
}
