//! Registers in words.

use super::heard::Heard;
use super::versions::Versions;
use super::weak::{Forced, reason};
use crate::transactions::graph::kind;
use crate::transactions::notes::{NONE, Note};
use crate::transactions::phenomenon::Phenomenon;
use crate::transactions::store::{Part, Store, UNREAD};
use crate::transactions::testimony::{Testimony, events, link, rules_out, txn};
use crate::transactions::witness::Circle;
use crate::{Anomaly, Link};

/// What is known of the registers.
pub(crate) struct Witness<'h> {
    pub heard: &'h Heard,
    pub versions: &'h Versions,
}

impl Witness<'_> {
    fn value(&self, version: u32) -> String {
        let value = self.heard.versions.get(version as usize).and_then(|(_, value)| *value);
        value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
    }

    fn reads(&self, txn: u32) -> impl Iterator<Item = Part> + '_ {
        self.heard.store.parts(txn).iter().copied().filter(|part| !part.is_write() && part.arg != UNREAD)
    }

    fn written(&self, txn: u32, key: u32) -> Option<u32> {
        let mut writes = self.heard.store.parts(txn).iter().rev();
        writes.find(|part| part.is_write() && part.key() == key).map(|part| part.arg)
    }

    fn read_from(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        let read = self.reads(to.0).find(|part| self.versions.writer[part.arg as usize] == from.0)?;
        let (key, value) = (self.heard.store.key(read.key()), self.value(read.arg));
        Some((read.key(), format!("{} read {value} of {key}, which {} wrote", to.1, from.1)))
    }

    /// `from` read what `to` replaced.
    fn missed(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        let (one, other) = (from.1, to.1);
        let told = |certain: bool| {
            self.reads(from.0).find_map(|read| {
                let new = self.written(to.0, read.key()).filter(|new| *new != read.arg)?;
                let replaced = self.reads(to.0).any(|part| part.arg == read.arg);
                let initial = self.versions.is_initial[read.arg as usize];
                let (key, old, new) =
                    (self.heard.store.key(read.key()), self.value(read.arg), self.value(new));
                let why = match (initial, replaced) {
                    (true, _) => {
                        format!("{one} read {old} of {key}, the initial one, which {other} replaced by {new}")
                    }
                    (_, true) => {
                        format!("{one} read {old} of {key}, which {other} read as well and replaced by {new}")
                    }
                    _ if certain => return None,
                    _ => format!(
                        "{one} read {old} of {key}, and {other} wrote {new} later, if {old} came before {new}"
                    ),
                };
                Some((read.key(), why))
            })
        };
        told(true).or_else(|| told(false))
    }

    fn overwrote(&self, from: (u32, &str), to: (u32, &str)) -> Option<(u32, String)> {
        let mut writes = self.heard.store.parts(from.0).iter().filter(|part| part.is_write());
        writes.find_map(|part| {
            let (old, new) = (self.written(from.0, part.key())?, self.written(to.0, part.key())?);
            let (key, old, new) = (self.heard.store.key(part.key()), self.value(old), self.value(new));
            let (one, other) = (from.1, to.1);
            Some((
                part.key(),
                format!("{one} wrote {old} to {key} and {other} wrote {new}, if {old} came before {new}"),
            ))
        })
    }

    /// Tells an anomaly that needs no circle.
    pub fn note(&self, note: &Note) -> Anomaly {
        let (store, key) = (&self.heard.store, self.heard.store.key(note.key));
        let [first, second] = note.txns;
        let arg = store.all_parts().get(note.at as usize).map_or(NONE, |part| part.arg);
        let what = match note.what {
            Phenomenon::GarbageRead => {
                format!("T1 read {} of {key}, which nobody ever wrote.", self.value(arg))
            }
            Phenomenon::AbortedRead => {
                format!(
                    "T1 read {} of {key}, which only T2 wrote. But T2 failed, and what failed must never be seen.",
                    self.value(arg)
                )
            }
            Phenomenon::IntermediateRead => format!(
                "T1 read {} of {key}, which T2 left for a moment only: T2 went on to write it again.",
                self.value(arg)
            ),
            Phenomenon::FutureRead => {
                format!("T1 read {} of {key}, which it only wrote later.", self.value(arg))
            }
            Phenomenon::LostUpdate => format!(
                "Both read {} of {key} and then wrote it. Whoever came second should have read the other's.",
                self.value(note.at)
            ),
            _ => {
                let (at, parts) = (note.at as usize - store.span(first).start, store.parts(first));
                let part = self.part(first, at);
                match (0..at).rev().find(|before| parts[*before].key() == parts[at].key()) {
                    Some(before) => format!(
                        "T1's part {} ({part}) disagrees with its part {} ({}): a transaction sees what it wrote, and nobody else's \
                         doings in between.",
                        at + 1,
                        before + 1,
                        self.part(first, before)
                    ),
                    None => format!("T1's part {} ({part}) disagrees with what it did before.", at + 1),
                }
            }
        };
        let txns: Vec<u32> = [first, second].into_iter().filter(|txn| *txn != NONE).collect();
        let told =
            txns.iter().enumerate().map(|(at, number)| format!("T{} is {}.", at + 1, txn(self, *number)));
        let mut story: Vec<String> = told.collect();
        story.extend([what, rules_out(note.what)]);
        let events = events(store, &txns);
        Anomaly::new(&note.what.to_string(), key, story.join(" "), events)
    }

    /// Tells a circle of commits that had to come before one another.
    pub fn weak(&self, what: Phenomenon, circle: &Circle, forced: &[Forced]) -> Anomaly {
        let store = &self.heard.store;
        let beginning = store.len() as u32;
        let edges: Vec<(u32, u32, u32)> = (0..circle.len())
            .map(|place| (circle[place].0, circle[(place + 1) % circle.len()].0, circle[place].1))
            .collect();
        let reasons =
            edges.iter().map(|(from, to, kind)| (*kind == kind::RW).then(|| reason(forced, *from, *to)));
        let reasons: Vec<Option<Forced>> = reasons.map(Option::flatten).collect();
        let ways: Vec<Vec<u32>> = (edges.iter().zip(&reasons))
            .map(|((from, ..), forced)| forced.map_or_else(Vec::new, |forced| self.way(*from, forced.reader)))
            .collect();
        let mut txns: Vec<u32> =
            circle.iter().map(|(txn, _)| *txn).chain(ways.iter().flatten().copied()).collect();
        txns.extend(reasons.iter().flatten().map(|forced| forced.reader));
        txns.retain(|txn| *txn != beginning);
        txns.sort_unstable();
        txns.dedup();
        let name = |number: u32| match number == beginning {
            true => "the beginning".to_owned(),
            false => format!("T{}", txns.partition_point(|txn| *txn < number) + 1),
        };
        let mut story: Vec<String> =
            txns.iter().map(|number| format!("{} is {}.", name(*number), txn(self, *number))).collect();
        let mut links = Vec::new();
        for (((from, to, kind), forced), way) in edges.into_iter().zip(&reasons).zip(&ways) {
            let (one, other) = (name(from), name(to));
            let why = match (kind, forced) {
                (_, Some(Forced { reader, key, .. })) => {
                    let (reader, key, seen) = (name(*reader), store.key(*key), self.seen(way, &name));
                    match to == beginning {
                        true => format!(
                            "{reader} read {key} as it was in the beginning, but {one} had written it, which it had to see: \
                             {seen}."
                        ),
                        false => format!(
                            "{one} committed before {other}: {reader} read {key} as {other} left it, although {one} had \
                             written it, too, which it had to see: {seen}."
                        ),
                    }
                }
                (kind::WR, _) => format!("{one} committed before {other}, which read from it."),
                _ if from == beginning => String::new(),
                _ => format!("{one} committed before {other}, which is later in the same session."),
            };
            let step = match from == beginning {
                true => {
                    let why = "nothing was written yet".to_owned();
                    Link { name: one, who: String::new(), parts: Vec::new(), kind: "commit", why }
                }
                false => link(self, from, &one, kind, why.clone()),
            };
            // What is drawn as an edge here is an order of commits that was concluded, no dependency.
            links.push(if kind == kind::RW { Link { kind: "commit", ..step } } else { step });
            story.extend((!why.is_empty()).then_some(why));
        }
        if circle.iter().all(|(txn, _)| *txn != beginning) {
            story.push("So each committed before itself.".to_owned());
        }
        story.push(rules_out(what));
        let key = reasons.iter().flatten().map(|forced| store.key(forced.key)).next();
        let anomaly = Anomaly::new(&what.to_string(), key, story.join(" "), events(store, &txns));
        Anomaly { circles: vec![links], ..anomaly }
    }

    /// The shortest way from a transaction to another that had to see it: each read from the one before, or is later in its
    /// session.
    fn way(&self, from: u32, reader: u32) -> Vec<u32> {
        let store = &self.heard.store;
        let mut next = vec![NONE; store.len()];
        let mut queue = std::collections::VecDeque::from([reader]);
        while let Some(at) = queue.pop_front().filter(|at| *at != from) {
            let session = (0..at).rev().find(|before| {
                store.process(*before) == store.process(at) && self.versions.committed[*before as usize]
            });
            let wrote = self.reads(at).map(|read| self.versions.writer[read.arg as usize]);
            for before in wrote.chain(session) {
                if (before as usize) < next.len() && next[before as usize] == NONE && before != reader {
                    next[before as usize] = at;
                    queue.push_back(before);
                }
            }
        }
        let mut way = vec![from];
        while let Some(at) = way.last().and_then(|last| next.get(*last as usize)).filter(|at| **at != NONE) {
            way.push(*at);
        }
        way
    }

    /// Why the last transaction of a way had to see the first.
    fn seen(&self, way: &[u32], name: &dyn Fn(u32) -> String) -> String {
        let step = |pair: &[u32]| {
            let (one, other) = (name(pair[0]), name(pair[1]));
            match self.read_from((pair[0], &one), (pair[1], &other)) {
                Some((_, why)) => why,
                None => format!("{other} came after {one} in the same session"),
            }
        };
        way.windows(2).map(step).collect::<Vec<_>>().join(", and ")
    }
}

impl Testimony for Witness<'_> {
    fn store(&self) -> &Store {
        &self.heard.store
    }

    fn part(&self, txn: u32, at: usize) -> String {
        let part = self.heard.store.parts(txn)[at];
        let key = self.heard.store.key(part.key());
        match (part.is_write(), part.arg) {
            (true, version) => format!("write {key} {}", self.value(version)),
            (false, UNREAD) => format!("read {key} ?"),
            (false, version) => format!("read {key} {}", self.value(version)),
        }
    }

    fn because(&self, from: (u32, &str), to: (u32, &str), kind: u32) -> Option<(u32, String)> {
        match kind {
            kind::WW => self.overwrote(from, to),
            kind::WR => self.read_from(from, to),
            _ => self.missed(from, to),
        }
    }
}
