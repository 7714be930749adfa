//! Lists in words.

use super::heard::Heard;
use super::lists::Seen;
use super::versions::Versions;
use crate::Anomaly;
use crate::transactions::graph::kind;
use crate::transactions::notes::{NONE, Note};
use crate::transactions::phenomenon::Phenomenon;
use crate::transactions::store::{Fate, Part, Store};
use crate::transactions::testimony::{Testimony, events, list, rules_out, txn};
use history::Value;

/// What is known of the lists.
pub(crate) struct Witness<'h> {
    pub heard: &'h Heard,
    pub versions: &'h Versions,
}

impl<'h> Witness<'h> {
    fn value(&self, append: u32) -> Value {
        self.heard.values[append as usize]
    }

    fn seen(&self, part: Part) -> Option<&'h [Value]> {
        match Seen::of(part.arg) {
            Seen::Length(length) => Some(&self.heard.lists.longest(part.key())[..length as usize]),
            Seen::Odd(odd) => Some(&self.heard.lists.odd()[odd as usize].list),
            Seen::Lost | Seen::Unknown => None,
        }
    }

    /// The reads of a transaction of lists to which it had not appended.
    fn external(&self, txn: u32) -> impl Iterator<Item = (Part, &'h [Value])> {
        let parts = self.heard.store.parts(txn);
        let own = |before: &Part, at: usize| before.is_write() && before.key() == parts[at].key();
        let fresh = move |at: &usize| !parts[..*at].iter().any(|before| own(before, *at));
        let reads = (0..parts.len()).filter(|at| !parts[*at].is_write()).filter(fresh);
        reads.filter_map(|at| Some((parts[at], self.seen(parts[at])?)))
    }

    /// The append by which `to` comes right after the first `length` elements of a list.
    fn follows(&self, key: u32, length: u32, to: u32) -> Option<(u32, bool)> {
        match self.versions.next(self.heard, key, length) {
            Some(next) => (self.heard.by[next as usize] == to).then_some((next, true)),
            None if !self.versions.unseen(key).contains(&to) => None,
            None => {
                let parts = self.heard.store.parts(to).iter();
                let appends = parts.filter(|part| part.is_write() && part.key() == key).map(|part| part.arg);
                let mut unseen = appends.filter(|append| self.versions.position[*append as usize] == NONE);
                unseen.next().map(|append| (append, false))
            }
        }
    }

    fn next_version(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        let parts = self.heard.store.parts(from.0).iter();
        parts.filter(|part| part.is_write()).find_map(|part| {
            let position = self.versions.position[part.arg as usize];
            if position == NONE {
                return None;
            }
            let (next, seen) = self.follows(part.key(), position + 1, to.0)?;
            let (name, value) = (self.heard.store.key(part.key()), self.value(part.arg));
            let (one, other, next) = (from.1, to.1, self.value(next));
            let why = match seen {
                true => {
                    let seen = self.told(part.key(), position + 2);
                    format!("{one} appended {value} to {name} and {other} appended {next} right after it{seen}")
                }
                false => format!(
                    "{one} appended {value} to {name}, the last element that anybody saw, and {other} appended \
                     {next}, which nobody saw and so came later"
                ),
            };
            Some((part.key(), why))
        })
    }

    fn missed(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        self.external(from.0).find_map(|(part, seen)| {
            let Seen::Length(length) = Seen::of(part.arg) else { return None };
            let (next, was_seen) = self.follows(part.key(), length, to.0)?;
            let (name, seen, next) = (self.heard.store.key(part.key()), list(seen), self.value(next));
            let (one, other) = (from.1, to.1);
            let why = match was_seen {
                true => format!("{one} read {seen} of {name} and missed {next}, which {other} appended next"),
                false => format!(
                    "{one} read {seen} of {name}, all that anybody ever saw of it, and missed {next}, which {other} \
                     appended"
                ),
            };
            Some((part.key(), why))
        })
    }

    fn read_from(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        self.external(to.0).find_map(|(part, seen)| {
            let last = match Seen::of(part.arg) {
                Seen::Length(length) => self.versions.last(self.heard, part.key(), length)?,
                Seen::Odd(odd) => self.versions.odd_last[odd as usize],
                _ => return None,
            };
            if last == NONE || self.heard.by[last as usize] != from.0 {
                return None;
            }
            let (name, value) = (self.heard.store.key(part.key()), self.value(last));
            Some((
                part.key(),
                format!("{} read {} of {name}, of which {value} is {}'s", to.1, list(seen), from.1),
            ))
        })
    }

    /// Who saw so many elements of a list.
    fn told(&self, key: u32, length: u32) -> String {
        let (store, reader) = (&self.heard.store, self.reader(key, length));
        let Some(part) = (reader != NONE).then(|| store.parts(reader)).and_then(|parts| {
            let long = |part: &&Part| match Seen::of(part.arg) {
                Seen::Length(seen) => !part.is_write() && part.key() == key && seen >= length,
                _ => false,
            };
            parts.iter().find(long)
        }) else {
            return String::new();
        };
        let (who, at) = (store.process_name(reader), store.completed(reader));
        format!(", for {who} read {} at event {at}", self.seen(*part).map(list).unwrap_or_default())
    }

    /// Two appends to one list that nobody saw, the first of them if it came first.
    fn either(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        let unseen = |txn: u32| {
            let parts = self.heard.store.parts(txn).iter();
            parts.filter(|part| part.is_write() && self.versions.position[part.arg as usize] == NONE)
        };
        unseen(from.0).find_map(|part| {
            let next = unseen(to.0).find(|other| other.key() == part.key())?;
            let (name, value, next) =
                (self.heard.store.key(part.key()), self.value(part.arg), self.value(next.arg));
            let (one, other) = (from.1, to.1);
            let why = format!(
                "if {value}, which {one} appended to {name}, came before {next}, which {other} appended"
            );
            Some((part.key(), why))
        })
    }

    /// The part of a transaction before this one that is about the same list.
    fn before(&self, txn: u32, at: usize) -> Option<usize> {
        let parts = self.heard.store.parts(txn);
        (0..at).rev().find(|before| parts[*before].key() == parts[at].key())
    }

    /// A transaction that read at least `length` elements of a list, with as few more as possible.
    fn reader(&self, key: u32, length: u32) -> u32 {
        let store = &self.heard.store;
        let read = |txn: u32| {
            let parts = store.parts(txn).iter().filter(|part| !part.is_write() && part.key() == key);
            let lengths = parts.filter_map(|part| match Seen::of(part.arg) {
                Seen::Length(seen) if seen >= length => Some(seen),
                _ => None,
            });
            lengths.min().map(|seen| (seen, txn))
        };
        let ok = (0..store.len() as u32).filter(|txn| store.fate(*txn) == Fate::Ok);
        ok.filter_map(read).min().map_or(NONE, |(_, txn)| txn)
    }

    /// Tells an anomaly that needs no circle.
    pub fn note(&self, note: &Note) -> Anomaly {
        let (store, key) = (&self.heard.store, self.heard.store.key(note.key));
        let [mut first, second] = note.txns;
        if first == NONE {
            first = self.reader(note.key, note.at + 1);
        }
        let mut txns = vec![first, second];
        let what = match note.what {
            Phenomenon::GarbageRead => {
                format!("T1 saw {} in {key}, which nobody ever appended.", self.at(note))
            }
            Phenomenon::DuplicateElements => {
                format!("T1 saw {} twice in {key}, and T2 appended it only once.", self.at(note))
            }
            Phenomenon::CyclicVersions => {
                format!("It saw {} in {key} behind what T2 appended only after that.", self.at(note))
            }
            Phenomenon::AbortedRead => {
                format!(
                    "T1 saw {} in {key}, which only T2 appended. But T2 failed, and what failed must never be seen.",
                    self.at(note)
                )
            }
            Phenomenon::DirtyUpdate => {
                format!(
                    "What T1 appended to {key} stands after an element of T2, which failed: T1 built upon that."
                )
            }
            Phenomenon::IncompatibleOrder => {
                let odd = &self.heard.lists.odd()[note.at as usize].list;
                let common = self.heard.lists.longest(note.key).iter().zip(odd).take_while(|(a, b)| a == b);
                let differs = common.count() as u32;
                txns[1] = self.reader(note.key, differs + 1);
                let element =
                    |list: &[Value]| list.get(differs as usize).map(Value::to_string).unwrap_or_default();
                let (one, other) = (element(odd), element(self.heard.lists.longest(note.key)));
                format!(
                    "Element {differs} of {key}, counted from 0, is {one} for T1 and {other} for T2. But a list only grows at its \
                     end, so that the shorter of two reads is the beginning of the longer."
                )
            }
            Phenomenon::IntermediateRead => {
                format!("T1 read {key} as T2 left it for a moment only: T2 went on to append more.")
            }
            Phenomenon::FutureRead => format!("T1 read from {key} what it only appended later."),
            Phenomenon::LostUpdate => format!(
                "Both read {} of {key} and then appended to it. Whoever came second should have seen the other's.",
                list(&self.heard.lists.longest(note.key)[..note.at as usize])
            ),
            _ => {
                let at = note.at as usize - store.span(first).start;
                let part = self.part(first, at);
                match self.before(first, at) {
                    Some(before) => format!(
                        "T1's part {} ({part}) disagrees with its part {} ({}): a transaction sees what it appended, and nobody \
                         else's doings in between.",
                        at + 1,
                        before + 1,
                        self.part(first, before)
                    ),
                    None => format!("T1's part {} ({part}) disagrees with what it did before.", at + 1),
                }
            }
        };
        txns.retain(|txn| *txn != NONE);
        let told =
            txns.iter().enumerate().map(|(at, number)| format!("T{} is {}.", at + 1, txn(self, *number)));
        let mut story: Vec<String> = told.collect();
        story.extend([what, rules_out(note.what)]);
        let events = events(store, &txns);
        Anomaly::new(&note.what.to_string(), key, story.join(" "), events)
    }

    /// The element that a note is about.
    fn at(&self, note: &Note) -> String {
        let longest = self.heard.lists.longest(note.key);
        let own = |odd: &&super::lists::Odd| odd.key == note.key && odd.txn == note.txns[0];
        let odd = self.heard.lists.odd().iter().find(own).map_or(&[][..], |odd| &odd.list);
        let list = if note.txns[0] == NONE { longest } else { odd };
        list.get(note.at as usize).map_or_else(|| "an element".to_owned(), Value::to_string)
    }
}

impl Testimony for Witness<'_> {
    fn store(&self) -> &Store {
        &self.heard.store
    }

    fn part(&self, txn: u32, at: usize) -> String {
        let part = self.heard.store.parts(txn)[at];
        let key = self.heard.store.key(part.key());
        match part.is_write() {
            true => format!("append {key} {}", self.value(part.arg)),
            false => format!("read {key} {}", self.seen(part).map_or_else(|| "?".to_owned(), list)),
        }
    }

    fn because(&self, from: (u32, &str), to: (u32, &str), kind: u32) -> Option<(u32, String)> {
        match kind {
            kind::WW => self.next_version(from, to).or_else(|| self.either(from, to)),
            kind::WR => self.read_from(from, to),
            _ => self.missed(from, to),
        }
    }
}
