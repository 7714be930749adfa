//! From a function and its value to a call, and back from a value to an answer.

use super::jepsen::Record;
use super::lexer::{Node, Tape};
use super::names::{Kind, Names};
use crate::{Call, Got, Key, Mop, Reply, Value};
use std::collections::BTreeSet;
use std::ops::Bound;

/// What `read` reads and `add` adds to: a file says so only by its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Style {
    #[default]
    Register,
    Counter,
    Set,
    Bank,
    /// Transactions over lists.
    Lists,
}

/// A reader of functions and values.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub names: Names,
    pub style: Style,
    /// Whether something was added, and whether calls name their object, as far as it was looked for evidence.
    adds: bool,
    keyed: bool,
    /// The strings of which a text consists that is only appended to.
    pieces: BTreeSet<Box<str>>,
}

type Said<T> = Result<T, String>;

impl Calls {
    /// What this record says about the style, if anything.
    pub fn evidence(&mut self, tape: &Tape, record: &Record, ok: bool) -> Option<Style> {
        let f = record.f.and_then(|f| tape.word(f)).unwrap_or(b"txn");
        let pair = record.value.and_then(|value| tape.pair(value));
        match f {
            b"write" | b"cas" => Some(Style::Register),
            b"inc" | b"increment" => Some(Style::Counter),
            b"remove" | b"contains" => Some(Style::Set),
            b"transfer" => Some(Style::Bank),
            b"add" => {
                self.adds = true;
                self.keyed |= pair.is_some();
                None
            }
            b"read" if ok => {
                let inner = if self.keyed { pair.map(|(_, inner)| inner) } else { record.value };
                match tape.node(inner?) {
                    Node::Nil => None,
                    Node::Map { .. } => Some(Style::Bank),
                    Node::Items { .. } => Some(Style::Set),
                    _ if self.adds => Some(Style::Counter),
                    _ => Some(Style::Register),
                }
            }
            b"read" => {
                self.keyed |= pair.is_some_and(|(_, inner)| tape.node(inner) == Node::Nil);
                None
            }
            b"txn" => {
                let names = tape.inside(record.value?).filter_map(|mop| tape.word(tape.inside(mop).next()?));
                let telling = |name: &[u8]| match name {
                    b"append" => Some(Style::Lists),
                    b"w" | b"send" | b"poll" => Some(Style::Register),
                    _ => None,
                };
                names.map(telling).find(Option::is_some).flatten()
            }
            _ => Some(Style::Register),
        }
    }

    /// What to believe if nothing was said.
    pub fn guess(&self) -> Style {
        if self.adds { Style::Set } else { Style::Register }
    }

    /// The call of an invocation, and whether its value names the object.
    pub fn call(&mut self, tape: &Tape, record: &Record) -> Said<(Call, bool)> {
        let f = match record.f {
            Some(f) => tape.word(f).ok_or(":f is no name")?,
            None => b"txn",
        };
        match f {
            b"read" | b"dequeue" | b"drain" | b"acquire" | b"lock" | b"release" | b"unlock" | b"generate"
            | b"get" => self.question(f, tape, record),
            b"write" | b"add" | b"remove" | b"contains" | b"append" | b"put" | b"enqueue" | b"inc"
            | b"increment" => self.change(f, tape, record),
            b"cas" => {
                let (first, second) =
                    record.value.and_then(|value| tape.pair(value)).ok_or("cas needs [old new]")?;
                let (key, (old, new)) = match tape.pair(second) {
                    Some(inner) => (Some(first), inner),
                    None => (None, (first, second)),
                };
                let expected = self.value(tape, old)?;
                let new = self.value(tape, new)?.ok_or("cas cannot write nil")?;
                Ok((Call::Cas { key: self.key_or_first(tape, key)?, expected, new }, key.is_some()))
            }
            b"transfer" => Ok((self.transfer(tape, record)?, false)),
            b"txn" | b"send" | b"poll" => {
                let value = record.value.ok_or("a transaction has no value")?;
                let mut mops = Vec::with_capacity(tape.inside(value).count());
                for mop in tape.inside(value) {
                    mops.push(self.mop(tape, mop)?);
                }
                Ok((Call::Txn { mops }, false))
            }
            b"assign" | b"subscribe" => {
                let keys = record.value.into_iter().flat_map(|value| tape.inside(value));
                let keys = keys.map(|key| self.key(tape, key)).collect::<Said<_>>()?;
                Ok((Call::Assign { keys, shared: f == b"subscribe" }, false))
            }
            other => Err(format!("there is no function {:?} here", String::from_utf8_lossy(other))),
        }
    }

