//! A text whose pieces are unique: each is put or appended at most once.
//!
//! Such a text is a register with unique values. What it holds is told by its last piece, since that was written once:
//! a put writes, whatever was there; an append that was seen replaced what stands before it in the reads, which is a
//! compare-and-set; a read saw the last piece. An append that nobody saw leaves something that nobody saw, so it
//! might as well have been put. What is left to say is that the reads agree with one another about what stands
//! before what; [`unique`] says the rest.

use crate::linearizable::{Violation, unique};
use crate::models::register::Action as Access;
use crate::models::text::Action;
use crate::{Flaw, Item};
use history::Value;
use rustc_hash::FxHashMap;

/// Judges; nothing if some piece was written twice.
pub(crate) fn judge(items: &[Item<Action>]) -> Option<Result<(), Flaw>> {
    let mut pieces: FxHashMap<Value, Piece> = FxHashMap::default();
    for (place, item) in items.iter().enumerate() {
        let (Action::Put(value) | Action::Append(value)) = item.action else { continue };
        if pieces
            .insert(value, Piece { place, put: item.action == Action::Put(value), before: None })
            .is_some()
        {
            return None;
        }
    }
    in_order(items, pieces).transpose()
}

/// What is known of a piece.
struct Piece {
    /// Which item wrote it.
    place: usize,
    /// Whether it replaced everything.
    put: bool,
    /// If it was seen: what stood before it, and who saw that.
    before: Option<(Option<Value>, u32)>,
}

fn in_order(items: &[Item<Action>], mut pieces: FxHashMap<Value, Piece>) -> Result<Option<()>, Flaw> {
    agree(items, &mut pieces)?;
    let access = |action: &Action| match action {
        Action::Get(all) => Access::Read(all.last().copied()),
        Action::Put(value) => Access::Write(*value),
        Action::Append(value) => match pieces.get(value).and_then(|piece| piece.before) {
            Some((expected, _)) => Access::Cas { expected, new: *value },
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

/// Finds out what stands before each piece, if all reads agree about it.
fn agree(items: &[Item<Action>], pieces: &mut FxHashMap<Value, Piece>) -> Result<(), Flaw> {
    // Everything since a put, or since the beginning, at its longest, with who saw it.
    let mut longest: FxHashMap<Option<Value>, (&[Value], u32)> = FxHashMap::default();
    let reads = || {
        items.iter().filter_map(|item| match &item.action {
            Action::Get(all) => Some((&**all, item.invoked)),
            _ => None,
        })
    };
    for (all, reader) in reads() {
        let known = longest.entry(root(all, pieces)).or_default();
        if known.0.len() < all.len() {
            *known = (all, reader);
        }
    }
    for (all, reader) in reads() {
        if let Some((most, other)) = longest.get(&root(all, pieces))
            && !most.starts_with(all)
        {
            return Err(Flaw::new("incompatible orders").ops(&[reader, *other]).say(
                ". Both texts begin alike and nothing is ever put in between, so the shorter of these two must be the \
                 beginning of the longer.",
            ));
        }
    }
    let mut longest: Vec<(&[Value], u32)> = longest.into_values().collect();
    longest.sort_unstable_by_key(|(_, reader)| *reader);
    for (all, reader) in longest {
        let mut before = None;
        for value in all {
            let Some(piece) = pieces.get_mut(value) else { return Err(Flaw::phantom(reader, *value)) };
            let writer = items[piece.place].invoked;
            if let Some((_, other)) = piece.before {
                let also = Flaw::new("duplicate element").op(reader).say(format!(" found {value}"));
                let also =
                    if other == reader { also.say(" twice") } else { also.say(", and so did ").op(other) };
                return Err(also.say(" in another place. But it was written once, by ").op(writer).say("."));
            }
            if piece.put && before.is_some() {
                return Err(Flaw::new("surviving text")
                    .op(reader)
                    .say(format!(" found something before {value}. But that replaced all there was, by "))
                    .op(writer)
                    .say("."));
            }
            piece.before = Some((before, reader));
            before = Some(*value);
        }
    }
    Ok(())
}

/// The put that a text begins with, if it begins with one.
fn root(all: &[Value], pieces: &FxHashMap<Value, Piece>) -> Option<Value> {
    all.first().copied().filter(|first| pieces.get(first).is_some_and(|piece| piece.put))
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
