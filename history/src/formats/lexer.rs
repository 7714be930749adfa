//! EDN and JSON, record by record, without building trees.
//!
//! Both are read by one lexer: JSON is EDN whose colons mean nothing and whose strings are also its keywords. A
//! record is laid out as a [`Tape`] of nodes that is used again for the next one, so that reading allocates only
//! for names that were never seen.

use super::ReadError;
use crate::jsonl::LONGEST;
use std::borrow::Cow;
use std::io::{self, Read};

/// How deep a form may be nested.
const DEEPEST: usize = 128;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Which of the two is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Edn,
    Json,
}

/// One atom, or the beginning of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Nil,
    Bool(bool),
    Int(i64),
    /// A keyword, a symbol, a number that is no integer, a character.
    Word {
        start: u32,
        end: u32,
    },
    /// A string, between its quotes.
    Text {
        start: u32,
        end: u32,
        escaped: bool,
    },
    /// Keys and values in turn, up to `next`.
    Map {
        next: u32,
    },
    /// A vector, a list or a set: items up to `next`.
    Items {
        next: u32,
    },
}

/// One record: its nodes in order, and its text.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    text: Vec<u8>,
}

impl Tape {
    pub fn node(&self, at: usize) -> Node {
        self.nodes[at]
    }

    /// Where the form after the one at `at` begins.
    pub fn after(&self, at: usize) -> usize {
        match self.nodes[at] {
            Node::Map { next } | Node::Items { next } => next as usize,
            _ => at + 1,
        }
    }

    /// The forms inside a collection; none if it is an atom.
    pub fn inside(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let end = match self.nodes[at] {
            Node::Map { next } | Node::Items { next } => next as usize,
            _ => at + 1,
        };
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let form = next;
            (form < end).then(|| {
                next = self.after(form);
                form
            })
        })
    }

    /// The keys of a map with their values.
    pub fn pairs(&self, at: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut forms = self.inside(at);
        std::iter::from_fn(move || Some((forms.next()?, forms.next()?)))
    }

    /// The items of a vector of two.
    pub fn pair(&self, at: usize) -> Option<(usize, usize)> {
        let Node::Items { .. } = self.nodes[at] else { return None };
        let mut items = self.inside(at);
        let pair = (items.next()?, items.next()?);
        items.next().is_none().then_some(pair)
    }

    /// The text of a word without its colon, or of a string as written.
    pub fn word(&self, at: usize) -> Option<&[u8]> {
        match self.nodes[at] {
            Node::Word { start, end } => {
                let word = &self.text[start as usize..end as usize];
                Some(word.strip_prefix(b":").unwrap_or(word))
            }
            Node::Text { start, end, .. } => Some(&self.text[start as usize..end as usize]),
            _ => None,
        }
    }

    /// The text of a form; of a string, what is meant by it.
    pub fn text(&self, at: usize) -> Result<Cow<'_, str>, String> {
        let bytes = match self.nodes[at] {
            Node::Word { start, end } | Node::Text { start, end, .. } => {
                &self.text[start as usize..end as usize]
            }
            other => return Ok(Cow::Owned(format!("{other:?}"))),
        };
        let text = str::from_utf8(bytes).map_err(|_| "a name is not UTF-8".to_owned())?;
        match self.nodes[at] {
            Node::Text { escaped: true, .. } => unescape(text).map(Cow::Owned),
            _ => Ok(Cow::Borrowed(text)),
        }
    }

    /// Lays out one form.
    pub fn lay(&mut self, text: &[u8], syntax: Syntax) -> Result<(), String> {
        self.nodes.clear();
        self.text.clear();
        self.text.extend_from_slice(text);
        let mut lexer = Lexer::new(text, syntax, true, &mut self.nodes);
        match lexer.form(0) {
            Ok(()) if lexer.blank().is_none() => Ok(()),
            Ok(()) => Err("something follows it".to_owned()),
            Err(Stop::Garbled(why)) => Err(why),
            Err(Stop::More) => Err("it ends too early".to_owned()),
        }
    }

    /// The bytes of the record.
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('b') => plain.push('\u{8}'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code =
                    u32::from_str_radix(&digits, 16).map_err(|_| format!("\\u{digits} is no character"))?;
                // Half of a pair stands for itself: names need to be told apart, not to be shown well.
                plain.push_str(&char::from_u32(code).map_or_else(|| format!("\\u{digits}"), String::from));
            }
            Some(other) => plain.push(other),
            None => return Err("a string ends in a backslash".to_owned()),
        }
    }
    Ok(plain)
}