    fn question(&mut self, f: &[u8], tape: &Tape, record: &Record) -> Said<(Call, bool)> {
        let named = record.value.and_then(|value| tape.pair(value));
        let named = named.filter(|(_, inner)| tape.node(*inner) == Node::Nil).map(|(key, _)| key);
        let key = self.key_or_first(tape, named.or(record.key))?;
        let call = match f {
            b"read" => match self.style {
                Style::Register | Style::Lists => Call::Read { key },
                Style::Counter => Call::Count { key },
                Style::Set => Call::Elements { key },
                Style::Bank => Call::Balances,
            },
            b"get" => Call::Elements { key },
            b"dequeue" => Call::Dequeue { key },
            b"drain" => Call::Drain { key },
            b"acquire" | b"lock" => Call::Acquire { key, lease_ms: record.lease(tape) },
            b"release" | b"unlock" => Call::Release { key },
            _ => Call::NextId { key },
        };
        Ok((call, named.is_some()))
    }

    fn change(&mut self, f: &[u8], tape: &Tape, record: &Record) -> Said<(Call, bool)> {
        let named = record.value.and_then(|value| tape.pair(value));
        let key = self.key_or_first(tape, named.map(|(key, _)| key).or(record.key))?;
        let place = named.map(|(_, inner)| inner).or(record.value);
        let counter = self.style == Style::Counter || f.starts_with(b"inc");
        if counter && matches!(f, b"add" | b"inc" | b"increment") {
            let by = match place.map(|place| tape.node(place)) {
                None | Some(Node::Nil) => 1,
                Some(Node::Int(by)) => by,
                Some(_) => return Err("a counter is changed by an integer".to_owned()),
            };
            return Ok((Call::Increment { key, by }, named.is_some()));
        }
        let place = place.ok_or("it has no :value")?;
        if let Node::Text { .. } = tape.node(place)
            && matches!(f, b"append" | b"put")
        {
            self.piece(&tape.text(place)?)?;
        }
        let value = self.value(tape, place)?.ok_or("nil cannot be written: it is no value")?;
        let call = match f {
            b"write" | b"put" => Call::Write { key, value },
            b"add" => Call::Add { key, value },
            b"remove" => Call::Remove { key, value },
            b"contains" => Call::Contains { key, value },
            b"append" => Call::Append { key, value },
            _ => Call::Enqueue { key, value },
        };
        Ok((call, named.is_some()))
    }

    fn transfer(&mut self, tape: &Tape, record: &Record) -> Said<Call> {
        let (mut from, mut to, mut amount) = (None, None, None);
        for (field, value) in record.value.into_iter().flat_map(|value| tape.pairs(value)) {
            match tape.word(field).unwrap_or_default() {
                b"from" => from = Some(self.key(tape, value)?),
                b"to" => to = Some(self.key(tape, value)?),
                b"amount" => amount = Some(tape.node(value)),
                _ => {}
            }
        }
        match (from, to, amount) {
            (Some(from), Some(to), Some(Node::Int(amount))) => Ok(Call::Transfer { from, to, amount }),
            _ => Err("a transfer needs :from, :to and :amount".to_owned()),
        }
    }

    fn mop(&mut self, tape: &Tape, at: usize) -> Said<Mop> {
        let mut parts = tape.inside(at);
        let name =
            parts.next().and_then(|name| tape.word(name)).ok_or("a part of a transaction has no name")?;
        if name == b"poll" {
            return Ok(Mop::Poll);
        }
        let key = self.key(tape, parts.next().ok_or("a part of a transaction has no key")?)?;
        if name == b"r" {
            return Ok(Mop::Read { key });
        }
        let mut place = parts.next().ok_or("a part of a transaction has no value")?;
        if name == b"send"
            && let Some((_, value)) = tape.pair(place)
        {
            place = value;
        }
        let value = self.value(tape, place)?.ok_or("nil cannot be written: it is no value")?;
        match name {
            b"w" => Ok(Mop::Write { key, value }),
            b"append" => Ok(Mop::Append { key, value }),
            b"send" => Ok(Mop::Send { key, value }),
            other => Err(format!("a transaction has no part {:?} here", String::from_utf8_lossy(other))),
        }
    }

