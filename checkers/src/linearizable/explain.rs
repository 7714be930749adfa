//! From a violation to a story that a reader can follow.

use super::unique::{Violation, Zone};
use crate::flaw::{Kind, Word};
use crate::{Anomaly, Flaw, Item, NEVER};
use history::{Call, Event, History, Key, Op, Outcome, Refusal, Reply, Value, text};

/// How many operations a story lists at most.
const LISTED: usize = 16;

/// Tells what is wrong with one key.
pub(crate) struct Teller<'h> {
    /// What happened.
    pub history: &'h History,
    /// Which key it is about.
    pub key: Key,
    /// What the key held in the beginning, for people.
    pub beginning: String,
}

fn held(value: Option<Value>) -> String {
    value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

/// What an operation saw, if that is known.
fn saw(op: &Op<'_>) -> Option<Option<Value>> {
    match (op.call, op.outcome) {
        (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => Some(*value),
        (Call::Cas { .. }, Outcome::Fail(Refusal::Mismatch { found })) => Some(*found),
        (Call::Cas { expected, .. }, outcome) if !outcome.is_fail() => Some(*expected),
        _ => None,
    }
}

/// What an operation was to leave, whatever became of it.
fn left(op: &Op<'_>) -> Option<Value> {
    match op.call {
        Call::Write { value, .. }
        | Call::Cas { new: value, .. }
        | Call::Add { value, .. }
        | Call::Append { value, .. }
        | Call::Enqueue { value, .. }
        | Call::Guarded { value, .. } => Some(*value),
        _ => None,
    }
}

impl<'h> Teller<'h> {
    /// The operation that an event, its invocation or its return, belongs to.
    fn op(&self, event: u32) -> Op<'h> {
        let (entries, at) = (self.history.entries(), event as usize);
        let same = |event: &Event, process| match event {
            Event::Invoke { process: other, .. } | Event::Complete { process: other, .. } => {
                *other == process
            }
            _ => false,
        };
        let invoked = match &entries[at].event {
            Event::Complete { process, .. } => (0..at).rev().find(|i| same(&entries[*i].event, *process)),
            _ => Some(at),
        };
        let invoked = invoked.expect("a history has no completion without a call");
        let Event::Invoke { process, node, call } = &entries[invoked].event else {
            unreachable!("violations name events of operations");
        };
        let after = entries[invoked + 1..].iter().position(|entry| same(&entry.event, *process));
        let completed = after.map(|after| invoked + 1 + after);
        let outcome = match completed.map(|at| &entries[at].event) {
            Some(Event::Complete { outcome, .. }) => outcome,
            _ => &Outcome::Unknown(history::Doubt::Unfinished),
        };
        Op { process: *process, node: *node, call, outcome, invoked, completed }
    }

    /// An operation with the node that was asked.
    fn on(&self, op: &Op<'_>) -> String {
        format!("{} on {}", text::show(op), op.node)
    }

    /// An operation with where and when.
    fn full(&self, op: &Op<'_>) -> String {
        let time = |at: usize| self.history.entries()[at].time;
        match op.completed {
            Some(at) if op.outcome.is_unknown() => {
                format!("{} ({}, unknown since {})", self.on(op), time(op.invoked), time(at))
            }
            Some(at) => format!("{} ({} to {})", self.on(op), time(op.invoked), time(at)),
            None => format!("{} ({}, never completed)", self.on(op), time(op.invoked)),
        }
    }

    /// An event with its time.
    fn at(&self, event: u32) -> String {
        match self.history.entries().get(event as usize) {
            Some(entry) => format!("event {event} ({})", entry.time),
            None => "the end".to_owned(),
        }
    }

    fn anomaly(&self, name: &str, story: String, ops: &[Op<'_>]) -> Anomaly {
        let events = ops.iter().flat_map(|op| [Some(op.invoked), op.completed]).flatten();
        Anomaly::new(name, self.key, story, events)
    }

    /// Tells a violation.
    pub fn violation(&self, violation: &Violation) -> Anomaly {
        match *violation {
            Violation::Unwritten { seen_by } => self.unwritten(&self.op(seen_by)),
            Violation::ReplacedTwice { one, other } => self.replaced_twice(&self.op(one), &self.op(other)),
            Violation::Circular { at } => self.circular(self.op(at)),
            Violation::Disordered { later, earlier } => self.disordered(&self.op(later), &self.op(earlier)),
            Violation::Overlap { one, other } => self.overlap(one, other),
            Violation::Within { inner, outer } => self.within(inner, outer),
        }
    }

    /// Tells a story with a list of the operations of these events; how many there are, and the list, are handed to
    /// `story`.
    pub fn listing(&self, name: &str, events: &[u32], story: impl FnOnce(usize, &str) -> String) -> Anomaly {
        let ops: Vec<Op<'h>> = events.iter().map(|event| self.op(*event)).collect();
        let mut lines: Vec<String> = ops.iter().take(LISTED).map(|op| self.full(op)).collect();
        if ops.len() > LISTED {
            lines.push(format!("and {} more", ops.len() - LISTED));
        }
        self.anomaly(name, story(ops.len(), &lines.join("; ")), &ops)
    }

    /// Tells what a quick algorithm found.
    pub fn flaw(&self, flaw: &Flaw) -> Anomaly {
        match &flaw.0 {
            Kind::Register(violation) => self.violation(violation),
            Kind::Phantom { seen_by, value } => self.phantom(&self.op(*seen_by), Some(*value)),
            Kind::Told { name, words } => {
                let (mut story, mut ops) = (String::new(), Vec::new());
                for word in words {
                    match word {
                        Word::Say(words) => story.push_str(words),
                        Word::At(event) => story.push_str(&self.at(*event)),
                        Word::Op(event) | Word::Brief(event) => {
                            let op = self.op(*event);
                            let brief = matches!(word, Word::Brief(_));
                            story.push_str(&if brief { self.on(&op) } else { self.full(&op) });
                            ops.push(op);
                        }
                    }
                }
                self.anomaly(name, story, &ops)
            }
        }
    }

    /// Tells that no order explains `core`, in which operations whose outcome does not matter never return.
    pub fn no_order<A>(&self, core: &[Item<A>], stuck: u32) -> Anomaly {
        let certain = core.iter().filter(|item| item.returned != NEVER);
        let events: Vec<u32> = certain.map(|item| item.invoked).collect();
        let last = self.op(stuck);
        self.listing("not linearizable", &events, |count, list| {
            format!(
                "Everything on {} before {} can be explained. Then {} returned, and no order of the operations \
                 explains it any more. These {count} alone rule it out, even if every other change were free to \
                 happen or not, given that {} held {} in the beginning: {list}.",
                self.key,
                self.at(stuck),
                self.on(&last),
                self.key,
                self.beginning,
            )
        })
    }

    fn unwritten(&self, reader: &Op<'h>) -> Anomaly {
        self.phantom(reader, saw(reader).flatten())
    }

    /// Somebody saw what nobody put there, but for those who failed.
    fn phantom(&self, reader: &Op<'h>, value: Option<Value>) -> Anomaly {
        let aborted =
            |op: &Op<'_>| op.call.key() == Some(self.key) && op.outcome.is_fail() && left(op) == value;
        let writer = value.and_then(|_| self.history.ops().find(aborted));
        let (reader_told, value) = (self.full(reader), held(value));
        match writer {
            Some(writer) => {
                let story = format!(
                    "{reader_told} saw {value}. Only {} was to write that, and it certainly failed: what failed \
                     must never be seen.",
                    self.full(&writer)
                );
                self.anomaly("aborted read", story, &[writer, *reader])
            }
            None => {
                let story = format!(
                    "{reader_told} saw {value}. Nobody ever wrote {value} to {}, which held {} in the beginning.",
                    self.key, self.beginning
                );
                self.anomaly("phantom value", story, &[*reader])
            }
        }
    }

    fn replaced_twice(&self, one: &Op<'_>, other: &Op<'_>) -> Anomaly {
        let value = held(saw(one).flatten());
        let proven = |op: &Op<'_>| match op.outcome.is_unknown() {
            true => format!("{} (which took effect: its value was seen)", self.full(op)),
            false => self.full(op),
        };
        let story = format!(
            "{} held {value} for one stretch of time only. Yet both {} and {} replaced it. Whichever came second \
             should have found the other's value: one of the two updates is lost.",
            self.key,
            proven(one),
            proven(other)
        );
        self.anomaly("lost update", story, &[*one, *other])
    }

    fn circular(&self, start: Op<'h>) -> Anomaly {
        let mut chain = vec![start];
        while chain.len() < LISTED {
            let wanted = saw(&chain[chain.len() - 1]).flatten();
            let wrote =
                |op: &Op<'_>| op.call.key() == Some(self.key) && !op.outcome.is_fail() && left(op) == wanted;
            match self.history.ops().find(wrote) {
                Some(op) if chain.iter().all(|known| known.invoked != op.invoked) => chain.push(op),
                _ => break,
            }
        }
        let told: Vec<String> = chain.iter().map(|op| self.full(op)).collect();
        let story = format!(
            "Each of these compare-and-sets expects a value that only the next one writes, and the last expects \
             that of one before it, so none can have been the first: {}.",
            told.join("; ")
        );
        self.anomaly("circular updates", story, &chain)
    }

    /// `later` had returned when `earlier` was invoked, but must come after it.
    fn disordered(&self, later: &Op<'_>, earlier: &Op<'_>) -> Anomaly {
        let at = format!(
            "{} had returned by {}, before {} was invoked at {}",
            self.on(later),
            self.at(later.completed.unwrap_or(later.invoked) as u32),
            self.on(earlier),
            self.at(earlier.invoked as u32)
        );
        let direct = left(earlier).is_some() && saw(later).flatten() == left(earlier);
        let (name, why) = match (direct, left(earlier)) {
            (true, Some(value)) => {
                ("future read", format!("it saw {value}, which nobody had begun to write yet"))
            }
            (_, Some(value)) => (
                "future read",
                format!(
                    "what it saw was made from {value} by compare-and-set, and {value} was not there yet"
                ),
            ),
            (_, None) => {
                let value = held(saw(earlier).flatten());
                (
                    "stale read",
                    format!("by then {value} had been replaced by compare-and-set, never to return"),
                )
            }
        };
        self.anomaly(name, format!("{at}: {why}."), &[*earlier, *later])
    }

    fn overlap(&self, one: Zone, other: Zone) -> Anomaly {
        let story = format!("{} {} It cannot do both.", self.holds(one), self.holds(other));
        let ops = [one.first, one.last, other.first, other.last];
        self.anomaly(self.stale(one), story, &self.ops(&ops))
    }

    fn within(&self, inner: Zone, outer: Zone) -> Anomaly {
        let (first, last) = (self.op(inner.first), self.op(inner.last));
        let between = if first.invoked == last.invoked {
            format!("Yet {} took effect entirely in between.", self.full(&first))
        } else {
            format!(
                "Yet {} was invoked after that began, at {}, and {} returned before it ended, at {}: both are \
                 about {}, so that was held in between.",
                self.on(&last),
                self.at(inner.last),
                self.on(&first),
                self.at(inner.first),
                self.values(inner)
            )
        };
        let ops = [Some(outer.first), Some(outer.last), inner.root, Some(inner.first), Some(inner.last)];
        let ops: Vec<u32> = ops.into_iter().flatten().collect();
        self.anomaly(self.stale(outer), format!("{} {between}", self.holds(outer)), &self.ops(&ops))
    }

    /// The operations of these events, without the beginning of time.
    fn ops(&self, events: &[u32]) -> Vec<Op<'h>> {
        events.iter().filter(|event| **event > 0).map(|event| self.op(*event)).collect()
    }

    /// What it is called that the last operation of `zone` saw what was no longer there.
    fn stale(&self, zone: Zone) -> &'static str {
        let last = self.op(zone.last);
        if left(&last).is_some() && !last.outcome.is_fail() { "lost update" } else { "stale read" }
    }

    /// The values that a block went through, as far as its ends tell.
    fn values(&self, zone: Zone) -> String {
        let begin = zone.root.map_or_else(|| self.beginning.clone(), |root| held(left(&self.op(root))));
        let end = match zone.last {
            0 => begin.clone(),
            last => saw(&self.op(last)).map_or_else(|| begin.clone(), held),
        };
        match begin == end {
            true => begin,
            false => format!("{begin}, and then {end} by compare-and-set,"),
        }
    }

    /// The forced fact of a forward zone, as a sentence.
    fn holds(&self, zone: Zone) -> String {
        let (key, values, last) = (self.key, self.values(zone), self.op(zone.last));
        let seen = held(saw(&last).flatten());
        let until =
            format!("until {}, when {}, which saw {seen}, was invoked", self.at(zone.last), self.on(&last));
        match zone.first {
            0 => format!("{key} must hold its initial {values} {until}."),
            first => {
                let began = self.on(&self.op(first));
                format!("{key} must hold {values} from {}, when {began} returned, {until}.", self.at(first))
            }
        }
    }
}