/// Why a form was not read.
enum Stop {
    /// The bytes end inside it.
    More,
    /// It makes no sense.
    Garbled(String),
}

struct Lexer<'t, 'n> {
    text: &'t [u8],
    at: usize,
    syntax: Syntax,
    classes: &'static [Class; 256],
    /// Whether nothing follows the text.
    whole: bool,
    nodes: &'n mut Vec<Node>,
}

/// What a byte is to a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Part of it.
    Part,
    /// It ends before it.
    Delimiter,
    /// It makes no sense in it.
    Control,
}

/// Every byte of a history is looked up here.
static EDN: [Class; 256] = classes(false);
static JSON: [Class; 256] = classes(true);

/// The class of every byte, where a colon is part of a word or ends it.
const fn classes(colon: bool) -> [Class; 256] {
    let mut classes = [Class::Part; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_whitespace()
            || matches!(b, b',' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';')
            || (colon && b == b':')
        {
            classes[byte] = Class::Delimiter;
        } else if b.is_ascii_control() {
            classes[byte] = Class::Control;
        }
        byte += 1;
    }
    classes
}

/// How many digits are a number of 64 bits, whatever they are.
const DIGITS: usize = 18;

impl<'t, 'n> Lexer<'t, 'n> {
    fn new(text: &'t [u8], syntax: Syntax, whole: bool, nodes: &'n mut Vec<Node>) -> Lexer<'t, 'n> {
        let classes = if syntax == Syntax::Json { &JSON } else { &EDN };
        Lexer { text, at: 0, syntax, classes, whole, nodes }
    }

    fn class(&self, byte: u8) -> Class {
        self.classes[byte as usize]
    }

