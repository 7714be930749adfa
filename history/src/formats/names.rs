//! Keys and values that are no numbers.

use crate::{Key, Value};
use rustc_hash::FxHashMap;
use std::fmt;

/// The names that stand behind the numbers of a history whose file has names.
#[derive(Debug, Default)]
pub struct Names {
    keys: Table,
    values: Table,
}

/// What a key or a value is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    Word,
    Truth,
}

#[derive(Debug, Default)]
struct Table {
    /// What the first one was, and what it looked like.
    first: Option<(Kind, String)>,
    numbers: FxHashMap<Box<str>, u64>,
    names: Vec<Box<str>>,
}

impl Names {
    /// The name of a key, if it has one.
    pub fn key(&self, key: Key) -> Option<&str> {
        self.keys.name(key.0)
    }

    /// The name of a value, if it has one.
    pub fn value(&self, value: Value) -> Option<&str> {
        self.values.name(u64::try_from(value.0).ok()?)
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.keys.names.is_empty() && self.values.names.is_empty()
    }

    pub(super) fn number_key(&mut self, key: i64) -> Result<Key, String> {
        self.keys.same(Kind::Integer, "key", || key.to_string())?;
        u64::try_from(key).map(Key).map_err(|_| format!("key {key} is negative"))
    }

    #[inline]
    pub(super) fn number_value(&mut self, value: i64) -> Result<Value, String> {
        self.values.same(Kind::Integer, "value", || value.to_string())?;
        Ok(Value(value))
    }

    pub(super) fn named_key(&mut self, kind: Kind, name: &str) -> Result<Key, String> {
        self.keys.same(kind, "key", || kind.show(name))?;
        Ok(Key(self.keys.intern(name)))
    }

    pub(super) fn named_value(&mut self, kind: Kind, name: &str) -> Result<Value, String> {
        self.values.same(kind, "value", || kind.show(name))?;
        Ok(Value(self.values.intern(name) as i64))
    }

    /// The value of this name, if there is one already.
    pub(super) fn known_value(&self, name: &str) -> Option<Value> {
        self.values.numbers.get(name).map(|number| Value(*number as i64))
    }
}

impl Table {
    fn name(&self, number: u64) -> Option<&str> {
        self.names.get(usize::try_from(number).ok()?).map(Box::as_ref)
    }

    /// A history that calls one thing `1` and another `"1"` has been through a driver that lost types: whether they
    /// are one thing, nobody can tell.
    #[inline]
    fn same(&mut self, kind: Kind, what: &str, shown: impl Fn() -> String) -> Result<(), String> {
        match &self.first {
            Some((first, _)) if *first == kind => Ok(()),
            Some((first, before)) => {
                Err(format!("{what} {} is {kind}, but {what} {before} before it is {first}", shown()))
            }
            None => {
                self.first = Some((kind, shown()));
                Ok(())
            }
        }
    }

    fn intern(&mut self, name: &str) -> u64 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u64;
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }
}

impl Kind {
    fn show(self, name: &str) -> String {
        if self == Kind::Text { format!("{name:?}") } else { name.to_owned() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Integer => "an integer",
            Kind::Text => "a string",
            Kind::Word => "a keyword",
            Kind::Truth => "true or false",
        })
    }
}
