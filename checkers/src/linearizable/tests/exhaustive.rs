//! Every small history, against the oracle.

use super::oracle::{Deed, explains};
use super::shapes::{Interval, indexes, label, shapes};
use super::{both, prepared_says};
use crate::models::register::Action;
use crate::{Item, NEVER};
use history::{Call, Doubt, Event, History, Key, NodeId, Outcome, ProcessId, Refusal, Reply, Time, Value};
use rayon::prelude::*;

/// What was counted: histories, those with an order, and those that the unique-value algorithm judged, with
/// and without one.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Count {
    all: usize,
    yes: usize,
    unique_yes: usize,
    unique_no: usize,
}

impl Count {
    fn plus(self, other: Count) -> Count {
        Count {
            all: self.all + other.all,
            yes: self.yes + other.yes,
            unique_yes: self.unique_yes + other.unique_yes,
            unique_no: self.unique_no + other.unique_no,
        }
    }
}

fn value(v: i64) -> Option<Value> {
    (v != 0).then_some(Value(v))
}

/// What an operation can be, over nothing (0) and two values: what it saw, what it left. Those that may end
/// unknown come last.
const DEEDS: [(Option<i64>, Option<i64>); 9] = [
    (Some(0), None),
    (Some(1), None),
    (Some(2), None),
    (None, Some(1)),
    (None, Some(2)),
    (Some(0), Some(1)),
    (Some(0), Some(2)),
    (Some(1), Some(2)),
    (Some(2), Some(1)),
];

/// Judges every labelling of `shape` by every algorithm, with a register that holds `initial` in the beginning.
fn judge_shape(shape: &[Interval], initial: i64) -> Count {
    let at = indexes(shape);
    // What ends unknown has nothing after it.
    let ends_last = |i: usize| shape.iter().all(|(a, _)| *a <= shape[i].1);
    let labels = |i| if ends_last(i) { DEEDS.len() + 6 } else { DEEDS.len() };
    let mut count = Count::default();
    label(shape, &labels, &mut |chosen| {
        // Values are only names: of two histories that differ in them alone, one is enough.
        let deed = |l: usize| if l < DEEDS.len() { DEEDS[l] } else { DEEDS[l - 6] };
        let named = chosen.iter().flat_map(|l| [deed(*l).0, deed(*l).1]).flatten().find(|v| *v > 0);
        if initial == 0 && named == Some(2) {
            return;
        }
        let certain = |l: usize| l < DEEDS.len();
        let deeds: Vec<Deed> = (chosen.iter().zip(&at))
            .map(|(l, (from, to))| Deed {
                saw: deed(*l).0,
                left: deed(*l).1,
                from: *from,
                to: certain(*l).then_some(*to),
            })
            .collect();
        let mut items: Vec<Item<Action>> = deeds.iter().map(item).collect();
        items.sort_unstable_by_key(|item| item.invoked);
        let expected = explains(&deeds, initial);
        let unique = both(value(initial), &items, expected);
        count.all += 1;
        count.yes += usize::from(expected);
        count.unique_yes += usize::from(unique && expected);
        count.unique_no += usize::from(unique && !expected);
    });
    count
}

fn item(deed: &Deed) -> Item<Action> {
    let action = match (deed.saw, deed.left) {
        (Some(saw), None) => Action::Read(value(saw)),
        (None, Some(left)) => Action::Write(Value(left)),
        (Some(saw), Some(left)) => Action::Cas { expected: value(saw), new: Value(left) },
        (None, None) => unreachable!("an operation sees or leaves something"),
    };
    let returned = deed.to.map_or(NEVER, |to| to as u32);
    Item { action, invoked: deed.from as u32, returned }
}

fn judge_all(n: usize, initial: i64) -> Count {
    shapes(n).par_iter().map(|shape| judge_shape(shape, initial)).reduce(Count::default, Count::plus)
}

#[test]
fn the_shapes_are_the_interval_orders() {
    assert_eq!([1, 2, 3, 4, 5].map(|n| shapes(n).len()), [1, 2, 5, 15, 53]);
}

/// Both kinds of register: one that holds nothing in the beginning, and one that holds the first of the two
/// values. The numbers are what was counted when this was written; they can only change with the enumeration.
#[test]
fn every_history_of_up_to_five_operations_over_two_values() {
    let counted = |initial| (1..=5).map(|n| judge_all(n, initial)).fold(Count::default(), Count::plus);
    let from_nothing = Count { all: 2_761_813, yes: 511_917, unique_yes: 21_898, unique_no: 198_859 };
    assert_eq!(counted(0), from_nothing);
    let from_a_value = Count { all: 5_440_073, yes: 566_773, unique_yes: 2_320, unique_no: 67_047 };
    assert_eq!(counted(1), from_a_value);
}

