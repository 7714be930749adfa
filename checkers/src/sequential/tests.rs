//! Against an oracle that tries every order, and against the catalogue.

use super::Sequential;
use crate::cases::cases;
use crate::models::queue::Queue;
use crate::models::register::Register;
use crate::{Budget, Checker, Object, Verdict};
use history::{
    Call, Chance, Doubt, Event, History, Key, NodeId, Outcome, ProcessId, Reply, Time, Value, text,
};
use std::collections::BTreeMap;

/// One operation as the oracle understands it: the object, what went in, what came out, and whether it must have
/// happened.
type Deed = (u64, Option<i64>, Option<Option<i64>>, bool);

/// Every order that keeps that of each process, by brute force, of registers or of queues.
fn explains(processes: &mut [Vec<Deed>], state: &BTreeMap<u64, Vec<i64>>, queues: bool) -> bool {
    if processes.iter().flatten().all(|deed| !deed.3) {
        return true;
    }
    for at in 0..processes.len() {
        let Some(deed) = processes[at].first().copied() else { continue };
        let (key, put, got, _) = deed;
        let mut after = state.clone();
        let held = after.entry(key).or_default();
        let seen = held.first().copied();
        match put {
            Some(value) if queues => held.push(value),
            Some(value) => *held = vec![value],
            None if queues && seen.is_some() => drop(held.remove(0)),
            None => {}
        }
        if got.is_none_or(|got| got == seen) {
            processes[at].remove(0);
            if explains(processes, &after, queues) {
                return true;
            }
            processes[at].insert(0, deed);
        }
    }
    false
}

fn call_of(deed: Deed, queues: bool) -> (Call, Outcome) {
    let (key, put, got, certain) = deed;
    let key = Key(key);
    let value = put.map(Value);
    let call = match (value, queues) {
        (Some(value), true) => Call::Enqueue { key, value },
        (Some(value), false) => Call::Write { key, value },
        (None, true) => Call::Dequeue { key },
        (None, false) => Call::Read { key },
    };
    let reply = got.map_or(Reply::Done, |got| Reply::Read(got.map(Value)));
    (call, if certain { Outcome::Ok(reply) } else { Outcome::Unknown(Doubt::Timeout) })
}

/// A history of these processes, whose events are in a random order.
fn history_of(processes: &[Vec<Deed>], queues: bool, chance: &mut Chance) -> History {
    let mut events: Vec<Vec<Event>> = Vec::new();
    for (at, deeds) in processes.iter().enumerate() {
        let process = ProcessId(at as u32);
        let two = |deed: &Deed| {
            let (call, outcome) = call_of(*deed, queues);
            let invoke = Event::Invoke { process, node: NodeId(1), call };
            [Event::Complete { process, outcome }, invoke]
        };
        events.push(deeds.iter().rev().flat_map(two).collect());
    }
    let mut history = History::new();
    while events.iter().any(|events| !events.is_empty()) {
        let at = chance.below(events.len() as u64) as usize;
        if let Some(event) = events[at].pop() {
            history.push(Time(history.len() as u64), event).unwrap();
        }
    }
    history
}

fn says<O: Object + Clone>(object: O, history: &History) -> bool {
    let report = Sequential::new(object).check(history, &Budget::default());
    // Nothing can be wrong where nothing is known to have happened.
    let vacuous = report.summary.starts_with("vacuous");
    assert!(vacuous || report.verdict != Verdict::Unknown, "{}", report.summary);
    vacuous || report.verdict == Verdict::Valid
}

#[test]
fn random_histories_are_judged_as_by_the_oracle() {
    let (mut chance, mut yes, mut no, mut only) = (Chance::new(9), 0, 0, 0);
    for round in 0..cases(20_000) {
        let (queues, keys) = (round % 3 == 0, chance.between(1, 2));
        let mut fresh = 0;
        let mut deed = |chance: &mut Chance, last: bool| {
            let certain = !(last && chance.below(4) == 0);
            let key = chance.below(keys);
            if chance.below(2) == 0 {
                fresh += 1;
                let value = if queues { fresh } else { chance.between(1, 2) as i64 };
                (key, Some(value), None, certain)
            } else {
                let seen = chance.below(3) as i64;
                let seen = Some((seen > 0).then_some(seen));
                (key, None, seen.filter(|_| certain), certain)
            }
        };
        let mut processes: Vec<Vec<Deed>> = (0..chance.between(2, 3))
            .map(|_| {
                let many = chance.between(1, 3);
                (0..many).map(|at| deed(&mut chance, at + 1 == many)).collect()
            })
            .collect();
        let history = history_of(&processes, queues, &mut chance);
        let expected = explains(&mut processes, &BTreeMap::new(), queues);
        let said = match queues {
            true => says(Queue::FIFO, &history),
            false => says(Register::default(), &history),
        };
        let shown = || history.ops().map(|op| text::show(&op)).collect::<Vec<_>>().join("; ");
        assert_eq!(said, expected, "{}", shown());
        *(if expected { &mut yes } else { &mut no }) += 1;
        let linearizable = match queues {
            true => crate::Linearizable::new(Queue::FIFO).check(&history, &Budget::default()),
            false => crate::Linearizable::default().check(&history, &Budget::default()),
        };
        only += u64::from(expected && linearizable.verdict == Verdict::Invalid);
        assert!(expected || linearizable.verdict == Verdict::Invalid, "linearizable is more: {}", shown());
    }
    let some = cases(20_000) / 40;
    assert!(yes > 4 * some && no > 4 * some && only > some, "yes {yes}, no {no}, only sequentially {only}");
}

/// The column of the catalogue for sequential consistency: of L1 to L36, only these are not.
#[test]
fn the_catalogue_is_judged_as_it_says() {
    let table = include_str!("../../testscripts/linearizable.txt");
    let mut judged = 0;
    for line in table.lines().filter(|line| line.starts_with('L')) {
        let fields: Vec<&str> = line.split(" | ").collect();
        let number: Option<u32> = fields[0][1..].parse().ok();
        let Some(number) = number.filter(|number| *number <= 36) else { continue };
        let initial = (fields[1] != "nil").then(|| Value(fields[1].parse().unwrap()));
        let expected = ![4, 6, 15, 16, 18].contains(&number);
        assert_eq!(says(Register { initial }, &text::parse(fields[2]).unwrap()), expected, "{line}");
        judged += 1;
    }
    assert_eq!(judged, 36);
}

/// L59 and L60: each register alone is sequentially consistent, both together are not.
#[test]
fn two_registers_are_judged_together() {
    let zero = Register { initial: Some(Value(0)) };
    assert!(says(zero, &text::parse("A:wx1[0,1]; A:ry0[2,5]; B:wy1[3,4]; B:rx1[6,7]").unwrap()));
    let dekker = text::parse("A:wx1[0,3]; B:wy1[1,2]; A:ry0[4,5]; B:rx0[6,7]").unwrap();
    let report = Sequential::new(zero).check(&dekker, &Budget::default());
    assert_eq!((report.verdict, report.anomalies.len()), (Verdict::Invalid, 1));
    assert_eq!(report.anomalies[0].key, None);
    assert!(report.anomalies[0].story.contains("all objects together"), "{}", report.anomalies[0].story);
}

#[test]
fn a_spent_budget_is_told() {
    let history = text::parse("A:w1[0,1]; B:rnil[2,3]").unwrap();
    let report =
        Sequential::<Register>::default().check(&history, &Budget::new(std::time::Duration::ZERO, 1 << 20));
    assert_eq!(report.verdict, Verdict::Unknown, "{}", report.summary);
}
