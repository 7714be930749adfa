//! How what was found is told.

use super::Isolation;
use super::graph::kind;
use super::phenomenon::{Order, Phenomenon};
use super::store::{Fate, NEVER, Store};
use super::witness::Circle;
use crate::{Anomaly, Link};
use history::{Key, Value};

/// How many parts of a transaction, or elements of a list, are written out.
const LISTED: usize = 8;

/// How many of the circles are written out that together rule something out.
const CIRCLES: usize = 4;

/// Who knows why one transaction comes before another.
pub(crate) trait Testimony {
    /// The transactions.
    fn store(&self) -> &Store;

    /// A part of a transaction in words: `read k0 [1 2]`.
    fn part(&self, txn: u32, at: usize) -> String;

    /// Why `from` comes before `to`, by an edge of this kind from data, with the object that it is about.
    fn because(&self, from: (u32, &str), to: (u32, &str), kind: u32) -> Option<(u32, String)>;
}

/// A list, its middle left out if it is long.
pub(crate) fn list(values: &[Value]) -> String {
    let text = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
    match values.len() {
        0..=LISTED => format!("[{}]", text(values)),
        n => format!("[{} … {}] ({n} elements)", text(&values[..2]), text(&values[n - 4..])),
    }
}

/// A transaction in words, without its number.
pub(crate) fn txn(testimony: &dyn Testimony, number: u32) -> String {
    let (store, parts) = (testimony.store(), parts(testimony, number).join(", "));
    let (who, node) = (store.process_name(number), store.node(number));
    format!("{who} on {node}: {parts} ({})", when(store, number))
}

/// What a transaction did, as far as it is worth telling.
fn parts(testimony: &dyn Testimony, number: u32) -> Vec<String> {
    let span = testimony.store().span(number);
    let mut parts: Vec<String> =
        span.clone().take(LISTED).map(|at| testimony.part(number, at - span.start)).collect();
    if span.len() > LISTED {
        parts.push(format!("and {} more", span.len() - LISTED));
    }
    parts
}

/// From when to when a transaction ran.
fn when(store: &Store, number: u32) -> String {
    let (from, to) = (store.invoked(number), store.completed(number));
    let (begin, end) = store.times(number);
    match (store.fate(number), to) {
        (_, NEVER) => format!("event {from}, {begin}, never completed"),
        (Fate::Ok, _) => format!("events {from} to {to}, {begin} to {end}"),
        (Fate::Fail, _) => format!("events {from} to {to}, {begin} to {end}, failed"),
        (Fate::Unknown, _) => format!("event {from}, {begin}, unknown since event {to}, {end}"),
    }
}

/// A transaction as a step of a circle that is to be drawn.
pub(crate) fn link(testimony: &dyn Testimony, number: u32, name: &str, kind: u32, why: String) -> Link {
    let store = testimony.store();
    let (process, node) = (store.process_name(number), store.node(number));
    let who = format!("{process} on {node}, {}", when(store, number));
    let kind = match kind {
        kind::WW => "ww",
        kind::WR => "wr",
        kind::RW => "rw",
        kind::PROCESS => "process",
        _ => "realtime",
    };
    Link { name: name.to_owned(), who, parts: parts(testimony, number), kind, why }
}

/// The events of these transactions, ascending.
pub(crate) fn events(store: &Store, txns: &[u32]) -> Vec<usize> {
    let both = |txn: &u32| [store.invoked(*txn), store.completed(*txn)];
    let mut events: Vec<usize> =
        txns.iter().flat_map(both).filter(|event| *event != NEVER).map(|event| event as usize).collect();
    events.sort_unstable();
    events.dedup();
    events
}

/// What a phenomenon rules out, as a sentence.
pub(crate) fn rules_out(what: Phenomenon) -> String {
    let names: Vec<&str> = what.refutes().iter().map(|model| model.name()).collect();
    format!("{what} rules out {} and whatever is stronger.", names.join(", "))
}