    /// Skips what means nothing.
    fn blank(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b',' | b'\t' | b'\r' | 0x0c => self.at += 1,
                b':' if self.syntax == Syntax::Json => self.at += 1,
                b';' if self.syntax == Syntax::Edn => {
                    let rest = &self.text[self.at..];
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                byte => return Some(*byte),
            }
        }
        None
    }

    fn form(&mut self, depth: usize) -> Result<(), Stop> {
        let first = self.blank().ok_or(Stop::More)?;
        self.form_of(first, depth)
    }

    /// The form that begins here, with this byte.
    fn form_of(&mut self, first: u8, depth: usize) -> Result<(), Stop> {
        if depth > DEEPEST {
            return Err(Stop::Garbled(format!("it is nested more than {DEEPEST} deep")));
        }
        match first {
            b'{' => self.collection(b'}', true, depth),
            b'[' => self.collection(b']', false, depth),
            b'(' => self.collection(b')', false, depth),
            b'"' => self.string(),
            b'#' if self.syntax == Syntax::Edn => self.dispatch(depth),
            b'\\' if self.syntax == Syntax::Edn => self.character(),
            b'^' if self.syntax == Syntax::Edn => {
                self.at += 1;
                self.discard(depth)?;
                self.form(depth + 1)
            }
            byte @ (b'}' | b']' | b')') => Err(Stop::Garbled(format!("'{}' closes nothing", byte as char))),
            _ => self.token(),
        }
    }

    fn collection(&mut self, close: u8, map: bool, depth: usize) -> Result<(), Stop> {
        let place = self.nodes.len();
        self.nodes.push(Node::Nil);
        self.at += 1;
        let mut forms = 0;
        loop {
            match self.blank().ok_or(Stop::More)? {
                byte if byte == close => break,
                b'0'..=b'9' => forms += self.numbers(depth)?,
                b'#' if self.text.get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.discard(depth)?;
                }
                first => {
                    self.form_of(first, depth + 1)?;
                    forms += 1;
                }
            }
        }
        self.at += 1;
        let next = self.nodes.len() as u32;
        if map && forms % 2 == 1 {
            return Err(Stop::Garbled("a map has a key without a value".to_owned()));
        }
        self.nodes[place] = if map { Node::Map { next } } else { Node::Items { next } };
        Ok(())
    }

    /// Reads a form and forgets it.
    fn discard(&mut self, depth: usize) -> Result<(), Stop> {
        let kept = self.nodes.len();
        self.form(depth + 1)?;
        self.nodes.truncate(kept);
        Ok(())
    }

    /// `#{set}`, `#_ discarded`, `#"pattern"`, `##Inf`, `#tag form`: what a tag means is no concern of ours.
    fn dispatch(&mut self, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        match *self.text.get(self.at).ok_or(Stop::More)? {
            b'{' => self.collection(b'}', false, depth),
            b'"' => self.string(),
            b'#' => self.token(),
            b'_' => {
                self.at += 1;
                self.discard(depth)?;
                self.form(depth + 1)
            }
            _ => {
                let rest = &self.text[self.at..];
                self.at +=
                    rest.iter().position(|byte| self.class(*byte) == Class::Delimiter).ok_or(Stop::More)?;
                self.form(depth + 1)
            }
        }
    }

    fn character(&mut self) -> Result<(), Stop> {
        let start = self.at;
        // The character itself may be a delimiter; what follows it may make a name, such as \newline.
        self.sense(start + 1)?;
        self.at += 2;
        self.word(start)
    }

    fn string(&mut self) -> Result<(), Stop> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            let rest = self.text.get(at..).ok_or(Stop::More)?;
            at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(Stop::More)?;
            if self.text[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.nodes.push(Node::Text { start: start as u32, end: at as u32, escaped });
        self.at = at + 1;
        Ok(())
    }

    fn token(&mut self) -> Result<(), Stop> {
        if self.digits() {
            return Ok(());
        }
        let start = self.at;
        self.word(start)?;
        if self.text[start] == b':' {
            return Ok(());
        }
        let token = &self.text[start..self.at];
        let node = match token {
            b"nil" | b"null" => Node::Nil,
            b"true" => Node::Bool(true),
            b"false" => Node::Bool(false),
            _ => match integer(token) {
                Some(number) => Node::Int(number),
                None => return Ok(()),
            },
        };
        if let Some(last) = self.nodes.last_mut() {
            *last = node;
        }
        Ok(())
    }

    /// Reads short integers with a space between them, as far as they go: most forms of a history are in such a list.
    /// Whatever else begins with a digit is a form of its own. How many forms were read.
    fn numbers(&mut self, depth: usize) -> Result<usize, Stop> {
        let mut forms = 0;
        while self.digits() {
            forms += 1;
            match self.text[self.at..] {
                [b' ', b'0'..=b'9', ..] => self.at += 1,
                _ => return Ok(forms),
            }
        }
        self.form(depth + 1)?;
        Ok(forms + 1)
    }

    /// Reads a short integer, if that is what follows and what follows it is here.
    #[inline]
    fn digits(&mut self) -> bool {
        let begin = self.at + usize::from(self.text.get(self.at) == Some(&b'-'));
        let (mut at, mut number) = (begin, 0u64);
        let end = loop {
            let Some(byte) = self.text.get(at).copied() else { return false };
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break byte;
            }
            // If this is too large, it has too many digits.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        };
        if at == begin || at - begin > DIGITS || self.class(end) != Class::Delimiter {
            return false;
        }
        let number = number as i64;
        self.nodes.push(Node::Int(if begin > self.at { -number } else { number }));
        self.at = at;
        true
    }

    /// Refuses a byte that makes no sense in a word.
    fn sense(&self, at: usize) -> Result<(), Stop> {
        match self.text.get(at).filter(|byte| self.class(**byte) == Class::Control) {
            Some(byte) => Err(Stop::Garbled(format!("byte {byte:#04x} makes no sense here"))),
            None => Ok(()),
        }
    }

    /// Reads the rest of a word that begins at `start`.
    fn word(&mut self, start: usize) -> Result<(), Stop> {
        let rest = self.text.get(self.at..).ok_or(Stop::More)?;
        self.at += match rest.iter().position(|byte| self.class(*byte) != Class::Part) {
            Some(length) => length,
            None if self.whole => rest.len(),
            None => return Err(Stop::More),
        };
        if self.at == start {
            return Err(Stop::Garbled("a form is missing".to_owned()));
        }
        self.sense(self.at)?;
        self.nodes.push(Node::Word { start: start as u32, end: self.at as u32 });
        Ok(())
    }
}

/// An integer of 64 bits; `N` may follow it.
fn integer(token: &[u8]) -> Option<i64> {
    let token = token.strip_suffix(b"N").unwrap_or(token);
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i64 = 0;
    for digit in digits {
        let digit = i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        number = number.checked_mul(10)?.checked_add(if negative { -digit } else { digit })?;
    }
    Some(number)
}

/// What the records end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Everything was there.
    Whole,
    /// The file ends inside the form that begins at this line, after so many bytes of it.
    Torn { line: usize, bytes: usize },
}