    /// The answer to a call that took effect.
    pub fn reply(&mut self, call: &Call, keyed: bool, tape: &Tape, record: &Record) -> Said<Reply> {
        let said = record.value.filter(|value| tape.node(*value) != Node::Nil);
        let inner = if keyed { self.unnamed(call, tape, said)? } else { said };
        Ok(match call {
            Call::Txn { mops } => return self.txn_reply(mops, tape, record),
            Call::Read { .. } | Call::Dequeue { .. } | Call::NextId { .. } => {
                Reply::Read(inner.map(|inner| self.value(tape, inner)).transpose()?.flatten())
            }
            Call::Elements { .. } => match inner.map(|inner| (inner, tape.node(inner))) {
                Some((inner, Node::Text { .. })) => Reply::List(self.pieces_of(&tape.text(inner)?)?),
                Some((inner, Node::Items { .. })) => Reply::List(self.values(tape, inner)?),
                None => Reply::List(Vec::new()),
                Some(_) => return Err("it should have read several elements".to_owned()),
            },
            Call::Drain { .. } => {
                Reply::List(inner.map(|inner| self.values(tape, inner)).transpose()?.unwrap_or_default())
            }
            Call::Count { .. } => match inner.map(|inner| tape.node(inner)) {
                Some(Node::Int(count)) => Reply::Count(count),
                _ => return Err("a counter stands at an integer".to_owned()),
            },
            Call::Contains { .. } => match inner.map(|inner| tape.node(inner)) {
                Some(Node::Bool(yes)) => Reply::Is(yes),
                _ => return Err("contains is answered by true or false".to_owned()),
            },
            Call::Acquire { .. } => match inner.map(|inner| tape.node(inner)) {
                Some(Node::Int(token)) => Reply::Held(u64::try_from(token).ok()),
                _ => Reply::Held(None),
            },
            Call::Balances => Reply::Balances(self.balances(tape, inner)?),
            change => {
                self.same(change, tape, record)?;
                Reply::Done
            }
        })
    }

    /// An answer without the name of its object. The elements of a set may come without it: elle-cli has such files.
    fn unnamed(&mut self, call: &Call, tape: &Tape, said: Option<usize>) -> Said<Option<usize>> {
        let Some(said) = said else { return Ok(None) };
        let several = |place| matches!(tape.node(place), Node::Items { .. } | Node::Text { .. } | Node::Nil);
        let named = tape.pair(said);
        match (call, named) {
            (Call::Elements { .. }, None) => return Ok(Some(said)),
            (Call::Elements { .. }, Some((_, inner))) if !several(inner) => return Ok(Some(said)),
            _ => {}
        }
        let (key, inner) = named.ok_or("its answer does not name the object that was asked")?;
        match call.key() == Some(self.key(tape, key)?) {
            true => Ok(Some(inner).filter(|inner| tape.node(*inner) != Node::Nil)),
            false => Err("its answer is about another object than was asked".to_owned()),
        }
    }

    /// A completion that says what was changed must say the same as the invocation.
    fn same(&mut self, change: &Call, tape: &Tape, record: &Record) -> Said<()> {
        if record.value.is_none_or(|value| tape.node(value) == Node::Nil) {
            return Ok(());
        }
        let (said, _) = self.call(tape, record)?;
        if said == *change { Ok(()) } else { Err(format!("it completes {change} as {said}")) }
    }

    fn txn_reply(&mut self, mops: &[Mop], tape: &Tape, record: &Record) -> Said<Reply> {
        let value = record.value.ok_or("a transaction ends without a value")?;
        let mut gots = Vec::with_capacity(mops.len());
        let mut said = tape.inside(value);
        for mop in mops {
            let at = said.next().ok_or("it completes fewer parts than it invoked")?;
            let again = self.mop(tape, at)?;
            if again != *mop {
                return Err(format!("it completes {mop} as {again}"));
            }
            let place = tape.inside(at).nth(if *mop == Mop::Poll { 1 } else { 2 });
            gots.push(self.got(mop, tape, place)?);
        }
        if said.next().is_some() {
            return Err("it completes more parts than it invoked".to_owned());
        }
        Ok(Reply::Txn(gots))
    }

    fn got(&mut self, mop: &Mop, tape: &Tape, place: Option<usize>) -> Said<Got> {
        let place = place.filter(|place| tape.node(*place) != Node::Nil);
        Ok(match mop {
            Mop::Write { .. } | Mop::Append { .. } => Got::Done,
            Mop::Read { .. } => match place.map(|place| (place, tape.node(place))) {
                None if self.style == Style::Lists => Got::List(Vec::new()),
                None => Got::Value(None),
                Some((place, Node::Items { .. })) => Got::List(self.values(tape, place)?),
                Some((place, _)) => Got::Value(self.value(tape, place)?),
            },
            Mop::Send { .. } => {
                match place.and_then(|place| tape.pair(place)).map(|(offset, _)| tape.node(offset)) {
                    Some(Node::Int(offset)) => Got::Offset(u64::try_from(offset).ok()),
                    _ => Got::Offset(None),
                }
            }
            Mop::Poll => Got::Messages(self.messages(tape, place)?),
        })
    }