/// How an operation can end, in the words of a client. Together with [`calls`]: every call, every outcome.
fn outcomes(call: &Call) -> Vec<Outcome> {
    let unknown = Outcome::Unknown(Doubt::Timeout);
    let failed = Outcome::Fail(Refusal::Unreachable);
    let all = [None, Some(Value(1)), Some(Value(2))];
    let told: Vec<Outcome> = match call {
        Call::Read { .. } => all.map(|value| Outcome::Ok(Reply::Read(value))).to_vec(),
        Call::Write { .. } => vec![Outcome::Ok(Reply::Done)],
        Call::Cas { .. } => {
            let found = all.map(|found| Outcome::Fail(Refusal::Mismatch { found }));
            found.into_iter().chain([Outcome::Ok(Reply::Done)]).collect()
        }
        other => unreachable!("{other} is no call to a register"),
    };
    told.into_iter().chain([unknown, failed]).collect()
}

fn calls() -> Vec<Call> {
    let (key, one, two) = (Key(7), Value(1), Value(2));
    let mut calls =
        vec![Call::Read { key }, Call::Write { key, value: one }, Call::Write { key, value: two }];
    for expected in [None, Some(one), Some(two)] {
        calls.extend([one, two].map(|new| Call::Cas { key, expected, new }));
    }
    calls
}

/// What the oracle makes of a call and its outcome; an error if no register could ever answer so.
fn meant(call: &Call, outcome: &Outcome, (from, to): Interval) -> Result<Option<Deed>, ()> {
    let number = |value: Option<Value>| value.map_or(0, |value| value.0);
    let deed = |saw, left, to| Ok(Some(Deed { saw, left, from, to }));
    match (call, outcome) {
        (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => deed(Some(number(*value)), None, Some(to)),
        (Call::Write { value, .. }, Outcome::Ok(_)) => deed(None, Some(value.0), Some(to)),
        (Call::Write { value, .. }, Outcome::Unknown(_)) => deed(None, Some(value.0), None),
        (Call::Cas { expected, new, .. }, Outcome::Ok(_)) => {
            deed(Some(number(*expected)), Some(new.0), Some(to))
        }
        (Call::Cas { expected, new, .. }, Outcome::Unknown(_)) => {
            deed(Some(number(*expected)), Some(new.0), None)
        }
        (Call::Cas { expected, .. }, Outcome::Fail(Refusal::Mismatch { found })) => match found == expected {
            true => Err(()),
            false => deed(Some(number(*found)), None, Some(to)),
        },
        _ => Ok(None),
    }
}

/// From real histories, so that what precedes the algorithms is held against the oracle too.
#[test]
fn every_call_and_every_outcome_in_histories_of_up_to_three_operations() {
    let labels: Vec<(Call, Outcome)> =
        calls().iter().flat_map(|call| outcomes(call).into_iter().map(|o| (call.clone(), o))).collect();
    let (mut yes, mut no) = (0, 0);
    for shape in (1..=3).flat_map(shapes) {
        let at = indexes(&shape);
        label(&shape, &|_| labels.len(), &mut |chosen| {
            let mut events = vec![None; 2 * shape.len()];
            let mut deeds = Ok(Vec::new());
            for (i, (l, (from, to))) in chosen.iter().zip(&at).enumerate() {
                let (process, (call, outcome)) = (ProcessId(i as u32), labels[*l].clone());
                match (meant(&call, &outcome, (*from, *to)), &mut deeds) {
                    (Ok(deed), Ok(deeds)) => deeds.extend(deed),
                    (Ok(_), Err(())) => {}
                    (Err(()), _) => deeds = Err(()),
                }
                events[*from] = Some(Event::Invoke { process, node: NodeId(1), call });
                events[*to] = Some(Event::Complete { process, outcome });
            }
            let mut history = History::new();
            for event in events.into_iter().flatten() {
                history.push(Time(history.len() as u64), event).unwrap();
            }
            let expected = deeds.is_ok_and(|deeds| explains(&deeds, 0));
            assert_eq!(prepared_says(&history), expected, "{}", super::shown(&history));
            *(if expected { &mut yes } else { &mut no }) += 1;
        });
    }
    assert_eq!((yes, no), (79_307, 256_179));
}