/// The records of a file: maps, each for itself or all in one vector or list.
pub(super) struct Records<R> {
    source: R,
    syntax: Syntax,
    buffer: Vec<u8>,
    at: usize,
    eof: bool,
    /// The line at `at`, from 1.
    line: usize,
    /// What closes the vector around the records, if there is one; whether anything was read at all.
    close: Option<u8>,
    begun: bool,
    tape: Tape,
}

impl<R: Read> Records<R> {
    pub fn new(source: R, syntax: Syntax) -> Records<R> {
        Records {
            source,
            syntax,
            buffer: Vec::new(),
            at: 0,
            eof: false,
            line: 1,
            close: None,
            begun: false,
            tape: Tape::default(),
        }
    }

    /// The next record with the number of its first line, or how it ended.
    pub fn next(&mut self) -> Result<Result<(usize, &Tape), End>, ReadError> {
        loop {
            self.skip_blank()?;
            let Some(byte) = self.buffer.get(self.at).copied() else {
                let torn = self.close.is_some().then_some(End::Torn { line: self.line, bytes: 0 });
                return Ok(Err(torn.unwrap_or(End::Whole)));
            };
            match byte {
                b'[' | b'(' if !self.begun => {
                    self.close = Some(if byte == b'[' { b']' } else { b')' });
                    self.begun = true;
                    self.at += 1;
                }
                b'{' | b'#' => {
                    self.begun = true;
                    return self.record();
                }
                byte if self.close == Some(byte) => {
                    self.at += 1;
                    self.close = None;
                    self.skip_blank()?;
                    return match self.buffer.get(self.at) {
                        None => Ok(Err(End::Whole)),
                        Some(_) => Err(self.garbled("something follows the end of the records")),
                    };
                }
                other => {
                    let why = format!("a record is a map, but here is '{}'", other.escape_ascii());
                    return Err(self.garbled(&why));
                }
            }
        }
    }

    fn record(&mut self) -> Result<Result<(usize, &Tape), End>, ReadError> {
        loop {
            self.tape.nodes.clear();
            let text = &self.buffer[self.at..];
            let mut lexer = Lexer::new(text, self.syntax, self.eof, &mut self.tape.nodes);
            let (read, length) = (lexer.form(0), lexer.at);
            match read {
                Ok(()) => {
                    let line = self.line;
                    let Some(Node::Map { .. }) = self.tape.nodes.first() else {
                        return Err(self.garbled("a record is a map"));
                    };
                    self.tape.text.clear();
                    self.tape.text.extend_from_slice(&text[..length]);
                    self.line += text[..length].iter().filter(|byte| **byte == b'\n').count();
                    self.at += length;
                    return Ok(Ok((line, &self.tape)));
                }
                Err(Stop::Garbled(why)) => return Err(self.garbled(&why)),
                Err(Stop::More) if self.eof => {
                    let bytes = self.buffer.len() - self.at;
                    return Ok(Err(End::Torn { line: self.line, bytes }));
                }
                Err(Stop::More) => {
                    let held = self.buffer.len() - self.at;
                    if held as u64 >= LONGEST {
                        return Err(self.garbled("a record is longer than 16 MiB"));
                    }
                    // As much again as is there: a long record is not lexed more than twice over.
                    self.fill(held.max(CHUNK))?;
                }
            }
        }
    }

    fn skip_blank(&mut self) -> Result<(), ReadError> {
        let mut comment = false;
        loop {
            while let Some(byte) = self.buffer.get(self.at).copied() {
                match byte {
                    b'\n' => {
                        self.line += 1;
                        comment = false;
                    }
                    _ if comment => {}
                    b';' if self.syntax == Syntax::Edn => comment = true,
                    b',' => {}
                    byte if byte.is_ascii_whitespace() => {}
                    _ => return Ok(()),
                }
                self.at += 1;
            }
            if self.eof {
                return Ok(());
            }
            self.fill(CHUNK)?;
        }
    }

    /// Forgets what was read and reads on, about `count` bytes.
    fn fill(&mut self, count: usize) -> Result<(), ReadError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + count, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        let read = read.map_err(|source| ReadError::Io { line: self.line, source })?;
        self.eof = read == 0;
        Ok(())
    }

    fn garbled(&self, why: &str) -> ReadError {
        ReadError::Garbled { line: self.line, why: why.to_owned() }
    }
}
