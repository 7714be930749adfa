//! Random histories, right and wrong, against the oracle.

use super::oracle::{deeds, explains};
use super::{says, shown};
use crate::cases::cases;
use crate::synthetic::objects::{Kind, Shape, simulate};
use history::{Call, Chance, Event, History, Outcome, ProcessId, Refusal, Reply, Value};
use rayon::prelude::*;

/// The history with something changed at random: an answer, or the order of events of different processes.
pub(super) fn garbled(history: &History, chance: &mut Chance) -> History {
    let mut events: Vec<Event> = history.entries().iter().map(|entry| entry.event.clone()).collect();
    let told = |at: &usize| matches!(&events[*at], Event::Complete { outcome, .. } if !outcome.is_unknown());
    let answers: Vec<usize> = (0..events.len()).filter(told).collect();
    for _ in 0..chance.between(2, 6) {
        let at = chance.below(events.len() as u64) as usize;
        if chance.below(2) == 0 {
            if let Some(at) = chance.pick(&answers).copied() {
                let asked = events[..at].iter().rev().find(|event| process(event) == process(&events[at]));
                let releases = matches!(asked, Some(Event::Invoke { call: Call::Release { .. }, .. }));
                garble(&mut events[at], releases, chance);
            }
        } else if at + 1 < events.len() && process(&events[at]) != process(&events[at + 1]) {
            events.swap(at, at + 1);
        }
    }
    let mut garbled = History::new();
    for (at, event) in events.into_iter().enumerate() {
        garbled.push(history.entries()[at].time, event).expect("each process keeps its order");
    }
    garbled
}

fn process(event: &Event) -> Option<ProcessId> {
    match event {
        Event::Invoke { process, .. } | Event::Complete { process, .. } => Some(*process),
        _ => None,
    }
}

fn garble(event: &mut Event, releases: bool, chance: &mut Chance) {
    let Event::Complete { outcome, .. } = event else { return };
    match outcome {
        Outcome::Ok(Reply::Read(value)) => {
            *value = (chance.below(4) > 0).then(|| Value(chance.between(1, 6) as i64));
        }
        Outcome::Ok(Reply::Count(count)) => *count += chance.below(3) as i64 - 1,
        Outcome::Ok(Reply::Is(is)) => *is = !*is,
        Outcome::Ok(Reply::List(values)) if values.is_empty() => values.push(Value(1)),
        Outcome::Ok(Reply::List(values)) => {
            let at = chance.below(values.len() as u64) as usize;
            match chance.below(3) {
                0 => drop(values.remove(at)),
                1 => values[at] = Value(chance.between(0, 5) as i64),
                _ => values.swap(at, 0),
            }
        }
        Outcome::Ok(Reply::Held(Some(token))) => *token = chance.between(1, 4),
        Outcome::Fail(Refusal::NotHeld) if releases => *outcome = Outcome::Ok(Reply::Done),
        Outcome::Fail(Refusal::NotHeld) => {
            *outcome = Outcome::Ok(Reply::Held(Some(chance.between(1, 5))));
        }
        _ => {}
    }
}

/// Judges many histories; how many were right and wrong, and how many of each the quick algorithms decided.
fn try_all(kind: Kind) -> [u64; 4] {
    let one = |seed: u64| {
        let mut chance = Chance::new(seed).split("objects");
        let shape = Shape {
            kind,
            ops: chance.between(2, 7) as usize,
            clients: chance.between(2, 4) as u32,
            unknown: [0, 150][chance.below(2) as usize],
            looks: 500,
            elements: chance.between(1, 4),
            drains: chance.below(4) == 0,
        };
        let right = chance.below(3) == 0;
        let history = simulate(shape, seed);
        let history = if right { history } else { garbled(&history, &mut chance) };
        let expected = explains(kind, &deeds(kind, &history));
        assert!(expected || !right, "the simulation is wrong: {}", shown(&history));
        let said = says(kind, &history);
        assert_eq!(said.fine, expected, "{kind:?}: {}", shown(&history));
        let by_quick = u64::from(said.quick.is_some());
        let (yes, no) = (u64::from(expected), u64::from(!expected));
        [yes, no, yes * by_quick, no * by_quick]
    };
    let sum = |one: [u64; 4], other: [u64; 4]| std::array::from_fn(|at| one[at] + other[at]);
    (0..cases(10_000)).into_par_iter().map(one).reduce(|| [0; 4], sum)
}

/// Of `cases`, at least a tenth must be right and as many wrong, and the quick algorithms must have decided so
/// many of a hundred of each.
fn holds(kind: Kind, quick: u64) {
    let [yes, no, quick_yes, quick_no] = try_all(kind);
    let told = format!("{kind:?}: yes {yes}, no {no}, at once {quick_yes} and {quick_no}");
    assert!(yes * 10 > cases(10_000) && no * 10 > cases(10_000), "{told}");
    assert!(quick_yes * 100 >= yes * quick && quick_no * 100 >= no * quick, "{told}");
}

#[test]
fn queues_are_judged_as_by_the_oracle() {
    holds(Kind::Fifo, 90);
}

#[test]
fn stacks_are_judged_as_by_the_oracle() {
    holds(Kind::Stack, 60);
}

#[test]
fn priority_queues_are_judged_as_by_the_oracle() {
    holds(Kind::Largest, 60);
}

#[test]
fn sets_are_judged_as_by_the_oracle() {
    holds(Kind::Elements, 10);
}

#[test]
fn sets_that_only_grow_are_judged_as_by_the_oracle() {
    holds(Kind::Grown, 100);
}

#[test]
fn lists_are_judged_as_by_the_oracle() {
    holds(Kind::List, 95);
}

#[test]
fn texts_are_judged_as_by_the_oracle() {
    holds(Kind::Text, 95);
}

#[test]
fn counters_are_judged_as_by_the_oracle() {
    holds(Kind::Counter, 100);
}

#[test]
fn sums_are_judged_as_by_the_oracle() {
    holds(Kind::Sum, 5);
}

#[test]
fn locks_are_judged_as_by_the_oracle() {
    holds(Kind::Lock, 100);
}

#[test]
fn locks_that_may_be_lost_are_judged_as_by_the_oracle() {
    holds(Kind::Leased, 100);
}
