//! A text whose pieces are unique: each is put or appended at most once.
//!
//! Such a text is a register with unique values. What it holds is told by its last piece, since that was written once:
//! a put writes, whatever was there; an append that was seen replaced what stands before it in the reads, which is a
//! compare-and-set; a read saw the last piece. An append that nobody saw leaves something that nobody saw, so it
//! might as well have been put. What is left to say is that the reads agree with one another about what stands
//! before what; [`unique`] says the rest.

use crate::linearizable::{ByValue, Violation, unique};
use crate::models::register::Action as Access;
use crate::models::text::Action;
use crate::{Flaw, Item};
use history::Value;

/// Judges; nothing if some piece was written twice.
pub(crate) fn judge(items: &[Item<Action>]) -> Option<Result<(), Flaw>> {
    let pieces = Pieces::of(items)?;
    in_order(items, pieces).transpose()
}

const NOBODY: u32 = u32::MAX;

/// What is known of a piece. Items are told by their place.
#[derive(Clone, Copy)]
struct Piece {
    /// Who wrote it, or [`NOBODY`].
    writer: u32,
    /// Whether it replaced everything.
    put: bool,
    /// If it did: who saw most of what came after it, or [`NOBODY`].
    longest: u32,
    /// Who saw it behind what, if it was seen; else [`NOBODY`].
    reader: u32,
    before: Option<Value>,
}

/// What is known of all pieces.
struct Pieces {
    by_value: ByValue<Piece>,
    /// Who saw most of what was there before anything was put, or [`NOBODY`].
    longest: u32,
}

impl Pieces {
    /// Nothing if some piece was written twice.
    fn of(items: &[Item<Action>]) -> Option<Pieces> {
        let written = |item: &Item<Action>| match item.action {
            Action::Put(value) | Action::Append(value) => Some(value),
            Action::Get(_) => None,
        };
        let blank = Piece { writer: NOBODY, put: false, longest: NOBODY, reader: NOBODY, before: None };
        let mut by_value = ByValue::new(items.iter().filter_map(written), items.len(), blank);
        for (place, item) in (0..).zip(items) {
            let Some(value) = written(item) else { continue };
            let piece = by_value.known(value);
            if piece.writer != NOBODY {
                return None;
            }
            (piece.writer, piece.put) = (place, item.action == Action::Put(value));
        }
        Some(Pieces { by_value, longest: NOBODY })
    }

    fn find(&mut self, value: Value) -> Option<&mut Piece> {
        self.by_value.find(value).filter(|piece| piece.writer != NOBODY)
    }

    /// Who saw most of what a text is part of: of all since the put that it begins with, or since the beginning.
    fn longest(&mut self, all: &[Value]) -> &mut u32 {
        let put = all.first().copied().filter(|first| self.find(*first).is_some_and(|piece| piece.put));
        match put {
            Some(put) => &mut self.by_value.known(put).longest,
            None => &mut self.longest,
        }
    }

    /// What certainly was seen in front of a piece, if it was seen.
    fn before(&mut self, value: Value) -> Option<Option<Value>> {
        self.find(value).filter(|piece| piece.reader != NOBODY).map(|piece| piece.before)
    }
}

fn in_order(items: &[Item<Action>], mut pieces: Pieces) -> Result<Option<()>, Flaw> {
    agree(items, &mut pieces)?;
    let mut access = |action: &Action| match action {
        Action::Get(all) => Access::Read(all.last().copied()),
        Action::Put(value) => Access::Write(*value),
        Action::Append(value) => match pieces.before(*value) {
            Some(expected) => Access::Cas { expected, new: *value },
            None => Access::Write(*value),
        },
    };
    let item = |item: &Item<Action>| Item {
        action: access(&item.action),
        invoked: item.invoked,
        returned: item.returned,
    };
    let register: Vec<Item<Access>> = items.iter().map(item).collect();
    unique::judge(None, &register).transpose().map_err(|violation| told(violation, items))
}

/// What an item read.
fn read(items: &[Item<Action>], reader: u32) -> &[Value] {
    match items.get(reader as usize).map(|item| &item.action) {
        Some(Action::Get(all)) => all,
        _ => &[],
    }
}