/// Tells a circle.
pub(crate) fn circle(testimony: &dyn Testimony, what: Phenomenon, circle: &Circle) -> Anomaly {
    let store = testimony.store();
    let names: Vec<String> = (1..=circle.len()).map(|number| format!("T{number}")).collect();
    let mut story: Vec<String> = Vec::new();
    for ((number, _), name) in circle.iter().zip(&names) {
        story.push(format!("{name} is {}.", txn(testimony, *number)));
    }
    let (mut links, mut key, mut several) = (Vec::new(), None::<Key>, false);
    for (place, (from, kind)) in circle.iter().enumerate() {
        let next = (place + 1) % circle.len();
        let (one, other) = (&names[place], &names[next]);
        let to = circle[next].0;
        let (why, of_what) = match *kind {
            kind::PROCESS => {
                (format!("both are of {}, one after the other", store.process_name(to)), "process")
            }
            kind::REALTIME => {
                let (completed, invoked) = (store.completed(*from), store.invoked(to));
                let why = format!(
                    "{one} had completed at event {completed} before {other} was invoked at event {invoked}"
                );
                (why, "real time")
            }
            kind => match testimony.because((*from, one), (to, other), kind) {
                Some((number, why)) => {
                    several |= key.is_some_and(|key| key != store.key(number));
                    key = Some(store.key(number));
                    (why, ["ww", "wr", "rw"][kind as usize])
                }
                None => ("of the data".to_owned(), ["ww", "wr", "rw"][kind as usize]),
            },
        };
        links.push(link(testimony, *from, one, *kind, why.clone()));
        story.push(format!("{one} comes before {other}: {why} ({of_what})."));
    }
    story.push(match what {
        Phenomenon::Cycle(_, Order::Plain) => {
            "So each comes before itself: no order of them is possible.".to_owned()
        }
        _ => "So each comes before itself: no order of them is possible that respects who was first."
            .to_owned(),
    });
    story.push(rules_out(what));
    let txns: Vec<u32> = circle.iter().map(|(txn, _)| *txn).collect();
    let key = key.filter(|_| !several);
    let anomaly = Anomaly::new(&what.to_string(), key, story.join(" "), events(store, &txns));
    Anomaly { circles: vec![links], ..anomaly }
}

/// Tells circles, one of which every order of the versions closes; if they are many, the first of them.
pub(crate) fn impossible(testimony: &dyn Testimony, what: Phenomenon, circles: &[Circle]) -> Anomaly {
    let (circles, more) = circles.split_at(circles.len().min(CIRCLES));
    let mut txns: Vec<u32> = circles.iter().flatten().map(|(txn, _)| *txn).collect();
    txns.sort_unstable();
    txns.dedup();
    let name = |number: u32| format!("T{}", txns.partition_point(|txn| *txn < number) + 1);
    let mut story: Vec<String> =
        txns.iter().map(|number| format!("{} is {}.", name(*number), txn(testimony, *number))).collect();
    let mut drawn = Vec::new();
    for circle in circles {
        let edge = |place: usize| {
            let ((from, kind), (to, _)) = (circle[place], circle[(place + 1) % circle.len()]);
            let (one, other) = (name(from), name(to));
            let why = match kind {
                kind::PROCESS => Some("the same process".to_owned()),
                kind::REALTIME => Some("completed before the other was invoked".to_owned()),
                kind => testimony.because((from, &one), (to, &other), kind).map(|(_, why)| why),
            };
            let why = why.unwrap_or_else(|| "if its version came first".to_owned());
            let told = format!("{one} before {other} ({why})");
            (told, link(testimony, from, &one, kind, why))
        };
        let (edges, links): (Vec<String>, Vec<Link>) = (0..circle.len()).map(edge).unzip();
        drawn.push(links);
        story.push(format!("A circle: {}.", edges.join(", ")));
    }
    if !more.is_empty() {
        story.push(format!("There are {} more such circles, and all of them are needed.", more.len()));
    }
    story.push(
        "Whatever the order of the versions, some circle closes: nothing explains all reads.".to_owned(),
    );
    story.push(rules_out(what));
    let events = events(testimony.store(), &txns);
    let anomaly = Anomaly::new(&what.to_string(), None, story.join(" "), events);
    Anomaly { circles: drawn, ..anomaly }
}

/// The models that these phenomena leave, the strongest ones.
pub(crate) fn left(found: impl Iterator<Item = Phenomenon> + Clone) -> Vec<Isolation> {
    let allowed = |model: &Isolation| !found.clone().any(|what| what.forbidden_by(*model));
    let left: Vec<Isolation> = Isolation::ALL.into_iter().filter(allowed).collect();
    Isolation::strongest(&left)
}

/// The models that these phenomena rule out, the weakest ones.
pub(crate) fn refuted(found: impl Iterator<Item = Phenomenon> + Clone) -> Vec<Isolation> {
    let forbidden = |model: &Isolation| found.clone().any(|what| what.forbidden_by(*model));
    let refuted: Vec<Isolation> = Isolation::ALL.into_iter().filter(forbidden).collect();
    Isolation::weakest(&refuted)
}