    fn messages(&mut self, tape: &Tape, place: Option<usize>) -> Said<Vec<(Key, u64, Value)>> {
        let mut messages = Vec::new();
        for (log, list) in place.into_iter().flat_map(|place| tape.pairs(place)) {
            let key = self.key(tape, log)?;
            for message in tape.inside(list) {
                let (offset, value) = tape.pair(message).ok_or("a message is [offset value]")?;
                let Node::Int(offset) = tape.node(offset) else {
                    return Err("an offset is an integer".to_owned());
                };
                let offset = u64::try_from(offset).map_err(|_| "an offset is not negative")?;
                messages.push((key, offset, self.value(tape, value)?.ok_or("a message is not nil")?));
            }
        }
        Ok(messages)
    }

    /// JSON has no keys but strings, so a string of digits is a number here. An account without a balance is left
    /// out: then it is missing.
    fn balances(&mut self, tape: &Tape, place: Option<usize>) -> Said<Vec<(Key, i64)>> {
        let mut balances = Vec::new();
        for (account, balance) in place.into_iter().flat_map(|place| tape.pairs(place)) {
            let number = match tape.node(account) {
                Node::Text { .. } => tape.text(account)?.parse().ok(),
                _ => None,
            };
            let key = match number {
                Some(number) => self.names.number_key(number)?,
                None => self.key(tape, account)?,
            };
            match tape.node(balance) {
                Node::Int(balance) => balances.push((key, balance)),
                Node::Nil => {}
                _ => return Err("a balance is an integer".to_owned()),
            }
        }
        Ok(balances)
    }

    fn key_or_first(&mut self, tape: &Tape, place: Option<usize>) -> Said<Key> {
        place.map_or(Ok(Key(0)), |place| self.key(tape, place))
    }

    fn key(&mut self, tape: &Tape, place: usize) -> Said<Key> {
        match tape.node(place) {
            Node::Int(key) => self.names.number_key(key),
            Node::Bool(key) => self.names.named_key(Kind::Truth, if key { "true" } else { "false" }),
            Node::Text { .. } => self.names.named_key(Kind::Text, &tape.text(place)?),
            Node::Word { .. } => self.names.named_key(Kind::Word, &tape.text(place)?),
            _ => Err("a key is a number or a name".to_owned()),
        }
    }

    fn value(&mut self, tape: &Tape, place: usize) -> Said<Option<Value>> {
        Ok(Some(match tape.node(place) {
            Node::Nil => return Ok(None),
            Node::Int(value) => self.names.number_value(value)?,
            Node::Bool(value) => self.names.named_value(Kind::Truth, if value { "true" } else { "false" })?,
            Node::Text { .. } => self.names.named_value(Kind::Text, &tape.text(place)?)?,
            Node::Word { .. } => self.names.named_value(Kind::Word, &tape.text(place)?)?,
            Node::Map { .. } | Node::Items { .. } => return Err("a value is a number or a name".to_owned()),
        }))
    }

    fn values(&mut self, tape: &Tape, place: usize) -> Said<Vec<Value>> {
        // As many as there are nodes, at most.
        let mut values = Vec::with_capacity(tape.after(place) - place - 1);
        for place in tape.inside(place) {
            let value = match tape.node(place) {
                Node::Int(value) => self.names.number_value(value)?,
                _ => self.value(tape, place)?.ok_or_else(|| "an element is nil".to_owned())?,
            };
            values.push(value);
        }
        Ok(values)
    }

    /// Remembers a string from which texts are made. None may begin like another, or a text could be taken apart in
    /// two ways.
    fn piece(&mut self, text: &str) -> Said<()> {
        if self.pieces.contains(text) {
            return Ok(());
        }
        let before = (Bound::Unbounded, Bound::Excluded(text));
        let before =
            self.pieces.range::<str, _>(before).next_back().filter(|before| text.starts_with(&***before));
        let after = (Bound::Excluded(text), Bound::Unbounded);
        let after = self.pieces.range::<str, _>(after).next().filter(|after| after.starts_with(text));
        if let Some(other) = before.or(after) {
            return Err(format!("{text:?} and {other:?} begin alike: what is read could not be taken apart"));
        }
        self.pieces.insert(text.into());
        Ok(())
    }

    /// Takes a text apart. What is made of nothing that was ever written is a value of its own.
    fn pieces_of(&mut self, text: &str) -> Said<Vec<Value>> {
        let mut rest = text;
        let mut values = Vec::new();
        while !rest.is_empty() {
            let upto = (Bound::Unbounded, Bound::Included(rest));
            let piece =
                self.pieces.range::<str, _>(upto).next_back().filter(|piece| rest.starts_with(&***piece));
            let known = piece.and_then(|piece| Some((self.names.known_value(piece)?, piece.len())));
            let (value, length) = match known {
                Some(known) => known,
                None => (self.names.named_value(Kind::Text, rest)?, rest.len()),
            };
            values.push(value);
            rest = &rest[length..];
        }
        Ok(values)
    }
}