/// Finds out what stands before each piece, if all reads agree about it.
fn agree(items: &[Item<Action>], pieces: &mut Pieces) -> Result<(), Flaw> {
    let reads = || {
        (0..).zip(items).map(|(reader, _)| (reader, read(items, reader))).filter(|(_, all)| !all.is_empty())
    };
    for (reader, all) in reads() {
        let longest = pieces.longest(all);
        if read(items, *longest).len() < all.len() {
            *longest = reader;
        }
    }
    for (reader, all) in reads() {
        let longest = *pieces.longest(all);
        if !read(items, longest).starts_with(all) {
            let both = [reader, longest].map(|reader| items[reader as usize].invoked);
            return Err(Flaw::new("incompatible orders").ops(&both).say(
                ". Both texts begin alike and nothing is ever put in between, so the shorter of these two must be the \
                 beginning of the longer.",
            ));
        }
    }
    let longest = pieces.by_value.all().map(|(_, piece)| piece.longest).chain([pieces.longest]);
    let mut longest: Vec<u32> = longest.filter(|reader| *reader != NOBODY).collect();
    longest.sort_unstable();
    for reader in longest {
        follow(items, pieces, reader)?;
    }
    Ok(())
}

/// Learns from what one read saw what stands before each piece.
fn follow(items: &[Item<Action>], pieces: &mut Pieces, reader: u32) -> Result<(), Flaw> {
    let mut before = None;
    let invoked = |place: u32| items[place as usize].invoked;
    for value in read(items, reader) {
        let Some(piece) = pieces.find(*value) else { return Err(Flaw::phantom(invoked(reader), *value)) };
        if piece.reader != NOBODY {
            let also = Flaw::new("duplicate element").op(invoked(reader)).say(format!(" found {value}"));
            let also = match piece.reader == reader {
                true => also.say(" twice"),
                false => also.say(", and so did ").op(invoked(piece.reader)),
            };
            let also = also.say(" in another place. But it was written once, by ");
            return Err(also.op(invoked(piece.writer)).say("."));
        }
        if piece.put && before.is_some() {
            return Err(Flaw::new("surviving text")
                .op(invoked(reader))
                .say(format!(" found something before {value}. But that replaced all there was, by "))
                .op(invoked(piece.writer))
                .say("."));
        }
        (piece.reader, piece.before) = (reader, before);
        before = Some(*value);
    }
    Ok(())
}

fn told(violation: Violation, items: &[Item<Action>]) -> Flaw {
    let item = |invoked: u32| items.get(items.partition_point(|item| item.invoked < invoked));
    let looked = |invoked: u32| item(invoked).is_some_and(|item| matches!(item.action, Action::Get(_)));
    let stale = |last: u32| Flaw::new(if looked(last) { "stale read" } else { "lost update" });
    // Whatever began with a put, or with nothing, stays until the next put.
    let holds = |flaw: Flaw, first: u32, last: u32, root: Option<u32>| {
        let flaw = match root {
            Some(root) => flaw.say("What began with ").op(root).say(" was there from ").at(first).say(" on"),
            None => flaw.say("What was there in the beginning had not been replaced"),
        };
        flaw.say(" until ").at(last).say(" at least, because of ").op(last).say(". ")
    };
    match violation {
        Violation::Unwritten { seen_by } => Flaw::new("phantom value").op(seen_by).say(" saw what nobody wrote."),
        Violation::ReplacedTwice { one, other } => Flaw::new("lost update").ops(&[one, other]).say(
            ". Both were found right behind the same text: whichever came second should have come behind the other.",
        ),
        Violation::Circular { at } => {
            Flaw::new("incompatible orders").op(at).say(" comes, over others, before itself.")
        }
        Violation::Disordered { later, earlier } => {
            let (name, why) = match looked(earlier) {
                true => ("stale read", ", and found less, though nothing had been put in between."),
                false => ("future read", ", but what it wrote stands before that."),
            };
            let flaw = Flaw::new(name).op(later).say(" had returned by ").at(later).say(". After that ");
            flaw.op(earlier).say(" was invoked").say(why)
        }
        Violation::Overlap { one, other } => {
            let flaw = holds(stale(one.last), one.first, one.last, one.root);
            holds(flaw, other.first, other.last, other.root).say("It cannot have been both.")
        }
        Violation::Within { inner, outer } => {
            let flaw = holds(stale(outer.last), outer.first, outer.last, outer.root);
            let flaw = flaw.say("Yet all of this took effect in between, and replaced it: ").op(inner.last);
            let alone = item(inner.last).is_some_and(|item| item.returned == inner.first);
            if alone { flaw.say(".") } else { flaw.say("; ").op(inner.first).say(".") }
        }
    }
}
